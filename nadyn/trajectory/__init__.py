"""The trajectory file: written crash-safe, read while it grows, compared by digest."""

from nadyn.trajectory.by_trajectory import digest_by_trajectory
from nadyn.trajectory.digest import digest
from nadyn.trajectory.judged import DoubtLimits, doubt_limits, judged, open_judged
from nadyn.trajectory.layout import MovesOn, RunHeader
from nadyn.trajectory.reader import Run, open_run
from nadyn.trajectory.trajectories import Trajectories, load_trajectories
from nadyn.trajectory.writer import TrajectoryWriter

__all__ = [
    "DoubtLimits",
    "MovesOn",
    "Run",
    "RunHeader",
    "Trajectories",
    "TrajectoryWriter",
    "digest",
    "digest_by_trajectory",
    "doubt_limits",
    "judged",
    "load_trajectories",
    "open_judged",
    "open_run",
]
