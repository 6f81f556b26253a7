"""Power that is cut at any moment: a run loses one interval at most, though what was not synced may be lost.

What the writer asks of the system is recorded. Then the disk is made as it may be after each prefix of that:
what was synced is there, and of every later write nothing, a part or all.
"""

import os
import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from nadyn.checks.output import write_new
from nadyn.trajectory import digest, open_run
from tests.trajectory import toy_run

N_STEPS, COPIES = 24, 40


@dataclass
class Disk:
    """What is durable: contents by inode and names; and what is still on its way."""

    contents: dict[int, bytearray] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    writes: dict[int, list[tuple[int, bytes]]] = field(default_factory=dict)
    renames: list[tuple[str, int]] = field(default_factory=list)

    def after(self, operations: list[tuple]) -> "Disk":
        for kind, *what in operations:
            if kind == "write":
                inode, offset, data = what
                self.writes.setdefault(inode, []).append((offset, data))
            elif kind == "sync":
                inode, snapshot = what
                self.contents[inode] = bytearray(snapshot)
                self.writes.pop(inode, None)
            elif kind == "rename":
                self.renames.append(tuple(what))
            else:
                self.names |= dict(self.renames)
                self.renames = []
        return self

    def cut(self, draw: random.Random) -> dict[str, bytes]:
        """The files that may be there after the power was cut."""
        names = dict(self.names)
        for name, inode in self.renames[: draw.randint(0, len(self.renames))]:
            names[name] = inode
        for inode, writes in self.writes.items():
            for offset, data in writes:
                kept = draw.choice((0, len(data), draw.randint(0, len(data))))
                content = self.contents.setdefault(inode, bytearray())
                if len(content) >= offset + kept:
                    content[offset : offset + kept] = data[:kept]
        return {name: bytes(self.contents.get(inode, b"")) for name, inode in names.items()}


@pytest.fixture
def recorded(monkeypatch):
    """The list to which writes, syncs and renames are added as they happen."""
    operations: list[tuple] = []
    write, rename = os.pwrite, os.replace

    def pwrite(descriptor, data, offset):
        operations.append(("write", os.fstat(descriptor).st_ino, offset, bytes(data)))
        return write(descriptor, data, offset)

    def replace(source, target):
        operations.append(("rename", str(target), os.stat(source).st_ino))
        rename(source, target)

    def sync(descriptor):
        place = Path(f"/proc/self/fd/{descriptor}")
        if place.is_dir():
            operations.append(("folder",))
        else:
            operations.append(("sync", os.fstat(descriptor).st_ino, place.read_bytes()))

    monkeypatch.setattr(os, "pwrite", pwrite)
    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "fdatasync", sync)
    return operations


@pytest.mark.parametrize("share", [0.25, pytest.param(1.0, marks=pytest.mark.slow)])
def test_a_run_loses_one_interval_at_most(share, tmp_path, recorded, monkeypatch, unchecked_annotations):
    path, again = tmp_path / "run.h5", tmp_path / "again.h5"
    committed: list[tuple[int, int]] = []
    checkpoint = toy_run.TrajectoryWriter.checkpoint

    def noted(self, step, state):
        checkpoint(self, step, state)
        committed.append((len(recorded), step))

    monkeypatch.setattr(toy_run.TrajectoryWriter, "checkpoint", noted)
    # So many hops that their table outgrows the file.
    toy_run.run(path, n_steps=N_STEPS, resume=False, hop_copies=COPIES)
    monkeypatch.undo()
    operations, expected = list(recorded), digest(path)
    syncs = [number for number, one in enumerate(operations) if one[0] != "write"]
    assert sum(operations[number][0] == "rename" for number in syncs) >= 2
    draw, there, lost = random.Random(3), 0, 0
    # Each sync and rename with the moments just before and after it, and some moments between.
    moments = {n + shift for n in syncs for shift in (0, 1)} | set(range(0, len(operations), 97))
    chosen = random.Random(2).sample(sorted(moments), round(share * len(moments)))
    for moment in sorted({*chosen, len(operations)}):
        files = Disk().after(operations[:moment]).cut(draw)
        if str(path) not in files:
            assert not any(number <= moment for number, _ in committed)
            continue
        there += 1
        again.write_bytes(files[str(path)])
        last = max((step for number, step in committed if number <= moment), default=0)
        assert open_run(again).step >= last
        toy_run.run(again, n_steps=N_STEPS, resume=True, hop_copies=COPIES)
        assert digest(again) == expected, moment
        lost += last < N_STEPS
    assert there > 20 * share and lost > 6 * share


def test_a_whole_file_is_there_with_its_old_or_its_new_content(tmp_path, recorded):
    path = tmp_path / "model.safetensors"
    write_new(path, b"old")
    first = len(recorded)
    write_new(path, b"new, and longer")
    kinds = [one[0] for one in recorded]
    assert kinds == ["sync", "rename", "folder"] * 2
    for moment in range(first, len(recorded) + 1):
        for seed in range(4):
            files = Disk().after(recorded[:moment]).cut(random.Random(seed))
            assert files[str(path)] in (b"old", b"new, and longer")
    assert files[str(path)] == b"new, and longer"
