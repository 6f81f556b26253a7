"""What was done to a dataset, kept in its file: a line a command."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import nadyn
from nadyn.checks.counts import counted
from nadyn.data.dataset import Dataset

# As many files are named, and as many bytes may an attribute of HDF5 have, with room for others.
_MOST_NAMED = 20
_MOST_BYTES = 60_000
# Of a sha256, as many digits as tell files apart.
_DIGITS = 12
_CHUNK = 1 << 20


def with_step(dataset: Dataset, step: str) -> Dataset:
    """Return the dataset with one more line in the history of every group."""
    return Dataset(
        tuple(
            replace(group, history="\n".join(line for line in (group.history, step) if line))
            for group in dataset.groups
        )
    )


def step_in_words(command: str, options: Mapping[str, object], sources: Sequence[tuple[Path, int]]) -> str:
    """Return a line that says by which command a dataset was made, and from what.

    Names of files and the beginning of their sha256, as `sha256sum` prints it; no date and no folder, so that
    the same command on the same files gives the same line.

    Args:
        command: As it was typed, without options.
        options: What was chosen; None for what was not, a list for what was repeated.
        sources: Files that were read, with the number of their frames.
    """
    words = [command]
    for name, value in options.items():
        for one in value if isinstance(value, list | tuple) else [value]:
            if one is True:
                words.append(f"--{name}")
            elif one not in (None, False):
                words.append(f"--{name} {one}")
    files = ", ".join(
        f"{path.name} ({', '.join(filter(None, (counted(n, 'frame'), _sha256(path))))})"
        for path, n in sources[:_MOST_NAMED]
    )
    if len(sources) > _MOST_NAMED:
        files += f" and {counted(len(sources) - _MOST_NAMED, 'more file')}"
    return f"{' '.join(words)}: from {files}; nadyn {nadyn.__version__}"


def joined_history(histories: Sequence[str]) -> str:
    """Return the lines of several histories, each once, in their order."""
    return "\n".join(dict.fromkeys(line for text in histories for line in text.splitlines()))


def fitting(history: str) -> str:
    """Return a history without its oldest lines where it is too long to be stored."""
    lines = history.splitlines()
    while len("\n".join(lines).encode()) > _MOST_BYTES:
        lines.pop(0)
    return "\n".join(lines)


def _sha256(path: Path) -> str:
    if not path.is_file():
        return ""
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            hasher.update(piece)
    return f"sha256 {hasher.hexdigest()[:_DIGITS]}"
