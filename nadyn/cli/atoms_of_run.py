"""The atoms behind a run in normal coordinates, for what looks at geometries."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nadyn.trajectory import Run


def atoms_of_run(run: "Run", paths: Sequence[Path]) -> "Run":
    """Return the run with the geometries of its molecule, where its model knows what coordinates mean.

    The run itself where it has atoms already, where coordinates mean nothing, and, with a warning, where the
    model is not as it was.

    Args:
        run: One run, or several as one.
        paths: Its files.
    """
    import warnings

    from nadyn.checks.errors import InputError, InputWarning
    from nadyn.dynamics.run.molecule_of_run import molecule_of_run

    if run.atomic_numbers is not None:
        return run
    try:
        molecule = molecule_of_run(paths[0])
    except InputError as error:
        warnings.warn(f"no geometries are shown: {error}", InputWarning, stacklevel=2)
        return run
    return run if molecule is None else molecule.of_atoms(run)
