"""What the viewer of the report shows: thinned positions, states, energies, hops, and how each ended."""

from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.transform import Rotation

from nadyn.analysis.fates import ended_as_asked, final_state, shown_times
from nadyn.analysis.packing import block, differences, facts, joined
from nadyn.analysis.products import outcomes
from nadyn.analysis.thinning import Thinned
from nadyn.structures import symbol
from nadyn.trajectory import Run
from nadyn.units import ANGSTROM_PER_BOHR, ELECTRONVOLT_PER_HARTREE, FEMTOSECOND_PER_AU

# Degrees about the axes of the screen.
_TILT = (20.0, -15.0)
# What is larger is a crystal or a solution, and stands as it is.
_MOST_TURNED = 100
# Finer than a picture shows.
_ANGSTROM, _ELECTRONVOLT = 1e-3, 1e-3


def has_molecule(run: Run) -> bool:
    """Return whether there are atoms to be drawn."""
    return run.atomic_numbers is not None and run.positions.shape[3] == 3


def viewer_data(run: Run, shown: Thinned, atoms: Run) -> str:
    """Return the elements `view-facts` and `view-data` of the page, which viewer.js reads.

    Args:
        run: The run.
        shown: What of it.
        atoms: Where its geometries are.
    """
    first = np.diff(shown.trajectory, prepend=-1) != 0
    energies, energy_scale = differences(
        ELECTRONVOLT_PER_HARTREE * _rows(run.energies, shown), first, finest=_ELECTRONVOLT
    )
    names, kind = how_it_ended(run)
    arrays = {
        "trajectory": shown.trajectory.astype(np.uint32),
        "frame": shown.frame.astype(np.uint32),
        "state": _rows(run.active_state, shown).astype(np.uint8),
        "energies": energies,
        "ended": kind.astype(np.uint8),
        "hop_trajectory": run.hops["traj"].astype(np.uint32),
        "hop_step": run.hops["step"].astype(np.uint32),
        "hop_from": run.hops["from_state"].astype(np.uint8),
        "hop_to": run.hops["to_state"].astype(np.uint8),
        "hop_accepted": (run.hops["accepted"] == 1).astype(np.uint8),
        "hop_gap": (ELECTRONVOLT_PER_HARTREE * run.hops["gap"]).astype(np.float32),
    }
    scales = {"energies": energy_scale}
    if has_molecule(atoms):
        arrays["positions"], scales["positions"] = differences(
            _centred(atoms, shown), first, finest=_ANGSTROM
        )
    content, places = joined(arrays)
    described = {
        "name": Path(run.path).stem,
        "symbols": [symbol(int(z)) for z in atoms.atomic_numbers] if has_molecule(atoms) else [],
        "n_states": run.n_states,
        "n_trajectories": run.n_trajectories,
        "write_every": int(run.attributes["write_every"]),
        "dt_fs": float(run.attributes["dt_au"]) * FEMTOSECOND_PER_AU,
        "end_fs": float(shown_times(run)[-1]),
        "on_states": run.moves_on != "mean of the states",
        "ended": names,
        "scales": scales,
        "turn": _turn(atoms, shown) if has_molecule(atoms) else [],
        "arrays": places,
    }
    return facts("view-facts", described) + block("view-data", content)


def how_it_ended(run: Run) -> tuple[list[str], Int[np.ndarray, "traj"]]:
    """Return in which ways trajectories ended, in words, and which way each one did."""
    state = final_state(run)
    ended = ended_as_asked(run)
    fell_apart = outcomes(run, by_state=False, also_whole=True)
    fragments = np.full(run.n_trajectories, "", dtype=object)
    if any(" + " in name for name, _ in fell_apart):
        for (name, _), one in fell_apart.items():
            fragments[one.chosen] = name
    words = []
    for trajectory, code in enumerate(run.status.tolist()):
        status = run.status_names[int(code)].replace("_", " ")
        on = f", state {state[trajectory]}" if run.changes_states and run.moves_on == "active state" else ""
        if ended[trajectory]:
            words.append(f"{fragments[trajectory] or status}{on}")
        else:
            words.append(status if status == "running" else f"stopped: {status}")
    names = sorted(set(words), key=lambda word: (-words.count(word), word))[:255]
    return names, np.array([min(names.index(word), 254) if word in names else 254 for word in words])


def _rows(array: np.ndarray, shown: Thinned) -> np.ndarray:
    """Return the shown rows of an array with the axes frame and traj, read one frame at a time."""
    found = np.empty((len(shown.frame), *array.shape[2:]), array.dtype)
    order = np.argsort(shown.frame, kind="stable")
    frames, starts = np.unique(shown.frame[order], return_index=True)
    for frame, places in zip(frames.tolist(), np.split(order, starts[1:]), strict=True):
        found[places] = np.asarray(array[frame])[shown.trajectory[places]]
    return found


def _turn(run: Run, shown: Thinned) -> list[float]:
    """Return the rotation (x, y, z, w) with which the first geometry is looked at.

    Its longest extent lies across the picture and its shortest towards the eye, a little tilted, so that no
    atom of a flat molecule stands behind another.
    """
    points = np.asarray(run.positions[shown.frame[0]])[shown.trajectory[0]]
    points = points - points.mean(axis=0)
    if len(points) > _MOST_TURNED or not np.isfinite(points).all():
        return [0.0, 0.0, 0.0, 1.0]
    _, axes = np.linalg.eigh(points.T @ points)
    axes = axes[:, ::-1].T
    # Of the two signs of an axis that with the first atoms ahead; a mirror image is no turn.
    axes[:2] *= np.where((axes[:2] @ points[0]) < 0, -1.0, 1.0)[:, None]
    axes[2] = np.cross(axes[0], axes[1])
    return (Rotation.from_euler("xy", _TILT, degrees=True) * Rotation.from_matrix(axes)).as_quat().tolist()


def _centred(run: Run, shown: Thinned) -> Float[np.ndarray, "shown value"]:
    """Return positions about the mean of the atoms [angstrom]: where a molecule drifts is not looked at."""
    positions = ANGSTROM_PER_BOHR * _rows(run.positions, shown)
    positions = positions - positions.mean(axis=1, keepdims=True)
    return positions.reshape(len(positions), -1)
