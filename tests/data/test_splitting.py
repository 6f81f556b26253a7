"""A split loses nothing, depends on the seed alone, and holds out what was asked for."""

import numpy as np
import pytest

from nadyn.checks.errors import InputError
from nadyn.data import Dataset, folds, group_from_arrays, join, load_dataset, split


def energies_of(dataset):
    return set(dataset.groups[0].energies[:, 0].tolist())


def test_a_split_is_a_partition_that_the_seed_decides(fixtures):
    dataset = load_dataset(fixtures / "ethanol_60_frames.h5")
    training, validation = split(dataset, 0.2, seed=3)
    assert (training.n_frames, validation.n_frames) == (48, 12)
    assert energies_of(training) | energies_of(validation) == energies_of(dataset)
    assert not energies_of(training) & energies_of(validation)
    again = split(dataset, 0.2, seed=3)[1]
    np.testing.assert_array_equal(again.groups[0].positions, validation.groups[0].positions)
    assert energies_of(split(dataset, 0.2, seed=4)[1]) != energies_of(validation)


def test_all_arrays_of_a_frame_stay_together(dataset):
    training, validation = split(dataset, 0.4, seed=1)
    original = dataset.groups[0]
    for part in (training.groups[0], validation.groups[0]):
        for row, energy in enumerate(part.energies):
            frame = int(np.flatnonzero((original.energies == energy).all(axis=1))[0])
            for key, array in part.frame_arrays().items():
                np.testing.assert_array_equal(array[row], original.frame_arrays()[key][frame])


def test_each_part_has_a_frame_where_there_are_two(dataset):
    two = Dataset((dataset.groups[0].select([0, 1]),))
    for fraction in (0.01, 0.99):
        training, validation = split(two, fraction, seed=1)
        assert (training.n_frames, validation.n_frames) == (1, 1)
    one = Dataset((dataset.groups[0].select([4]),))
    assert split(one, 0.5, seed=1)[1] is None
    assert split(dataset, 0.0, seed=1)[1] is None


@pytest.mark.parametrize("fraction", [-0.1, 1.0, float("nan")])
def test_a_fraction_out_of_range_is_refused(dataset, fraction):
    with pytest.raises(InputError, match="`validation_fraction` must lie"):
        split(dataset, fraction, seed=1)


def test_every_frame_is_validated_once_in_folds(dataset):
    validated = []
    for training, validation in folds(dataset, 3, seed=2):
        assert not energies_of(training) & energies_of(validation)
        assert energies_of(training) | energies_of(validation) == energies_of(dataset)
        validated += validation.groups[0].energies[:, 0].tolist()
    assert sorted(validated) == sorted(energies_of(dataset))
    with pytest.raises(InputError, match="between 2 and 7"):
        folds(dataset, 8, seed=2)


def _numbered(n, name="chain", atoms=(6, 6, 1), **more):
    """Frames whose energy is their number."""
    generator = np.random.default_rng(n)
    return group_from_arrays(
        name,
        atomic_numbers=np.array(atoms),
        positions=4.0 * np.arange(3 * len(atoms)).reshape(1, -1, 3) + generator.random((n, len(atoms), 3)),
        energies=np.arange(n, dtype=np.float64)[:, None],
        **more,
    )


def _held(validation):
    return validation.groups[0].energies[:, 0].astype(int)


@pytest.mark.parametrize(("n", "fraction", "n_held", "n_blocks"), [(200, 0.1, 20, 5), (30, 0.1, 3, 3)])
def test_blocks_are_of_consecutive_frames_and_lie_all_over_the_group(n, fraction, n_held, n_blocks):
    starts = set()
    for seed in range(8):
        training, validation = split(Dataset((_numbered(n),)), fraction, seed=seed, how="blocks")
        held = _held(validation)
        assert len(held) == n_held == n - training.n_frames
        blocks = np.split(held, np.flatnonzero(np.diff(held) > 1) + 1)
        assert len(blocks) <= n_blocks
        assert min(map(len, blocks)) >= n_held // n_blocks
        # One in each stretch of the group.
        stretches = np.unique(held * n_blocks // n)
        assert list(stretches) == list(range(n_blocks))
        starts.add(int(held[0]))
    assert len(starts) > 2


@pytest.mark.parametrize("n", [2, 3, 4, 7])
def test_blocks_of_few_frames_leave_some_for_training(n):
    for fraction in (0.01, 0.5, 0.99):
        training, validation = split(Dataset((_numbered(n),)), fraction, seed=0, how="blocks")
        assert training.n_frames >= 1
        assert validation.n_frames >= 1
        assert training.n_frames + validation.n_frames == n


def test_whole_files_are_held_out():
    sizes = (10, 30, 5, 15)
    group = join([Dataset((_numbered(60).select(range(start, stop)),)) for start, stop in _edges(sizes)])
    seen = set()
    for seed in range(12):
        training, validation = split(group, 0.1, seed=seed, how="files")
        held = set(_held(validation).tolist())
        whole = [file for file, (a, b) in enumerate(_edges(sizes)) if held >= set(range(a, b))]
        assert held == {frame for file in whole for frame in range(*_edges(sizes)[file])}
        assert training.n_frames == 60 - len(held) > 0
        assert len(held) >= 6
        seen.add(tuple(whole))
    assert len(seen) > 2
    with pytest.raises(InputError, match=r"`split: files` must have every molecule in two files.*blocks"):
        split(Dataset((_numbered(20),)), 0.1, seed=0, how="files")


def _edges(sizes):
    stops = np.cumsum(sizes)
    return [(int(stop - size), int(stop)) for size, stop in zip(sizes, stops, strict=True)]


def test_of_molecules_with_one_frame_each_whole_ones_are_held_out():
    chains = Dataset(tuple(_numbered(1, f"C{n}", (6,) * n) for n in range(2, 22)))
    chosen = set()
    for seed in range(5):
        training, validation = split(chains, 0.2, seed=seed)
        assert len(validation.names) == 4
        assert set(training.names) | set(validation.names) == set(chains.names)
        assert not set(training.names) & set(validation.names)
        chosen.add(validation.names)
    assert len(chosen) > 1
    # One at least.
    assert len(split(chains, 0.01, seed=1)[1].names) == 1


def test_single_atoms_and_molecules_with_an_element_of_their_own_stay_in_the_training():
    atoms = [_numbered(1, "H", (1,)), _numbered(1, "O", (8,))]
    molecules = [_numbered(1, "CC", (6, 6)), _numbered(1, "CCC", (6, 6, 6)), _numbered(1, "CF", (6, 9))]
    for seed in range(10):
        validation = split(Dataset((*atoms, *molecules)), 0.9, seed=seed)[1]
        # Either of the two that have nothing but carbon, or both: carbon is in CF.
        assert set(validation.names) <= {"CC", "CCC"}
    assert split(Dataset((*atoms, molecules[2])), 0.5, seed=1)[1] is None
    # Beside a molecule of many frames a few of one frame are not touched.
    validation = split(Dataset((*atoms, _numbered(20))), 0.1, seed=1)[1]
    assert validation.names == ("chain",)


def test_a_way_of_splitting_that_does_not_exist_is_refused(dataset):
    with pytest.raises(InputError, match="`how` must be one of random, blocks, files"):
        split(dataset, 0.1, seed=1, how="chance")
