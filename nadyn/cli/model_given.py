"""The model that a command line names: a file, a YAML file with an analytic model, or a run file."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import ExitStack

    from nadyn.models import Model


def isotopes_given(given: list[str]) -> dict[str | int, int]:
    """Return the mass numbers of `--isotope H=2` and the like.

    Raises:
        InputError: One of them is none, or two say something else of one element or atom.
    """
    from nadyn.checks.errors import InputError

    found: dict[str | int, int] = {}
    for text in given:
        name, _, number = text.partition("=")
        if not name or not number.isdecimal():
            raise InputError(
                f"`--isotope` must be an element or atom and a mass number as in H=2, but is {text!r}."
            )
        whose = int(name) if name.isdecimal() else name
        if found.setdefault(whose, int(number)) != int(number):
            raise InputError(f"`--isotope` must give {name} one mass number, but gives it two. Remove one.")
    return found


def quanta_given(given: list[str]) -> dict[int, int] | None:
    """Return the quanta by mode of `--excite 6=1` and the like; None without any.

    Raises:
        InputError: One of them is none.
    """
    from nadyn.checks.errors import InputError

    found: dict[int, int] = {}
    for text in given:
        mode, _, quanta = text.partition("=")
        if not (mode.isdecimal() and quanta.isdecimal()) or int(mode) in found:
            raise InputError(
                f"`--excite` must be a mode and its quanta as in 6=1, each mode once, but is {text!r}."
            )
        found[int(mode)] = int(quanta)
    return found or None


def model_given(
    path: Path,
    molecule: str | None,
    isotopes: dict[str | int, int],
    geometry: Path | None,
    opened: "ExitStack",
) -> tuple["Model", dict[str, object]]:
    """Return the model, bound to a molecule, and what a run file says of a start that a sample can follow.

    A label source as a model is closed with `opened`.
    """
    import yaml

    from nadyn.checks.errors import InputError
    from nadyn.checks.yaml_text import read_yaml
    from nadyn.dynamics.run.model_source import find_model
    from nadyn.dynamics.run_file import model_beside
    from nadyn.interfaces.direct_run import names_source, source_model

    if path.suffix.lower() not in (".yaml", ".yml"):
        return find_model(str(path), None, molecule=molecule, isotopes=isotopes).model, {}
    try:
        content = read_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"model file {str(path)!r} must be readable YAML, but is not.") from error
    if not isinstance(content, dict):
        raise InputError(f"model file {str(path)!r} must hold `name:` and options, but does not.")
    named = content.get("model", content)
    # As in a run file, paths begin at the folder of the file that holds them.
    named = model_beside(named, path.parent) if isinstance(named, str | dict) else named
    of_file = content.get("isotopes")
    isotopes = (of_file if isinstance(of_file, dict) else {}) | isotopes
    initial = content.get("initial")
    of_start = _sample_of(initial, path.parent) if isinstance(initial, dict) else {}
    if names_source(named):
        where = geometry or of_start.get("geometry")
        if where is None:
            raise InputError("`geometry` must be given for a label source, which has none of its own.")
        found, desk = source_model(
            named, str(where), folder=path.parent, isotopes=isotopes, labels=content.get("labels")
        )
        opened.callback(desk.close)
        return found, of_start
    found = find_model(named, None, molecule=molecule or content.get("molecule"), isotopes=isotopes).model
    return found, of_start


def _sample_of(initial: dict[str, object], folder: Path) -> dict[str, object]:
    keys = ("state", "multiplicity", "diabatic_state")
    if "sample" in initial:
        keys = (*keys, "sample", "temperature_kelvin", "geometry", "minimise_state")
    found = {key: initial[key] for key in keys if initial.get(key) is not None}
    return found | ({"geometry": str(folder / str(found["geometry"]))} if "geometry" in found else {})
