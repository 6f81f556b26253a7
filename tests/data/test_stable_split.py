"""A split that stays when frames are added: no frame ever changes its side."""

from dataclasses import replace

import numpy as np
import pytest

from nadyn.data import Dataset, group_from_arrays, split
from nadyn.data.splitting import frame_numbers


def group(n, *, seed=0, name="toy", numbers=(7, 1, 1)):
    generator = np.random.default_rng(seed)
    positions = 4.0 * np.arange(len(numbers))[:, None] + generator.normal(size=(n, len(numbers), 3))
    return group_from_arrays(
        name, atomic_numbers=np.array(numbers), positions=positions, energies=generator.normal(size=(n, 1))
    )


def frames_of(dataset):
    return {frame.tobytes() for one in dataset.groups for frame in one.positions} if dataset else set()


def test_no_frame_changes_its_side_when_frames_are_added_in_any_order():
    whole = group(200)
    order = np.random.default_rng(1).permutation(200)
    held_before, learned_before = set(), set()
    for n in (1, 2, 5, 20, 60, 200):
        some = whole.select(order[:n])
        learned, held = split(Dataset((some,)), 0.2, seed=3, how="stable")
        assert held_before <= frames_of(held) and learned_before <= frames_of(learned)
        held_before, learned_before = frames_of(held), frames_of(learned)
    # 40 of 200, four standard deviations of a binomial distribution.
    assert abs(len(held_before) - 40) < 4 * np.sqrt(200 * 0.2 * 0.8)


def test_another_seed_holds_out_others():
    sides = [frames_of(split(Dataset((group(200),)), 0.5, seed=seed, how="stable")[1]) for seed in (1, 2)]
    assert 20 < len(sides[0] & sides[1]) < 80


def test_the_name_of_a_group_and_the_last_digits_of_positions_do_not_matter():
    one = group(50)
    moved = replace(one, name="other", positions=one.positions * (1.0 + 1e-15))
    assert frame_numbers(one, seed=5) == frame_numbers(moved, seed=5)
    assert frame_numbers(one, seed=5) != frame_numbers(one, seed=6)


def test_copies_of_a_frame_are_on_one_side():
    one = group(40)
    twice = one.select([*range(40), *range(40)])
    learned, held = split(Dataset((twice,)), 0.3, seed=1, how="stable")
    assert not frames_of(learned) & frames_of(held)


def test_a_molecule_of_which_all_frames_would_be_held_out_is_kept_where_others_lack_its_elements():
    singles = tuple(group(1, seed=k, name=f"m{k}") for k in range(30))
    strange = group(1, seed=99, name="strange", numbers=(17, 1))
    learned, held = split(Dataset((*singles, strange)), 0.999, seed=1, how="stable")
    assert "strange" in learned.names
    assert held is not None and set(held.names) <= {one.name for one in singles}


@pytest.mark.parametrize("seed", range(4))
def test_something_is_always_learned(seed):
    learned, _ = split(Dataset((group(1),)), 0.999, seed=seed, how="stable")
    assert learned.n_frames == 1
