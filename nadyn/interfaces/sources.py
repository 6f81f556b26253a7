"""The label sources by name, as a run file gives them: one line each, whose section is beside its source.

A section is a `Configuration` with a method `source(atomic_numbers)` that returns a `LabelSource`; a run file
holds it under its name, `{pyscf: {method: "sa3-casscf(2,2)/6-31g*"}}`.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from nadyn.checks.configuration import Configuration, parse_configuration
from nadyn.checks.errors import InputError
from nadyn.checks.nearest import nearest
from nadyn.electronic.labels import LabelSource
from nadyn.interfaces.pyscf.section import PyscfSection


class SourceSection(Protocol):
    """What a section of this table can do."""

    def source(self, atomic_numbers: Sequence[int]) -> LabelSource:
        """Return the source for these atoms, in this order."""
        ...


SOURCES: dict[str, type[Configuration]] = {
    "pyscf": PyscfSection,
}


def source_section(configuration: Mapping[str, object], *, where: str = "`source`") -> SourceSection:
    """Return the validated section of a label source.

    Args:
        configuration: One key, the name of the source, with its section: {"pyscf": {"method": …}}.
        where: What the sentence of an error begins with.

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
    return parse_configuration({} if content is None else content, SOURCES[name], where=f"{where}: {name}")


def source_from(configuration: Mapping[str, object], atomic_numbers: Sequence[int]) -> LabelSource:
    """Return the label source that a configuration names, see `source_section`.

    Args:
        configuration: One key, the name of the source, with its section.
        atomic_numbers: One number an atom, in the order of the geometries.

    Raises:
        InputError: As `source_section`, or the source is missing or cannot label these atoms.
    """
    return source_section(configuration).source(tuple(int(number) for number in atomic_numbers))
