"""The model of a run that is there already, as the run had it."""

from collections.abc import Mapping
from pathlib import Path

from nadyn.checks.errors import InputError
from nadyn.data.structure_file import StartStructure
from nadyn.dynamics.run.model_source import ModelSource, find_model
from nadyn.dynamics.run_file import model_beside
from nadyn.trajectory.reader import Run, open_run


def found_again(
    named: str | Mapping[str, object],
    folder: Path,
    *,
    molecule: str | None = None,
    isotopes: Mapping[str | int, int] | None = None,
    member: int | None = None,
    structure: StartStructure | None = None,
) -> ModelSource:
    """Return the model that a run file names, from where the run had it or from beside the run.

    Args:
        named: A file, or the options of an analytic model.
        folder: Where the run is.
        molecule: This and the others as `find_model` has them.
        isotopes: See there.
        member: See there.
        structure: See there.

    Raises:
        InputError: It is in neither place, or cannot be read.
    """

    def found(named: str | Mapping[str, object]) -> ModelSource:
        return find_model(
            named, None, molecule=molecule, isotopes=isotopes, member=member, structure=structure
        )

    try:
        return found(named)
    except InputError as error:
        # A relative path begins at the folder of the run file, which is mostly that of the run.
        try:
            return found(model_beside(named, folder))
        except InputError:
            raise error from None


def model_of_run(path: str | Path) -> ModelSource:
    """Return the model of a run, bound to its atoms.

    Raises:
        InputError: The run names none that can be read again, or its file says something else now.
    """
    run = open_run(path)
    config = run.config
    named = config.get("model")
    if named is None:
        raise InputError(
            f"run {str(path)!r} must name its model to find it again, but was given it as an "
            f"object. Name a file."
        )
    source = found_again(
        named,
        Path(path).parent,
        molecule=config.get("molecule"),
        isotopes=_with_numbers(config.get("isotopes") or {}),
        member=config.get("member"),
        structure=_atoms_of(run) if isinstance(named, str) else None,
    )
    if source.digest != run.attributes["model_digest"]:
        raise InputError(
            f"the model of run {str(path)!r} must be as it was, but its file has been changed since. Put the "
            "former one back."
        )
    return source


def _with_numbers(isotopes: Mapping[str, int]) -> dict[str | int, int]:
    """Return isotopes with atoms as numbers, which JSON makes text of."""
    return {int(key) if str(key).isdecimal() else key: number for key, number in isotopes.items()}


def _atoms_of(run: Run) -> StartStructure | None:
    """Return the atoms of a run of an isolated molecule, which its model may have been bound to at "
    "its start."""
    if run.atomic_numbers is None or run.cell is not None or run.config.get("molecule") is not None:
        return None
    numbers = tuple(int(number) for number in run.atomic_numbers)
    return StartStructure(numbers, run.positions[0, 0], None, (False, False, False), None)
