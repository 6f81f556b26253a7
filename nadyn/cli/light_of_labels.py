"""What a label source says of light along a run of direct dynamics, for reports and spectra."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float, Int

    from nadyn.analysis.light import Absorption, Light
    from nadyn.electronic.labels import Label
    from nadyn.learning.desk import Progress
    from nadyn.trajectory import Run

# Labels are dear: so many are asked for, of trajectories rather than of times, which are alike.
_MOST_LABELS, _MOST_TRAJECTORIES = 400, 40
# A label that is farther from the energies of the run is of another solution of the source.
_SAME_EV = 0.05


def seen_by_source(
    configuration: Mapping[str, object],
    run: "Run",
    store: Path,
    *,
    processes: int = 1,
    report: "Callable[[Progress], None] | None" = None,
) -> tuple["Light", str]:
    """Return what light sees at some geometries of a run, and a sentence on the labels.

    Labels are kept in the store, and what is there is not computed again.

    Args:
        configuration: The source, as `source_from` takes it.
        run: A run on this source.
        store: Folder of the label store.
        processes: How many labels are computed at a time.
        report: Called at the beginning and after each label.

    Raises:
        InputError: The source gives no dipoles, has other states or atoms, or no label is of use.
    """
    from nadyn.learning.geometries import Geometries
    from nadyn.learning.labelling import label_geometries

    numbers = _atoms(run, configuration)
    frames, trajectories = _chosen(run)
    place, positions = _geometries(run, frames, trajectories)
    asked = Geometries(numbers, positions, ("light",) * len(positions))
    found = label_geometries(configuration, asked, store, processes=processes, report=report)
    return _light(run, frames, trajectories, place, found.labels, charge=found.source.charge)


def seen_by_store(run: "Run", path: Path, store: Path) -> tuple["Light", str]:
    """Return the same of labels that are in a store already, of the source that the run was made with.

    Args:
        run: The run.
        path: Its file.
        store: Folder of the label store.

    Raises:
        InputError: The run is on no source, the store has none of these labels, or as `seen_by_source`.
    """
    from nadyn.checks.errors import InputError
    from nadyn.data.label_store import LabelStore
    from nadyn.interfaces.direct_run import names_source
    from nadyn.interfaces.sources import source_from, source_section
    from nadyn.learning.stored_labels import known_of, method_of_source

    named = run.config.get("model")
    if not names_source(named):
        raise InputError(
            f"`--labels` must come with a run of direct dynamics, but {str(path)!r} is of a model, which is "
            "asked itself. Leave it out."
        )
    (name, _), *_ = named.items()
    section = source_section(named, where="`model`", folder=path.absolute().parent)
    configuration = {name: section.model_dump(mode="json", exclude_unset=True)}
    source = source_from(configuration, _atoms(run, configuration))
    held = LabelStore(store, method_of_source(source, configuration)) if store.is_dir() else None
    frames, trajectories = _chosen(run)
    place, positions = _geometries(run, frames, trajectories)
    records = [None if held is None else held.get(one) for one in positions]
    if not any(records):
        raise InputError(
            f"`--labels` must be the folder of labels of {str(path)!r}, but {str(store)!r} has none of them. "
            "Make them: nadyn spectrum SOURCE.yaml --kind transient --run RUN.h5 --store FOLDER."
        )
    labels = tuple(None if record is None else known_of(record).label for record in records)
    return _light(run, frames, trajectories, place, labels, charge=source.charge)


def n_labels(run: "Run") -> int:
    """Return how many labels `seen_by_source` asks for."""
    return len(_geometries(run, *_chosen(run))[1])


def _atoms(run: "Run", configuration: Mapping[str, object]) -> tuple[int, ...]:
    """Return the atoms of a run, and refuse a source that knows no dipoles."""
    from nadyn.checks.errors import InputError
    from nadyn.interfaces.sources import source_from

    if run.atomic_numbers is None:
        raise InputError(
            f"run {str(run.path)!r} must be of atoms for a label source to see it, but is of generalised "
            "coordinates. Give its model."
        )
    numbers = tuple(int(number) for number in run.atomic_numbers)
    source = source_from(configuration, numbers)
    if "dipoles" not in source.gives or len(source.multiplicities) != run.n_states:
        what = "no dipoles" if "dipoles" not in source.gives else f"{len(source.multiplicities)} states"
        raise InputError(
            f"source {source.name} must give dipoles of the {run.n_states} states of run "
            f"{str(run.path)!r}, but gives {what}. Take the source of the run."
        )
    return numbers


def _chosen(run: "Run") -> tuple["Int[np.ndarray, ' frame']", "Int[np.ndarray, ' traj']"]:
    """Return frames and trajectories to label: evenly chosen ones, with the first and the last frame."""
    import numpy as np

    n_trajectories = min(run.n_trajectories, _MOST_TRAJECTORIES)
    n_frames = min(run.committed_frames, max(2, _MOST_LABELS // n_trajectories))
    frames = np.linspace(0, run.committed_frames - 1, n_frames).round().astype(int)
    trajectories = np.linspace(0, run.n_trajectories - 1, n_trajectories).round().astype(int)
    return np.unique(frames), trajectories


def _geometries(
    run: "Run", frames: "Int[np.ndarray, ' frame']", trajectories: "Int[np.ndarray, ' traj']"
) -> tuple["Int[np.ndarray, 'frame traj']", "Float[np.ndarray, 'geometry atom 3']"]:
    """Return the geometries, trajectory by trajectory, and which of them each place has; -1 for none."""
    import numpy as np

    from nadyn.analysis.fates import known

    positions = np.stack([run.positions[frame][trajectories] for frame in frames.tolist()])
    there = known(run)[np.ix_(frames, trajectories)]
    place = np.full(there.shape, -1)
    place.T[there.T] = np.arange(there.sum())
    return place, np.swapaxes(positions, 0, 1)[there.T]


def _light(
    run: "Run",
    frames: "Int[np.ndarray, ' frame']",
    trajectories: "Int[np.ndarray, ' traj']",
    place: "Int[np.ndarray, 'frame traj']",
    labels: "tuple[Label | None, ...]",
    *,
    charge: int,
) -> tuple["Light", str]:
    """Return light of the labels that are trusted and of the solution of the run."""
    import numpy as np

    from nadyn.analysis.light import Light
    from nadyn.checks.errors import InputError
    from nadyn.electronic.labels import Quality
    from nadyn.units import HARTREE_PER_EV

    n = run.n_states
    energies = np.full((*place.shape, n), np.nan)
    dipoles, squares = np.full((*place.shape, n, 3), np.nan), np.full((*place.shape, n, n), np.nan)
    counts = {"of use": 0, "not trusted": 0, "of another solution": 0, "not there": 0}
    for row, column in zip(*np.nonzero(place >= 0), strict=True):
        label, frame, trajectory = labels[place[row, column]], frames[row], trajectories[column]
        if label is None:
            counts["not there"] += 1
            continue
        if label.quality is not Quality.TRUSTED or label.dipoles is None:
            counts["not trusted"] += 1
            continue
        if np.abs(label.energies - run.energies[frame, trajectory]).max() > _SAME_EV * HARTREE_PER_EV:
            counts["of another solution"] += 1
            continue
        counts["of use"] += 1
        energies[row, column] = label.energies
        squares[row, column] = (label.dipoles**2).sum(axis=-1)
        centre = run.masses @ run.positions[frame, trajectory] / run.masses.sum()
        # About the centre of mass, which changes nothing of a neutral molecule.
        dipoles[row, column] = np.einsum("kkx->kx", label.dipoles) - charge * centre
    if not np.isfinite(energies[0]).all(axis=-1).any():
        raise InputError(
            f"labels of run {str(run.path)!r} must be trusted at the start of a trajectory at least, but "
            "none is. Look at what is wrong with them: nadyn label."
        )
    left = [f"{count} {name}" for name, count in counts.items() if count and name != "of use"]
    words = f"By {counts['of use']} labels at geometries of {len(trajectories)} trajectories"
    words += f"; left out: {', '.join(left)}." if left else "."
    absorption = _of_starts(run, trajectories, energies[0], squares[0])
    return Light(frames, trajectories, energies, dipoles, squares, absorption, words), words


def _of_starts(
    run: "Run",
    trajectories: "Int[np.ndarray, ' traj']",
    energies: "Float[np.ndarray, 'traj state']",
    squares: "Float[np.ndarray, 'traj state state2']",
) -> "Absorption | None":
    """Return the absorption of the starts from the lowest state; None of several multiplicities."""
    import numpy as np

    from nadyn.cli.light_of_run import absorption_of_excitations
    from nadyn.dynamics.spectra.excitation import Excitations

    known = np.isfinite(energies).all(axis=-1)
    if run.n_states == 1 or known.sum() < 2:
        return None
    gaps = energies[known, 1:] - energies[known, :1]
    others = tuple(range(1, run.n_states))
    weight = run.weight[trajectories][known]
    found = Excitations(
        0,
        others,
        gaps,
        2.0 / 3.0 * gaps * squares[known, 0, 1:],
        weight / weight.mean(),
        np.tile(np.arange(1, run.n_states), (int(known.sum()), 1)),
    )
    words = f"{int(known.sum())} geometries at which trajectories start, by labels, from the lowest state"
    return absorption_of_excitations(found, [f"0-{k}" for k in others], words, run)
