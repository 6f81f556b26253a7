"""Short trajectories on the source itself, whose labels are the first data from where trajectories go."""

from collections.abc import Mapping, Sequence
from contextlib import chdir
from dataclasses import replace
from pathlib import Path

import numpy as np

from nadyn.checks.errors import InputError
from nadyn.data.dataset import state_pairs
from nadyn.data.label_record import geometry_name
from nadyn.data.label_store import LabelStore
from nadyn.dynamics.run.loop import run
from nadyn.electronic.direct.questions import Answer, Desk, Facts, Question
from nadyn.electronic.label_judgement import judged
from nadyn.electronic.labels import Label
from nadyn.interfaces.label_desk import PoolDesk
from nadyn.learning.context import Context
from nadyn.learning.gathering import BETWEEN
from nadyn.learning.stored_labels import known_of, record_of

DIRECT = "direct"


# What `stop` says of a committee and of what it was trained on: a source has neither.
_OF_JUDGES = (
    *("committee", "energy_spread_ev", "gap_spread_ev", "force_spread_ev_per_angstrom", "novelty"),
    "lenience",
)


def without_judges(dynamics: Mapping[str, object]) -> dict[str, object]:
    """Return keys of a run file without limits of what judges a learned model, and ends that a source cannot
    tell."""
    content = dict(dynamics)
    given = dict(content.pop("stop", None) or {})
    stop = {key: value for key, value in given.items() if key not in _OF_JUDGES}
    if stop.get("dissociated"):
        del stop["dissociated"]
    return {**content, "stop": stop} if stop else content


class RecordingDesk:
    """A desk that asks for whole labels, puts every one into a store, and asks for none that is there.

    So a loop begun anew, with the folder of labels kept, has its direct trajectories for the price of their
    overlaps. A label that a trajectory reaches along its way is taken from trajectories only: others may
    belong to another solution.
    """

    def __init__(self, desk: Desk, store: LabelStore, *, every: int) -> None:
        """Record what another desk answers.

        Args:
            desk: Who answers.
            store: Where labels go.
            every: One in so many trains. Which ones, their geometries say: they stay the same where a
                trajectory is gone on with.
        """
        self._desk, self._store, self._every = desk, store, every
        self.facts: Facts = desk.facts

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Return the answers in the order of the questions."""
        n = len(self.facts.multiplicities)
        pairs = tuple(state_pairs(n)) if "interstate_couplings" in self.facts.gives else ()
        whole = [replace(one, forces=tuple(range(n)), pairs=pairs) for one in questions]
        whole = [replace(one, label=self._label_of(one)) for one in whole]
        answers = self._desk.ask(whole)
        for question, answer in zip(whole, answers, strict=True):
            if question.label is not None:
                continue
            trains = int(geometry_name(question.positions), 16) % self._every == 0
            tag = DIRECT if trains else BETWEEN
            if answer.label is not None:
                label = judged(answer.label, question.positions, question.near)
                self._store.add(record_of(question.positions, label, tag=tag))
        return answers

    def _label_of(self, question: Question) -> Label | None:
        record = self._store.get(question.positions)
        if record is None or record.quality != "trusted":
            return None
        # Names of geometries are rounded; with the label of another one a run would not be the same.
        if not np.array_equal(record.positions, question.positions):
            return None
        if question.along and record.tag not in (DIRECT, BETWEEN):
            return None
        return known_of(record).label

    def close(self) -> None:
        """Let go of what answers."""
        self._desk.close()


def direct_trajectories(context: Context) -> Path | None:
    """Run the first trajectories on the source, or go on with them; every label goes into the store.

    Returns:
        The trajectory file; None where none were asked for, or where the source cannot move any.
    """
    config, first = context.config, context.config.first
    path = context.folder.path / "direct.h5"
    if not first.direct:
        return None
    context.narrator.stage(f"{first.direct} trajectories of {first.direct_fs:g} fs on the source itself")
    content = {
        **without_judges(config.dynamics),
        "time_fs": first.direct_fs,
        "model": dict(config.source),
        "initial": {
            "file": context.folder.starts.name,
            "n": min(first.direct, config.sample.n),
            "state": config.state,
        },
        "seed": config.seed,
        "output": path.name,
        "checkpoint_every": 5,
    }

    def recording(_: object, folder: Path) -> RecordingDesk:
        desk = PoolDesk(
            config.source,
            context.desk.source.atomic_numbers,
            folder=context.source_folder,
            processes=config.processes,
            timeout_seconds=60.0 * config.label_minutes,
        )
        return RecordingDesk(desk, context.desk.store, every=first.direct_every)

    try:
        # Files are named from the folder, so that a loop can be moved while it rests.
        with chdir(context.folder.path):
            run(content, sources=recording, resume=True, progress=False)
    except InputError as error:
        context.narrator.note(f"no trajectories on the source: {error}")
        return None
    return path
