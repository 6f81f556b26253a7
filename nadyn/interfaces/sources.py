"""The label sources by name, as a run file gives them: one line each, whose section is beside its source.

A section is a `Configuration` with a method `source(atomic_numbers)` that returns a `LabelSource`; a run file
holds it under its name, `{pyscf: {method: "sa3-casscf(2,2)/6-31g*"}}`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import yaml

from nadyn.checks.configuration import Configuration, parse_configuration
from nadyn.checks.errors import InputError
from nadyn.checks.files import check_file
from nadyn.checks.nearest import nearest
from nadyn.checks.yaml_text import read_yaml
from nadyn.electronic.labels import LabelSource
from nadyn.interfaces.ase_source import AseSection
from nadyn.interfaces.folder_source import FolderSection
from nadyn.interfaces.model_section import ModelSection
from nadyn.interfaces.pyscf.section import PyscfSection
from nadyn.interfaces.python_source import PythonSection


@runtime_checkable
class SourceSection(Protocol):
    """What a section of this table can do."""

    def source(self, atomic_numbers: Sequence[int]) -> LabelSource:
        """Return the source for these atoms, in this order."""
        ...


@runtime_checkable
class HasPaths(Protocol):
    """What a section can do that names files."""

    def beside(self, folder: Path) -> "HasPaths":
        """Return the section with its paths taken from `folder`."""
        ...


SOURCES: dict[str, type[Configuration]] = {
    "pyscf": PyscfSection,
    "ase": AseSection,
    "python": PythonSection,
    "folder": FolderSection,
    "model": ModelSection,
}


def source_section(
    configuration: Mapping[str, object], *, where: str = "`source`", folder: Path | None = None
) -> SourceSection:
    """Return the validated section of a label source.

    Args:
        configuration: One key, the name of the source, with its section: {"pyscf": {"method": …}}.
        where: What the sentence of an error begins with.
        folder: Where relative paths in it begin; the working folder if None.

    Raises:
        InputError: Not exactly one source is named, its name is unknown, or its section is wrong.
    """
    known = ", ".join(sorted(SOURCES))
    if not isinstance(configuration, Mapping) or len(configuration) != 1:
        raise InputError(
            f"{where} must hold one key, the name of a source, but is {configuration!r}. Known: {known}."
        )
    (name, content), *_ = configuration.items()
    if name not in SOURCES:
        near = nearest(str(name), SOURCES, cutoff=0.5)
        advice = f"Did you mean {near}? " if near else ""
        raise InputError(f"{where} must name a known source, but names {name!r}. {advice}Known: {known}.")
    section = parse_configuration({} if content is None else content, SOURCES[name], where=f"{where}: {name}")
    return section.beside(folder) if folder is not None and isinstance(section, HasPaths) else section


def source_from(
    configuration: Mapping[str, object], atomic_numbers: Sequence[int], *, folder: Path | None = None
) -> LabelSource:
    """Return the label source that a configuration names, see `source_section`.

    Args:
        configuration: One key, the name of the source, with its section.
        atomic_numbers: One number an atom, in the order of the geometries.
        folder: Where relative paths in it begin; the working folder if None.

    Raises:
        InputError: As `source_section`, or the source is missing or cannot label these atoms.
    """
    section = source_section(configuration, folder=folder)
    return section.source(tuple(int(number) for number in atomic_numbers))


def read_source(path: str | Path) -> dict[str, dict[str, object]]:
    """Return the configuration in a YAML file of one label source, validated, with absolute paths.

    Raises:
        InputError: The file is missing or no YAML, or as `source_section`.
    """
    path = Path(path)
    where = f"source file {str(path)!r}"
    check_file(path, where)
    try:
        content = read_yaml(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{where} must be YAML, but cannot be read.") from error
    section = source_section(content, where=where, folder=path.absolute().parent)
    (name,) = content
    return {name: section.model_dump(mode="json", exclude_unset=True)}
