"""`nadyn data`: joined, split, thinned and shifted datasets, and what their files say of it."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from nadyn.checks.errors import InputError
from nadyn.data import Dataset, group_from_arrays, load_dataset, write_dataset
from nadyn.data.farthest_points import farthest_first
from nadyn.data.history import fitting, step_in_words, with_step
from nadyn.data.level_shift import shifted_by
from nadyn.data.parts import parted, units_of
from nadyn.data.similarity import fingerprints
from nadyn.data.thinning import copies, thin
from nadyn.units import ANGSTROM_PER_BOHR, HARTREE_PER_EV
from tests.cli.typed import typed

NUMBERS = [8, 6, 1, 1]


def walk(n_frames: int, *, name: str = "CH2O", seed: int = 0, n_walks: int = 1):
    """Frames of trajectories: small steps, each from a place of its own."""
    random = np.random.default_rng(seed)
    shape = 2.6 * np.array([[0.0, 0, 0], [1, 0, 0], [1.5, 0.8, 0], [1.5, -0.8, 0]])
    starts = shape + 0.35 * random.normal(size=(n_walks, 1, 4, 3))
    steps = 0.01 * random.normal(size=(n_walks, n_frames // n_walks, 4, 3)).cumsum(axis=1)
    positions = (starts + steps).reshape(-1, 4, 3)
    energies = np.sort(0.01 * random.normal(size=(len(positions), 2)), axis=1) + np.array([0.0, 0.3])
    return group_from_arrays(
        name, atomic_numbers=NUMBERS, positions=positions, energies=energies, multiplicities=(1, 1)
    )


@pytest.mark.parametrize(("by", "n_walks"), [("random", 1), ("block", 1), ("trajectory", 20)])
def test_every_frame_is_in_one_part_and_parts_have_their_shares(by, n_walks):
    group, shares = walk(200, n_walks=n_walks), (0.7, 0.2, 0.1)
    found = parted(Dataset((group,)), shares, by=by, seed=3)
    assert sum(part.n_frames for part in found) == 200
    for part, share in zip(found, shares, strict=True):
        assert abs(part.n_frames - 200 * share) <= 200 // (n_walks if n_walks > 1 else 200)
    together = np.concatenate([part.groups[0].energies[:, 0] for part in found])
    np.testing.assert_array_equal(np.sort(together), np.sort(group.energies[:, 0]))
    again = parted(Dataset((group,)), shares, by=by, seed=3)
    other = parted(Dataset((group,)), shares, by=by, seed=4)
    np.testing.assert_array_equal(found[1].groups[0].energies, again[1].groups[0].energies)
    same = found[1].groups[0].energies.shape == other[1].groups[0].energies.shape
    assert not same or not np.array_equal(found[1].groups[0].energies, other[1].groups[0].energies)


def test_frames_of_a_block_stay_together_and_blocks_lie_everywhere():
    group = replace(walk(200), tag=tuple(map(str, range(200))))
    held = parted(Dataset((group,)), (0.8, 0.2), by="block", seed=1)[1].groups[0]
    frames = np.array(list(map(int, held.tag)))
    assert len(frames) == 40 and (np.diff(frames) == 1).sum() == 40 - 5
    assert (np.bincount(frames // 40, minlength=5) == 8).all()


def test_trajectories_are_told_apart_by_tags_or_by_jumps_and_stay_whole():
    group = walk(200, n_walks=8)
    np.testing.assert_array_equal(units_of(group, "trajectory"), np.repeat(np.arange(8), 25))
    tags = tuple(f"TRAJ_{number % 5}" for number in range(200))
    np.testing.assert_array_equal(units_of(replace(group, tag=tags), "trajectory"), np.arange(200) % 5)
    shuffled = group.select(np.random.default_rng(1).permutation(200))
    with pytest.raises(InputError, match="by their tags or by consecutive frames"):
        units_of(shuffled, "trajectory")


def test_molecules_of_one_frame_are_dealt_out_whole():
    groups = tuple(walk(1, name=f"m{number}", seed=number) for number in range(12))
    found = parted(Dataset(groups), (0.75, 0.25), by="random", seed=1)
    assert [len(part.groups) for part in found] == [9, 3]


@pytest.mark.parametrize(
    ("shares", "by", "sentence"),
    [
        ((0.7, 0.2), "random", "add up to 1, but are 0.7, 0.2, together 0.9"),
        ((0.5, 0.5), "atom", "must be one of random, block, trajectory, file, but is 'atom'"),
        ((0.5, 0.5), "file", "comes from one. Name several files"),
        ((0.98, 0.02), "random", "part 2 has none: there are too few"),
    ],
)
def test_what_cannot_be_split_is_refused(shares, by, sentence):
    with pytest.raises(InputError, match=sentence):
        parted(Dataset((walk(7),)), shares, by=by, seed=1)


def test_thinning_keeps_the_frames_that_differ_most():
    group = walk(120, n_walks=6)
    thinned = thin(Dataset((group,)), n=6)
    # Six walks far from each other: one frame of each is kept.
    kept = [
        int(np.flatnonzero(group.energies[:, 0] == e)[0]) for e in thinned.dataset.groups[0].energies[:, 0]
    ]
    assert sorted(frame // 20 for frame in kept) == list(range(6)) and kept == sorted(kept)
    frames = fingerprints(group)
    away = np.sqrt(((frames[:, None] - frames[None, kept]) ** 2).mean(-1)).min(1)
    assert thinned.radius_angstrom[0] == pytest.approx(away.max() * ANGSTROM_PER_BOHR)


def test_no_kept_frame_is_nearer_to_another_than_asked_and_every_other_one_is():
    group, closest = walk(120, n_walks=6), 0.01
    thinned = thin(Dataset((group,)), closest_angstrom=closest)
    kept = fingerprints(thinned.dataset.groups[0]) * ANGSTROM_PER_BOHR
    apart = np.sqrt(((kept[:, None] - kept[None]) ** 2).mean(-1)) + 9.0 * np.eye(len(kept))
    assert 6 < len(kept) < 120 and apart.min() > closest >= thinned.radius_angstrom[0] > 0
    with pytest.raises(InputError, match="neither is"):
        thin(Dataset((group,)))


def test_farthest_points_begin_with_the_one_farthest_from_the_mean():
    points = np.array([[0.0], [1.0], [2.0], [10.0], [9.0]])
    assert farthest_first(points, points[:0], 3).tolist() == [3, 0, 2]


def test_copies_are_all_but_the_first():
    group = walk(5)
    repeated = group.select([0, 3, 0, 1, 3, 3])
    assert copies(repeated).tolist() == [False, False, True, False, True, True]


def test_a_shift_adds_to_its_state_and_does_not_change_the_order():
    group = walk(9)
    moved = shifted_by(group, np.array([0.5, 0.7]))
    np.testing.assert_allclose(moved.energies - group.energies, np.tile([0.5, 0.7], (9, 1)), atol=1e-12)
    assert moved.note == "energies were shifted by +0.50000000, +0.70000000 hartree a state"
    with pytest.raises(InputError, match=r"must ascend in energy.*9 of 9 frames"):
        shifted_by(group, np.array([1.0, 0.0]))


def test_a_history_names_command_and_files_and_loses_its_oldest_lines_only(tmp_path):
    path = tmp_path / "a.h5"
    path.write_bytes(b"content")
    options = {"n": 7, "part": ["b.h5=0.8", "c.h5=0.2"], "tags": True, "mix": False, "closest": None}
    step = step_in_words("nadyn data split", options, [(path, 60)])
    digest = hashlib.sha256(b"content").hexdigest()[:12]
    chosen = "--n 7 --part b.h5=0.8 --part c.h5=0.2 --tags"
    assert step.startswith(f"nadyn data split {chosen}: from a.h5 (60 frames, sha256 {digest})")
    dataset = with_step(with_step(Dataset((walk(3),)), "one"), step)
    write_dataset(tmp_path / "d.h5", dataset)
    assert load_dataset(tmp_path / "d.h5").groups[0].history == f"one\n{step}"
    long = "\n".join(f"{number} {'x' * 1000}" for number in range(99))
    assert fitting(long).splitlines()[-1] == long.splitlines()[-1] and len(fitting(long)) < 60_000


def test_the_four_commands_as_typed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    group = walk(40)
    write_dataset("a.h5", Dataset((group.select(range(0, 25)),)))
    write_dataset("b.h5", Dataset((group.select(range(20, 40)),)))
    code, said = typed("data", "join", "a.h5", "b.h5", "--tags", "--output", "all.h5")
    assert code == 0 and "5 of 45 frames (25, 26, 27, 28, 29) repeat a geometry" in said
    assert set(load_dataset("all.h5").groups[0].tag) == {"a", "b"}
    assert typed("data", "join", "a.h5", "b.h5", "--drop-copies", "-o", "all.h5", "--overwrite")[0] == 0
    np.testing.assert_array_equal(load_dataset("all.h5").groups[0].energies, group.energies)
    parts = ("--part", "train.h5=0.5", "--part", "test.h5=0.5")
    code, said = typed("data", "split", "a.h5", "b.h5", "--by", "file", *parts)
    assert code == 0 and "test.h5: " in said and "have a neighbour (under" in said
    assert sorted(load_dataset(f"{name}.h5").n_frames for name in ("train", "test")) == [20, 25]
    assert typed("data", "thin", "all.h5", "--n", "7", "-o", "few.h5")[0] == 0
    assert typed("data", "shift", "few.h5", "--energy-ev", "-1", "--energy-ev", "1=0.5", "-o", "s.h5")[0] == 0
    few, moved = (load_dataset(f"{name}.h5").groups[0] for name in ("few", "s"))
    added = np.array([-1.0, -0.5]) * HARTREE_PER_EV
    np.testing.assert_allclose(moved.energies - few.energies, np.tile(added, (7, 1)), atol=1e-12)
    assert [line.split(":")[0] for line in moved.history.splitlines()] == [
        "nadyn data join --output all.h5 --drop-copies",
        "nadyn data thin --output few.h5 --n 7",
        "nadyn data shift --output s.h5 --energy-ev -1 --energy-ev 1=0.5",
    ]
    code, said = typed("data", "shift", "s.h5", "--match", "all.h5", "-o", "back.h5")
    assert code == 0 and "fitted to 7 shared geometries" in said
    np.testing.assert_allclose(load_dataset("back.h5").groups[0].energies, few.energies, atol=1e-9)
    assert "made by: nadyn data thin --output few.h5 --n 7: from all.h5 (40 frames, sha256" in typed(
        "info", "few.h5"
    )[1].replace("\n", " ")
    code, said = typed("data", "thin", "all.h5", "--n", "7", "-o", "few.h5")
    assert code == 2 and "must not exist yet" in said
    code, said = typed("data", "thin", "all.h5", "--n", "7", "-o", "all.h5", "--overwrite")
    assert code == 2 and "must not be a file that is read" in said


def test_doubtful_frames_are_named_and_left_out_on_demand(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    group = walk(40, n_walks=1)
    broken = group.positions.copy()
    broken[11, 2] = broken[11, 1] + [0.5, 0.1, 0.0]
    write_dataset("a.h5", Dataset((replace(group, positions=broken),)))
    code, said = typed("data", "thin", "a.h5", "--n", "9", "-o", "b.h5")
    assert code == 0 and "1 of 40 frames (11)" in said
    code, said = typed("data", "thin", "a.h5", "--n", "9", "-o", "c.h5", "--leave-out-doubtful")
    assert code == 0 and "left out 1 of 40 frames (11)" in said
    assert "--leave-out-doubtful" in load_dataset("c.h5").groups[0].history
    bond = [
        np.linalg.norm(one.positions[:, 2] - one.positions[:, 1], axis=1).min()
        for one in (load_dataset(name).groups[0] for name in ("b.h5", "c.h5"))
    ]
    assert bond[0] < 0.6 < bond[1]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("split", "a.h5", "--part", "b.h5"), "must be a file and a share below 1"),
        (("split", "a.h5", "--part", "b.h5=0.5", "--part", "b.h5=0.5"), "names 'b.h5' twice"),
        (("shift", "a.h5", "-o", "b.h5"), "`--energy-ev` or `--match` must be given, one of them"),
        (("shift", "a.h5", "-o", "b.h5", "--energy-ev", "2=1"), "for a state from 0 to 1 of group 'CH2O'"),
        (("shift", "a.h5", "-o", "b.h5", "--energy-ev", "one"), "must be a number, or one of a state"),
        (("join", "a.h5", "-o", "b.xyz"), "`--output` must end in .h5"),
    ],
)
def test_what_cannot_be_done_is_refused_before_a_file_is_written(arguments, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_dataset("a.h5", Dataset((walk(7),)))
    code, said = typed("data", *arguments)
    assert code == 2 and sentence in said and [path.name for path in tmp_path.iterdir()] == ["a.h5"]
