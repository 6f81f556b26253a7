"""What `nadyn info` and `nadyn convert` say of every file below a folder, and what a round trip loses.

    python benchmarks/files_of_others.py FOLDER

A line a file: exit codes, and what was said. What is read is then written as a dataset and as extended xyz,
read again, and compared array by array: `bits`, the largest relative difference, or what was left out.
Folders that are data as a whole, such as trajectories, are taken as one. Nothing is written into FOLDER.
"""

import contextlib
import io
import sys
import tempfile
import warnings
from dataclasses import fields
from pathlib import Path

import numpy as np

from nadyn.checks.errors import InputError, RunError
from nadyn.cli.main import main as nadyn
from nadyn.data import Dataset, Group, write_dataset
from nadyn.data.readers.table import find_reader, read_file
from nadyn.data.writers.extxyz import write_extxyz
from nadyn.trajectory.starts_of_others import find_starts


def said(arguments: list[str]) -> tuple[int, str]:
    """Return the exit code of a command and all that it prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            nadyn(arguments)
        except SystemExit as end:
            return int(end.code or 0), out.getvalue()
        except BaseException as error:
            return -1, f"TRACEBACK {type(error).__name__}: {error}"
    return 0, out.getvalue()


def differences(one: Dataset, other: Dataset) -> str:
    """Return what differs between two datasets, in words; `bits` for nothing."""
    if one.names != other.names:
        return f"groups {', '.join(one.names)} are {', '.join(other.names)}"
    found = [text for group in one.groups if (text := _difference(group, other.group(group.name)))]
    return "; ".join(dict.fromkeys(found)) or "bits"


def _difference(one: Group, other: Group) -> str:
    found = []
    for field in fields(Group):
        here, there = getattr(one, field.name), getattr(other, field.name)
        if here is None and there is None:
            continue
        if here is None or there is None:
            found.append(f"{field.name} {'added' if here is None else 'left out'}")
        elif isinstance(here, np.ndarray) and here.dtype.kind == "f":
            if here.shape != there.shape or not np.array_equal(np.isnan(here), np.isnan(there)):
                found.append(f"{field.name}: other places")
            elif not np.array_equal(here, there, equal_nan=True):
                apart = np.nanmax(np.abs(here - there)) / np.nanmax(np.abs(here))
                found.append(f"{field.name} {apart:.0e}")
        elif not np.array_equal(here, there):
            found.append(f"{field.name} differs")
    return ", ".join(found)


def round_trips(path: Path, folder: Path) -> list[str]:
    """Return a sentence for each format that is written."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first = read_file(path)
        results = []
        for name, write in (("again.h5", write_dataset), ("again.xyz", write_extxyz)):
            (folder / name).unlink(missing_ok=True)
            write(folder / name, first)
            results.append(f"{name[5:]}: {differences(first, read_file(folder / name))}")
    return results


def sources(folder: Path) -> list[Path]:
    """Return the files below a folder, and folders that are one source."""
    found = []
    for path in sorted(folder.iterdir()):
        if path.is_file():
            found.append(path)
        elif find_reader(path) is not None or find_starts(path) is not None:
            found.append(path)
        else:
            found += sources(path)
    return found


def main(folder: Path) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as text:
        place = Path(text)
        for path in sources(folder):
            info, told = said(["info", str(path)])
            print(f"\n== {path.relative_to(folder)}\n   info {info}")
            if info:
                print(f"      {told.strip()}")
            else:
                print("".join(f"      {line}\n" for line in told.splitlines() if "warning" in line), end="")
            code, told = said(["convert", str(path), str(place / "out.h5"), "--overwrite"])
            print(f"   convert {code}")
            print("".join(f"      {line}\n" for line in told.splitlines() if "wrote" not in line), end="")
            with contextlib.suppress(InputError, RunError):
                print("".join(f"   {line}\n" for line in round_trips(path, place)), end="")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
