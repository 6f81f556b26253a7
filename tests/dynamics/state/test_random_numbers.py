"""The counter generator against its published vectors and against the laws of its distributions."""

import numpy as np
import pytest
import torch

from nadyn.checks.errors import InputError
from nadyn.dynamics.state.random_numbers import Stream, normal, philox4x32, uniform

# kat_vectors of Random123 1.14: counter, key, result of philox4x32 with 10 rounds.
PUBLISHED = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), PUBLISHED)
def test_the_generator_gives_the_published_vectors(counter, key, expected):
    words = philox4x32(np.array(counter, dtype=np.uint64), key)
    assert tuple(int(word) for word in words) == expected


@pytest.mark.parametrize("draw", [uniform, normal])
def test_a_number_depends_on_its_trajectory_and_not_on_the_batch(draw):
    everyone = draw(11, torch.arange(333), 5, Stream.HOP, (7,))
    for some in (torch.tensor([0]), torch.tensor([332, 4]), torch.arange(17, 88), torch.arange(0, 333, 5)):
        assert torch.equal(draw(11, some, 5, Stream.HOP, (7,)), everyone[some])


def test_seed_step_trajectory_and_stream_each_give_other_numbers():
    numbers = [
        uniform(seed, torch.arange(4), step, stream)
        for seed in (0, 1, 2**32)
        for step in (0, 1)
        for stream in Stream
    ]
    everything = torch.cat(numbers)
    assert len(torch.unique(everything)) == len(everything)


def test_uniform_numbers_are_open_and_flat():
    numbers = uniform(3, torch.arange(4000), 9, Stream.MAPPING, (25,)).flatten()
    n = len(numbers)
    assert 0.0 < numbers.min() and numbers.max() < 1.0
    assert abs(numbers.mean() - 0.5) < 3 * (1 / 12 / n) ** 0.5
    counts = torch.histc(numbers, bins=20, min=0.0, max=1.0)
    chi_squared = ((counts - n / 20) ** 2 / (n / 20)).sum()
    assert chi_squared < 19 + 3 * (2 * 19) ** 0.5


def test_normal_numbers_have_the_moments_of_a_normal_distribution():
    numbers = normal(3, torch.arange(4000), 9, Stream.THERMOSTAT, (5, 5)).flatten()
    n = len(numbers)
    assert abs(numbers.mean()) < 3 / n**0.5
    assert abs(numbers.var() - 1) < 3 * (2 / n) ** 0.5
    assert abs((numbers**4).mean() - 3) < 3 * (96 / n) ** 0.5
    # Neighbours come from one pair of uniform numbers and must still be independent.
    assert abs((numbers[0::2] * numbers[1::2]).mean()) < 3 / (n / 2) ** 0.5


def test_a_negative_seed_is_refused():
    with pytest.raises(InputError, match=r"`seed` must be from 0"):
        uniform(-1, torch.arange(2), 0, Stream.HOP)
