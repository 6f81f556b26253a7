"""What a run has come to, for the one who asked for it."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunResult:
    """What a run has come to.

    Attributes:
        path: The trajectory file.
        n_trajectories: All of them.
        n_finished: Those whose end is a result: at the end of the run, out of the region of `stop`,
            fallen apart for good, or settled on the lowest state.
        endings: Numbers of those by kind: `finished`, `left_region`, `dissociated`, `settled`.
        n_stopped: Numbers of the others by reason.
        n_hops: Accepted hops.
        n_refused: Frustrated hops.
        energy_error_max_ev: Worst error of the conserved energy, of all steps and trajectories, steps that
            were too large and ended their trajectory included.
        n_steps_of_trajectories: Time steps of all trajectories together.
        n_divided: How many of them were divided; None without `adaptive`.
        n_cut: In how many the probabilities of hops had to be cut to a sum of 1; None where none are drawn.
        seconds: Wall time of this call.
        time_fs: Length of the run [fs].
        steps: Time steps of this call; 0 where the run was complete before.
        notices: What was noticed on the way, in sentences.
    """

    path: Path
    n_trajectories: int
    n_finished: int
    endings: dict[str, int]
    n_stopped: dict[str, int]
    n_hops: int
    n_refused: int
    energy_error_max_ev: float
    n_steps_of_trajectories: int
    n_divided: int | None
    n_cut: int | None
    seconds: float
    time_fs: float
    steps: int
    notices: tuple[str, ...]
