"""Which distances to a nearest neighbour a training set covers, and what lies in its holes."""

import pytest
import torch
from contracts.untrained import untrained

from nadyn.models.nearest_neighbours import MOST_INTERVALS, intervals_of, is_covered, no_bound, up_to

CUTOFF = 10.0


def covered(distances, asked):
    (intervals,) = intervals_of([torch.tensor(distances)], CUTOFF)
    return is_covered(torch.tensor(asked)[None], intervals, CUTOFF)[0].tolist()


def test_an_isolated_atom_opens_no_way_to_itself():
    water = [1.75, 1.8, 1.85, 1.9]
    assert covered(water, [1.8, 2.1, 2.5, 5.0, 12.0]) == [True, True, False, False, False]
    assert covered([*water, 40.0], [1.8, 2.1, 2.5, 5.0, 12.0, 70.0]) == [True, True, False, False, True, True]


def test_an_atom_that_was_followed_to_beyond_the_cutoff_is_inside_wherever_it_is():
    way = (1.8 * 1.2 ** torch.arange(11)).tolist()
    assert way[-1] > CUTOFF
    assert all(covered(way, [1.8, 2.6, 4.4, 7.7, 9.99, 10.01, 300.0]))


def test_an_interval_reaches_a_factor_beyond_both_ends_and_a_hole_is_wider_than_both():
    assert covered([2.0, 4.0], [2.0 / 1.16, 2.0 / 1.14, 2.28, 2.32, 3.45, 3.52]) == [
        False, True, True, False, False, True
    ]  # fmt: skip
    # A step of less than 1.15² is no hole.
    assert covered([2.0, 2.6], [2.28, 2.3, 2.32]) == [True, True, True]


def test_no_set_of_distances_has_more_intervals_than_are_kept():
    distances = 0.25 * 1.8897 * 1.3226 ** torch.arange(60)
    (intervals,) = intervals_of([distances], 30 * 1.8897)
    assert int(torch.isfinite(intervals[:, 1]).sum()) in range(15, MOST_INTERVALS + 1)
    # Single precision rounds the ends.
    assert bool(is_covered(distances[None].float(), intervals, 30 * 1.8897).all())


def test_models_of_the_first_days_know_a_longest_distance_or_none():
    asked = torch.tensor([[0.1, 3.4, 3.5, 50.0]])
    assert is_covered(asked, up_to(torch.tensor([3.0]))[0], CUTOFF).tolist() == [[True, True, False, False]]
    assert bool(is_covered(asked, no_bound(1)[0], CUTOFF).all())


@pytest.mark.parametrize(("stretch", "expected"), [(1.05, 0.0), (2.2, 1.0), (40.0, 0.0)])
def test_novelty_of_a_molecule_with_an_isolated_atom_in_its_data(stretch, expected):
    model = untrained("moments", "2x0e", atomic_numbers=(7, 1, 1, 9)).double()
    positions = torch.tensor(
        [[0.1, 0.0, 0.7], [0.9, 1.5, 0.0], [-1.7, 0.2, 0.1], [0.8, -1.9, -0.1]], dtype=torch.float64
    )
    frames = positions + 0.05 * torch.randn(40, 4, 3, generator=torch.Generator().manual_seed(2)).double()

    def pulled(factor):
        moved = frames.clone()
        moved[:, 1] = frames[:, 0] + factor * (frames[:, 1] - frames[:, 0])
        return moved

    model.potential.network.set_nearest([model.surroundings(frames), model.surroundings(pulled(50.0))])
    assert model.evaluate(pulled(stretch)).novelty.tolist() == [expected] * len(frames)
