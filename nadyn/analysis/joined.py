"""Runs of one model that differ in their seeds or starts, as one run with all their trajectories."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from nadyn.analysis.members import check_same_dynamics, check_same_system, same_starts
from nadyn.checks.errors import InputError
from nadyn.trajectory import Run, open_judged, open_run

# Runs of one sampling have the same mean weight, but for chance.
_ALIKE = 2.0
_ADVICE = "Analyse them one by one, or compare them with `nadyn compare`."
# Arrays of `Run` with the axis of trajectories behind that of frames, and those where it is the first.
_BEHIND_FRAMES = (
    *("positions", "momenta", "energies", "kinetic_energy", "total_energy_error", "coefficients"),
    *("active_state", "diabatic_populations", "populations_adiabatic", "novelty", "energy_spread"),
    *("gap_spread", "force_spread", "cell", "stress"),
)
_FIRST = ("weight", "status", "last_step", "energy_error_max", "divided_steps", "cut_probabilities")


def are_one_ensemble(paths: Sequence[str | Path]) -> bool:
    """Return whether several runs are of one model, of a committee the same member: they are to be joined.

    Raises:
        InputError: One is no trajectory file.
    """
    runs = [open_run(path) for path in paths]
    return len({_model(run) for run in runs}) == 1


def open_runs_as_one(paths: Sequence[str | Path], *, believe: float | None = 1.0) -> Run:
    """Return a run, or several of one model as one run; trajectories are numbered through.

    All frames of several are read into memory.

    Args:
        paths: Trajectory files.
        believe: How far a committee is believed, see `judged`; None leaves runs as they were run.

    Raises:
        InputError: One is no trajectory file; or several differ in their model, molecule, states, initial
            state, steps or dynamics, have not come equally far, or two are the same run.
    """
    runs = [open_run(path) if believe is None else open_judged(path, believe=believe) for path in paths]
    if len(runs) == 1:
        return runs[0]
    first = runs[0]
    for number, run in enumerate(runs[1:], start=1):
        _check_joinable(first, run)
        for other in runs[:number]:
            if same_starts(other, run) and _share_numbers(other, run):
                raise InputError(
                    f"{str(other.path)!r} and {str(run.path)!r} must be different runs, but have one seed "
                    "and "
                    "the same starts: their trajectories would count twice. Leave one out."
                )
    offsets = np.cumsum([0, *(run.n_trajectories for run in runs[:-1])])
    hops = {
        name: np.concatenate(
            [run.hops[name] + (k if name == "traj" else 0) for run, k in _both(runs, offsets)]
        )
        for name in first.hops
    }
    order = np.argsort(hops["step"], kind="stable")
    arrays = {name: _side_by_side([getattr(run, name) for run in runs], axis=1) for name in _BEHIND_FRAMES}
    arrays |= {name: _side_by_side([getattr(run, name) for run in runs], axis=0) for name in _FIRST}
    stops = {
        name: np.concatenate([run.stops[name] for run in runs])
        for name in first.stops
        if all(name in run.stops for run in runs)
    }
    config = {**first.config, "seed": [int(run.attributes["seed"]) for run in runs]}
    notices = dict.fromkeys(notice for run in runs for notice in run.attributes["warnings"])
    names = [run.path.name for run in runs]
    attributes = {
        **first.attributes,
        "warnings": [*notices, *_about_starts(runs), *_about_seeds(runs), *_about_weights(runs)],
        "files": names,
    }
    return replace(
        first,
        attributes=attributes,
        config=config,
        hops={name: column[order] for name, column in hops.items()},
        stops=stops,
        timings={},
        **arrays,
    )


def _both(runs: Sequence[Run], offsets: np.ndarray) -> list[tuple[Run, int]]:
    return [(run, int(offset)) for run, offset in zip(runs, offsets, strict=True)]


def _side_by_side(arrays: Sequence[np.ndarray | None], *, axis: int) -> np.ndarray | None:
    """Join arrays; None where a run lacks it."""
    if any(array is None for array in arrays):
        return None
    return np.concatenate([np.asarray(array) for array in arrays], axis=axis)


def _model(run: Run) -> tuple[str, str, int]:
    member = run.config.get("member") or 0
    return str(run.attributes["model_digest"]), str(run.attributes["model_name"]), int(member)


def _check_joinable(first: Run, run: Run) -> None:
    names = f"{str(first.path)!r} and {str(run.path)!r}"
    check_same_system(first, run)
    if _model(first) != _model(run):
        raise InputError(f"{names} must be runs of one model to be joined, but are of two. {_ADVICE}")
    for key in ("method", "population_estimator"):
        one, two = first.attributes[key], run.attributes[key]
        if one != two:
            raise InputError(f"{names} must have the same `{key}`, but have {one} and {two}. {_ADVICE}")
    check_same_dynamics(first, run)
    if first.committed_frames != run.committed_frames or first.step != run.step:
        raise InputError(
            f"{names} must have come equally far, but have {first.committed_frames} and "
            f"{run.committed_frames} frames. Go on with the shorter one: `nadyn run` with `--resume`."
        )
    if dict(first.status_names) != dict(run.status_names):
        raise InputError(f"{names} must be of one version of nadyn, but name their endings differently.")


def _share_numbers(one: Run, two: Run) -> bool:
    """Return whether two runs have one seed and trajectories of the same numbers."""
    same_seed = one.attributes["seed"] == two.attributes["seed"]
    return same_seed and not _are_parts(one, two)


def _are_parts(one: Run, two: Run) -> bool:
    """Return whether two runs of one seed are different parts of a larger one."""
    (begin, end), (other_begin, other_end) = _numbers(one), _numbers(two)
    return one.attributes["seed"] == two.attributes["seed"] and (end <= other_begin or other_end <= begin)


def _numbers(run: Run) -> tuple[int, int]:
    """Return the number of the first trajectory of a run and of the one behind the last."""
    begin = int((run.config.get("initial") or {}).get("first") or 0)
    return begin, begin + run.n_trajectories


def _about_starts(runs: Sequence[Run]) -> list[str]:
    """Say that runs share starts, of which intervals know nothing."""
    shared = [
        f"{str(one.path)!r} and {str(two.path)!r}"
        for k, one in enumerate(runs)
        for two in runs[k + 1 :]
        if same_starts(one, two) and not _are_parts(one, two)
    ]
    if not shared:
        return []
    return [
        f"{', '.join(shared)} share their starts and differ in their random numbers only: the intervals, "
        "which "
        "take all trajectories as independent, are too narrow."
    ]


def _about_seeds(runs: Sequence[Run]) -> list[str]:
    """Say that trajectories of different starts draw the same random numbers."""
    drawing = [run for run in runs if run.attributes["method"] != "nve"]
    twice = sorted(
        {
            int(one.attributes["seed"])
            for k, one in enumerate(drawing)
            for two in drawing[k + 1 :]
            if _share_numbers(one, two)
        }
    )
    if not twice:
        return []
    return [
        f"several of these runs have seed {', '.join(map(str, twice))}, so that trajectories of the same "
        "number draw the same random numbers: the intervals, which take all trajectories as independent, may "
        "be too narrow."
    ]


def _about_weights(runs: Sequence[Run]) -> list[str]:
    """Say that trajectories of some runs count more than those of others."""
    means = [float(run.weight.mean()) for run in runs]
    if max(means) <= _ALIKE * min(means):
        return []
    listed = ", ".join(f"{mean:.3g} in {str(run.path)!r}" for mean, run in zip(means, runs, strict=True))
    return [
        f"the weights of these runs have different means, {listed}: a trajectory counts by its weight in all "
        "of them, also where that is only the scale of another file."
    ]
