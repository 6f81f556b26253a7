"""Runs of the members of one committee, side by side: what they must share, and whether they are pairs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from nadyn.analysis.multiplicities import among_spin_adiabatic_states
from nadyn.analysis.unlike_dynamics import unlike_dynamics
from nadyn.checks.errors import InputError
from nadyn.structures import formula
from nadyn.trajectory import Run, open_judged

_ADVICE = "Runs of different things are compared by: nadyn report RUN.h5 --beside OTHER.json"
# What may be otherwise, or is told in sentences of its own.
_TOLD_APART = ("member", "labels", "dt_fs", "initial.state", "initial.diabatic_state")
_SAME_TIME = 1e-9


@dataclass(frozen=True)
class Members:
    """Runs of members of one committee.

    Attributes:
        runs: In the order of the members.
        numbers: Which member moved the nuclei of each run.
        same_starts: Whether two runs begin at the same geometries with the same momenta.
        same_random_numbers: Whether they draw the same random numbers.
    """

    runs: tuple[Run, ...]
    numbers: tuple[int, ...]
    same_starts: Bool[np.ndarray, "member member"]
    same_random_numbers: Bool[np.ndarray, "member member"]

    @property
    def pairs(self) -> Bool[np.ndarray, "member member"]:
        """Whether trajectories with the same number are pairs, whose errors by chance are alike.

        With the same seed they are it in part where each member has sampled starts of its own: displacements
        follow from the same random numbers.
        """
        return self.same_starts | self.same_random_numbers

    @property
    def n_frames(self) -> int:
        """Frames that all runs have."""
        return min(run.committed_frames for run in self.runs)

    @property
    def equally_far(self) -> bool:
        """Whether all runs have come to the same frame: ends of those under way cannot be compared."""
        return all(run.committed_frames == self.n_frames for run in self.runs)

    @property
    def pairing(self) -> str:
        """What the runs share, in words: `same starts and random numbers`."""
        others = ~np.eye(len(self.runs), dtype=bool)
        shared = {"starts": self.same_starts[others], "random numbers": self.same_random_numbers[others]}
        every = [name for name, one in shared.items() if one.all()]
        if every:
            return f"same {' and '.join(every)}"
        return "some share starts or random numbers" if self.pairs[others].any() else "independent"


def open_members(paths: Sequence[str | Path], *, believe: float = 1.0) -> Members:
    """Return runs of several members of one committee.

    Args:
        paths: Their trajectory files.
        believe: How far the committee is believed, see `judged`.

    Raises:
        InputError: One is no trajectory file or holds no frame yet; or they are not runs of different members
            of one committee, of the same molecule, states, initial state, steps and dynamics.
    """
    if len(paths) < 2:
        raise InputError("runs of members must be two or more, but there is one. Name those of others.")
    runs = [open_judged(path, believe=believe) for path in paths]
    for run in runs:
        if run.committed_frames == 0:
            raise InputError(
                f"file {str(run.path)!r} must hold a frame, but its run has only begun. "
                "Try again after its first checkpoint."
            )
    for run in runs[1:]:
        check_same_system(runs[0], run)
    for run in runs:
        _check_committee(runs[0], run)
    for run in runs[1:]:
        check_same_dynamics(runs[0], run)
    numbers = [int(run.config.get("member") or 0) for run in runs]
    order = np.argsort(numbers, kind="stable").tolist()
    runs, numbers = [runs[k] for k in order], [numbers[k] for k in order]
    starts = np.array([[same_starts(one, other) for other in runs] for one in runs])
    _check_different(runs, numbers, starts)
    seeds = np.array([int(run.attributes["seed"]) for run in runs])
    return Members(tuple(runs), tuple(numbers), starts, seeds[:, None] == seeds[None, :])


def check_same_system(first: Run, other: Run) -> None:
    """Refuse runs of different molecules or numbers of states.

    Raises:
        InputError: They are.
    """
    names = f"{str(first.path)!r} and {str(other.path)!r}"
    one, two = (None if run.atomic_numbers is None else run.atomic_numbers.tolist() for run in (first, other))
    if one != two or len(first.masses) != len(other.masses) or not np.allclose(first.masses, other.masses):
        what = [
            "none" if run.atomic_numbers is None else formula(run.atomic_numbers, run.masses)
            for run in (first, other)
        ]
        how = f"{what[0]} and {what[1]}" if what[0] != what[1] else f"{what[0]} with atoms in another order"
        raise InputError(f"{names} must be of the same molecule, but are of {how}. {_ADVICE}")
    if first.n_states != other.n_states:
        raise InputError(
            f"{names} must have the same number of states, but have {first.n_states} and {other.n_states}. "
            f"{_ADVICE}"
        )


def _check_committee(first: Run, run: Run) -> None:
    if run.energy_spread is None:
        raise InputError(
            f"{str(run.path)!r} must be a run of a member of a committee, but its model is one alone. Train "
            f"with `--members`. {_ADVICE}"
        )
    if run.attributes["model_digest"] != first.attributes["model_digest"]:
        raise InputError(
            f"{str(first.path)!r} and {str(run.path)!r} must be of members of one committee, but are of "
            f"different model files. {_ADVICE}"
        )
    if not run.changes_states:
        raise InputError(
            f"{str(run.path)!r} must be a run that changes states, but is one on a single state, of which "
            "populations tell nothing. Analyse each run alone."
        )


def check_same_dynamics(first: Run, other: Run) -> None:
    """Refuse runs that begin in other states, have other steps, or whose run files differ in what counts.

    Raises:
        InputError: They do.
    """
    names = f"{str(first.path)!r} and {str(other.path)!r}"
    for key in ("state", "diabatic_state"):
        one, two = ((run.config.get("initial") or {}).get(key) for run in (first, other))
        if one is not None and two is not None and one != two:
            raise InputError(f"{names} must begin in the same state, but begin in {one} and {two}. {_ADVICE}")
    begun = [np.unique(np.asarray(run.active_state[0])).tolist() for run in (first, other)]
    if begun[0] != begun[1] and min(map(len, begun)) == 1:
        written = [", ".join(map(str, one)) for one in begun]
        raise InputError(
            f"{names} must begin in the same state, but begin in {written[0]} and {written[1]}. {_ADVICE}"
        )
    if not np.isclose(float(first.attributes["dt_au"]), float(other.attributes["dt_au"]), rtol=_SAME_TIME):
        steps = [f"{run.config.get('dt_fs')} fs" for run in (first, other)]
        raise InputError(
            f"{names} must have the same time step, but have {steps[0]} and {steps[1]}. {_ADVICE}"
        )
    if first.attributes["n_steps"] != other.attributes["n_steps"]:
        lengths = [f"{run.attributes['n_steps']} steps" for run in (first, other)]
        raise InputError(
            f"{names} must be equally long, but have {lengths[0]} and {lengths[1]}. Go on with the shorter "
            "one: a larger time_fs, and --resume."
        )
    if first.attributes["write_every"] != other.attributes["write_every"]:
        raise InputError(
            f"{names} must have frames at the same times, but `write_every` is "
            f"{first.attributes['write_every']} and {other.attributes['write_every']}. Run one of them again."
        )
    unlike = unlike_dynamics(first.config, other.config, spin_adiabatic=among_spin_adiabatic_states(first))
    for key, (one, two) in unlike.items():
        if key not in _TOLD_APART:
            raise InputError(
                f"{names} must be run with the same keys, but `{key}` is {one} and {two}. {_ADVICE}"
            )


def _check_different(runs: Sequence[Run], numbers: Sequence[int], starts: np.ndarray) -> None:
    for k, run in enumerate(runs):
        for j in range(k):
            n = min(run.n_trajectories, runs[j].n_trajectories)
            same = numbers[k] == numbers[j] or (
                starts[k, j] and np.array_equal(run.energies[0][:n], runs[j].energies[0][:n])
            )
            if same:
                raise InputError(
                    f"{str(runs[j].path)!r} and {str(run.path)!r} must be runs of different members, but are "
                    f"both of member {numbers[j]}. Choose another `member` in the run file of one of them."
                )


def same_starts(one: Run, other: Run) -> bool:
    """Return whether two runs begin at the same geometries with the same momenta, as far as both go."""
    n = min(one.n_trajectories, other.n_trajectories)
    return all(
        np.array_equal(getattr(one, name)[0][:n], getattr(other, name)[0][:n])
        for name in ("positions", "momenta", "active_state")
    )
