"""The molecule behind a run in normal coordinates, from the vibronic model that the run file names."""

from pathlib import Path

import numpy as np

from nadyn.checks.errors import InputError
from nadyn.dynamics.run.model_of_run import found_again
from nadyn.models.analytic.vibronic import VibronicCoupling
from nadyn.trajectory.reader import open_run
from nadyn.trajectory.writers.displaced import Displaced


def molecule_of_run(path: str | Path) -> Displaced | None:
    """Return what the coordinates of a run mean in a molecule; None where they are atoms, or mean nothing.

    A run file keeps no reference geometry: the model is read again from where the run had it, or from the
    same place beside the run.

    Raises:
        InputError: The file of the model is gone, or says something else now.
    """
    run = open_run(path)
    named = run.config.get("model")
    if run.atomic_numbers is not None or not isinstance(named, dict):
        return None
    try:
        source = found_again(named, Path(path).parent)
    except InputError as error:
        raise InputError(
            f"the model of run {str(path)!r} must be as it was, because geometries follow from it, but "
            f"cannot be read: {error}"
        ) from error
    if not isinstance(source.model, VibronicCoupling) or (frame := source.model.frame) is None:
        return None
    if source.digest != run.attributes["model_digest"]:
        raise InputError(
            f"the model of run {str(path)!r} must be as it was, but its file has been changed since. Put the "
            "former one back: geometries follow from it."
        )
    vectors = frame.vectors.numpy() * np.sqrt(frame.masses.numpy())[:, None]
    root = np.sqrt(frame.frequencies.numpy())[:, None, None]
    return Displaced(
        atomic_numbers=np.array(frame.atomic_numbers),
        masses=frame.masses.numpy(),
        reference=frame.reference.numpy(),
        by_coordinate=vectors / frame.masses.numpy()[:, None] / root,
        by_momentum=vectors * root,
    )
