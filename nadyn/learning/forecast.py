"""What a learn file would do: labels, rounds, trajectories, and one label to see what it costs."""

import math
import time
from pathlib import Path

from nadyn.checks.configuration import parse_configuration
from nadyn.checks.counts import counted
from nadyn.checks.errors import InputError
from nadyn.checks.forecast import Forecast, time_in_words
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.electronic.labels import Quality
from nadyn.interfaces.sources import source_section
from nadyn.interfaces.worker_pool import WorkerPool
from nadyn.learning.learn_file import LOOKS, LearnConfiguration, check_first_budget, check_sections
from nadyn.structures import formula, read_xyz

# A label that takes longer is not waited for.
_SECONDS = 20.0
# Part of the time that labels may take; the rest trains models and runs trajectories.
_PART_OF_LABELS = 0.7


def forecast_learning(config: LearnConfiguration, beside: Path, *, trial: bool = True) -> Forecast:
    """Return what a learn file would do, without its folder.

    Args:
        config: The learn file.
        beside: Where its relative paths begin.
        trial: Label the geometry that it begins with, for at most 20 seconds.

    Raises:
        InputError: What the loop would raise, with the same sentence.
    """
    check_sections(config)
    if config.molecule is None:
        raise InputError("`molecule` must name a geometry to begin from (.xyz), but is missing.")
    structure = read_xyz(beside / config.molecule)
    source_section(config.source, where="`source`", folder=beside)
    numbers = tuple(int(number) for number in structure.atomic_numbers)
    seconds = config.label_minutes * 60.0
    doubts: list[str] = []
    with WorkerPool(
        config.source,
        numbers,
        processes=1,
        time_limit_seconds=min(_SECONDS, seconds),
        folder=beside,
    ) as pool:
        source = pool.source
        moves = "forces" in source.gives
        check_first_budget(config, moves=moves)
        n_states = len(source.multiplicities)
        if config.state >= n_states:
            raise InputError(
                f"`state` must be from 0 to {n_states - 1} for source {source.name}, but is {config.state}."
            )
        a_label, quality = _one_label(pool, structure.positions) if trial else (None, None)
    run_file = {**config.dynamics, "model": "model.safetensors", "initial": {"file": "starts.h5"}}
    run = parse_configuration(run_file, RunConfiguration, where="`dynamics`")
    n_moved = config.first.direct if moves else 0
    steps = math.ceil(config.first.direct_fs / run.dt_fs)
    budget = config.budget
    facts = [
        ("molecule", f"{formula(numbers)}: {counted(n_states, 'state')}, starts on state {config.state}"),
        ("source", source.theory),
        (
            "first labels",
            f"{LOOKS} for the level, {config.first.wigner} of a sample, {n_moved} trajectories of "
            f"{counted(steps, 'step')}",
        ),
        (
            "rounds",
            f"up to {budget.rounds} of {config.round.labels} labels, {config.members} models and "
            f"{counted(config.round.trajectories, 'trajectory')} each",
        ),
        ("dynamics", f"{run.method}, {counted(run.n_steps, 'step')} of {run.dt_fs:g} fs"),
        ("budget", f"{counted(budget.labels, 'label')}, {time_in_words(60.0 * budget.minutes)}"),
    ]
    if a_label is None and trial:
        facts.append(("label", f"did not come within {_SECONDS:g} s"))
        doubts.append(
            f"a label should take less than {_SECONDS:g} s for a budget of {budget.minutes:g} minutes, but "
            "the first one took longer."
        )
    elif a_label is not None:
        total = a_label * budget.labels / config.processes
        facts.append(
            (
                "time",
                f"one label took {time_in_words(a_label)} with its start; {budget.labels} by "
                f"{counted(config.processes, 'process')[:-1]}es about {time_in_words(total)}",
            )
        )
        if quality is not Quality.TRUSTED:
            doubts.append(f"the label of the first geometry should be trusted, but is {quality}.")
        if total > _PART_OF_LABELS * 60.0 * budget.minutes:
            doubts.append(
                f"`budget.labels` should fit into {_PART_OF_LABELS:.0%} of `budget.minutes`, but "
                f"{budget.labels} labels take about {time_in_words(total)} of "
                f"{time_in_words(60.0 * budget.minutes)}: time will end it first."
            )
    return Forecast(tuple(facts), tuple(doubts))


def _one_label(pool: WorkerPool, positions: object) -> tuple[float | None, object]:
    """Return how long a label took [s], and its quality; None where it did not come in time."""
    began = time.monotonic()
    pool.submit(0, positions)
    ((_, label),) = pool.wait()
    took = time.monotonic() - began
    return (took, label.quality) if took < _SECONDS else (None, None)
