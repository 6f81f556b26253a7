"""The folder of a learning loop: what lies where, and one process in it at a time."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nadyn.checks.errors import InputError
from nadyn.checks.output import write_new

LEARN_FILE = "learn.yaml"


@dataclass(frozen=True)
class Folder:
    """Names of the files of a loop.

    Everything that a loop has come to is in files that appear whole or not at all; what is there is not done
    again. So a loop that was killed goes on where its newest file ends.
    """

    path: Path

    @property
    def learn_file(self) -> Path:
        """What was asked for, as it was checked."""
        return self.path / LEARN_FILE

    @property
    def store(self) -> Path:
        """Folder of all labels, with their quality and their orbitals."""
        # Its name before it was told from a file.
        before = self.path / "labels.h5"
        return before if before.is_dir() else self.path / "labels"

    @property
    def starts(self) -> Path:
        """Initial conditions of all trajectories."""
        return self.path / "starts.h5"

    @property
    def is_begun(self) -> bool:
        """Whether a loop has come to anything here: what was refused before may be asked for anew."""
        return self.learn_file.exists() and self.starts.exists()

    @property
    def minimum(self) -> Path:
        """Geometry of the minimum of the ground state, by the source."""
        return self.path / "minimum.json"

    @property
    def dataset(self) -> Path:
        """Trusted labels, as the last models learned them."""
        return self.path / "dataset.h5"

    @property
    def model(self) -> Path:
        """The last committee."""
        return self.path / "model.safetensors"

    @property
    def page(self) -> Path:
        """What a person looks at."""
        return self.path / "report.html"

    @property
    def clock(self) -> Path:
        """Minutes spent so far, of all calls."""
        return self.path / "minutes.json"

    def round(self, number: int) -> Path:
        """The folder of a round."""
        return self.path / f"round_{number:02d}"


def read_json(path: Path) -> dict[str, object] | None:
    """Return what a file of the loop holds, or None where it is not there yet."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def write_json(path: Path, content: object) -> None:
    """Write a file of the loop in one atomic step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_new(path, json.dumps(content, indent=1))


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other loops out of the folder; a killed process keeps nobody out.

    Raises:
        InputError: Another process is at work in it.
    """
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"folder {str(folder)!r} must be free, but another `nadyn learn` is at work in it. "
                "Wait for it, or name another folder."
            ) from None
        yield
    finally:
        os.close(descriptor)
