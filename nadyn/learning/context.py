"""What all stages of a loop share: what was asked for, where it lies, who labels, how long it has taken."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from nadyn.analysis.learning_record import RoundRecord
from nadyn.learning.desk import Desk
from nadyn.learning.folder import Folder, read_json, write_json
from nadyn.learning.learn_file import LearnConfiguration


@runtime_checkable
class Narrator(Protocol):
    """Tells a person what happens."""

    def stage(self, text: str) -> None:
        """Begin something that takes a while."""
        ...

    def progress(self, text: str) -> None:
        """How far it is."""
        ...

    def note(self, text: str) -> None:
        """Say something that is to be read later too."""
        ...

    def round(self, record: RoundRecord) -> None:
        """A round has ended."""
        ...


class Silence:
    """A narrator that says nothing."""

    def __enter__(self) -> "Silence":
        """Say nothing."""
        return self

    def __exit__(self, *error: object) -> None:
        """Say nothing."""

    def watch(self, folder: Path) -> None:
        """Say nothing."""

    def stage(self, text: str) -> None:
        """Say nothing."""

    def progress(self, text: str) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""

    def round(self, record: RoundRecord) -> None:
        """Say nothing."""


@dataclass
class Clock:
    """Minutes of all calls of a loop, which a budget is spent of; nothing else depends on them."""

    folder: Folder
    before: float = 0.0
    started: float = field(default_factory=time.monotonic)
    seconds: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Folder) -> "Clock":
        """Return the clock of a folder, going on where the last call left it."""
        known = read_json(folder.clock) or {}
        return cls(folder, float(known.get("minutes", 0.0)), seconds=dict(known.get("seconds", {})))

    @property
    def minutes(self) -> float:
        """Minutes so far."""
        return self.before + (time.monotonic() - self.started) / 60.0

    @contextmanager
    def on(self, what: str, number: int) -> Iterator[None]:
        """Count what is inside for a round: labels, training or running."""
        began = time.monotonic()
        try:
            yield
        finally:
            key = f"{number} {what}"
            self.seconds[key] = self.seconds.get(key, 0.0) + time.monotonic() - began
            self.save()

    def of_round(self, number: int) -> dict[str, float]:
        """Return the seconds of a round by what they were spent on."""
        start = f"{number} "
        return {
            key.removeprefix(start): round(s, 1) for key, s in self.seconds.items() if key.startswith(start)
        }

    def save(self) -> None:
        """Write it down."""
        write_json(self.folder.clock, {"minutes": self.minutes, "seconds": self.seconds})


@dataclass(frozen=True)
class Context:
    """What a stage is handed.

    Attributes:
        config: What was asked for.
        folder: Where everything lies.
        desk: Who labels.
        name: Of the molecule, as groups of the dataset have it.
        molecule_file: A geometry to begin from.
        source_folder: Where relative paths of the source begin.
        clock: Time spent.
        narrator: Who tells a person.
    """

    config: LearnConfiguration
    folder: Folder
    desk: Desk
    name: str
    molecule_file: Path
    source_folder: Path
    clock: Clock
    narrator: Narrator

    @property
    def n_states(self) -> int:
        """States of a label."""
        return len(self.desk.source.multiplicities)


def teller(context: Context, what: str, n: int) -> Callable[[int], None]:
    """Return what tells how many of so many are done."""
    return lambda n_done: context.narrator.progress(f"{n_done} of {n} {what}")
