"""Random numbers as a function of (seed, trajectory, step, stream): the Philox4x32-10 counter generator.

Nothing is carried from one step to the next, so that resuming, batching and sharding change no number.

Source: J. K. Salmon, M. A. Moraes, R. O. Dror and D. E. Shaw, Parallel random numbers: as easy as 1, 2, 3,
Proc. SC'11 (2011), doi:10.1145/2063384.2063405.
"""

import math
from dataclasses import dataclass
from enum import IntEnum
from functools import cache

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from nadyn.checks.errors import InputError
from nadyn.dynamics.state.batch_independence import elementwise

_MULTIPLIERS = np.array([0xD2511F53, 0xCD9E8D57], dtype=np.uint64)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_MASK = np.uint64(0xFFFFFFFF)
_HALF_WORD = np.uint64(32)
_ROUNDS = 10


class Stream(IntEnum):
    """What a random number is for; each purpose draws from numbers of its own."""

    HOP = 0
    THERMOSTAT = 1
    INITIAL_POSITIONS = 2
    INITIAL_MOMENTA = 3
    INITIAL_STATE = 4
    # 5 was used once and stays free: no stream may draw the numbers of another one.
    MAPPING = 6
    COLLAPSE = 7
    COLLISION = 8
    BAROSTAT = 9
    EXCITATION = 10


def uniform(
    seed: int, trajectory: Int[Tensor, "traj"], step: int, stream: Stream, shape: tuple[int, ...] = ()
) -> Float[Tensor, "traj *shape"]:
    """Return float64 numbers distributed uniformly in the open interval (0, 1).

    Args:
        seed: Seed of the run, 0 to 2^64 - 1.
        trajectory: Number of each trajectory in the run, below 2^32, whatever its place in the batch.
        step: Number of the time step, below 2^32.
        stream: What the numbers are for.
        shape: Numbers per trajectory.

    Raises:
        InputError: `seed` is negative or does not fit in 64 bits.
    """
    numbers = _uniform(seed, trajectory.cpu().numpy(), step, stream, shape)
    return torch.from_numpy(numbers).to(trajectory.device)


def normal(
    seed: int, trajectory: Int[Tensor, "traj"], step: int, stream: Stream, shape: tuple[int, ...] = ()
) -> Float[Tensor, "traj *shape"]:
    """Return float64 normal numbers with mean 0 and variance 1, arguments as for `uniform`.

    Two uniform numbers u and v give sqrt(-2 ln u) cos(2 pi v) and sqrt(-2 ln u) sin(2 pi v).

    Source: G. E. P. Box and M. E. Muller, Ann. Math. Statist. 29, 610 (1958).
    """
    n = math.prod(shape)
    pairs = (n + 1) // 2
    u, v = uniform(seed, trajectory, step, stream, (pairs, 2)).unbind(-1)
    radius = torch.sqrt(-2.0 * elementwise(torch.log, u))
    angle = 2.0 * math.pi * v
    both = torch.stack(
        [radius * elementwise(torch.cos, angle), radius * elementwise(torch.sin, angle)], dim=-1
    )
    return both.reshape(len(trajectory), 2 * pairs)[:, :n].reshape(len(trajectory), *shape)


@dataclass(frozen=True)
class Draws:
    """The random numbers of one step of a run, or of one part of a step that was divided.

    Who is not given this draws nothing: it is handed out after it has been decided how long a step is.

    Attributes:
        seed: Seed of the run.
        part: Number of the part, 0 for a whole step: no two parts of a step draw the same numbers.
    """

    seed: int
    part: int = 0

    def uniform(self, trajectory: Int[Tensor, "traj"], step: int, stream: Stream) -> Float[Tensor, "traj"]:
        """Return one number a trajectory, see `uniform`."""
        return self.several(trajectory, step, stream, 1)[:, 0]

    def several(
        self, trajectory: Int[Tensor, "traj"], step: int, stream: Stream, n: int
    ) -> Float[Tensor, "traj n"]:
        """Return n numbers a trajectory, see `uniform`."""
        numbers = uniform(self.seed, trajectory, step, stream, ((self.part + 1) * n,))
        return numbers[:, self.part * n :]


def philox4x32(counter: np.ndarray, key: tuple[int, int]) -> np.ndarray:
    """Return the 4 random words (uint64 arrays that hold 32 bits) of each counter, axis 0 being the word.

    Args:
        counter: 4 words of 32 bits each, as uint64 with shape (4, …).
        key: 2 words of 32 bits.
    """
    even, odd = counter[0::2], counter[1::2]
    words = (-1, *[1] * (counter.ndim - 1))
    multipliers, keys = _MULTIPLIERS.reshape(words), _keys(*key).reshape(words)
    product, even, odd = np.empty_like(even), even.copy(), odd.copy()
    for round_number in range(_ROUNDS):
        np.multiply(even, multipliers, out=product)
        np.right_shift(product[::-1], _HALF_WORD, out=even)
        even ^= odd
        even ^= keys[2 * round_number : 2 * round_number + 2]
        np.bitwise_and(product[::-1], _MASK, out=odd)
    return np.stack([even[0], odd[0], even[1], odd[1]])


@cache
def _keys(first: int, second: int) -> np.ndarray:
    """Return both words of the key of each round, one after the other."""
    return np.array(
        [
            (word + n * step) & 0xFFFFFFFF
            for n in range(_ROUNDS)
            for word, step in zip((first, second), _WEYL, strict=True)
        ],
        dtype=np.uint64,
    )


def _uniform(
    seed: int, trajectory: np.ndarray, step: int, stream: Stream, shape: tuple[int, ...]
) -> np.ndarray:
    if not 0 <= seed < 2**64:
        raise InputError(f"`seed` must be from 0 to 2^64 - 1, but is {seed}.")
    n = math.prod(shape)
    blocks = (n + 1) // 2
    counter = np.empty((4, len(trajectory), blocks), dtype=np.uint64)
    counter[0] = np.arange(blocks, dtype=np.uint64)
    counter[1] = trajectory.astype(np.uint64)[:, None]
    counter[2] = step
    counter[3] = int(stream)
    words = philox4x32(counter, (seed & 0xFFFFFFFF, seed >> 32))
    pairs = np.stack([(words[0] << _HALF_WORD) | words[1], (words[2] << _HALF_WORD) | words[3]], axis=-1)
    # 52 bits and a half: never 0, never 1, every value representable.
    numbers = ((pairs >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
    return numbers.reshape(len(trajectory), 2 * blocks)[:, :n].reshape(len(trajectory), *shape)
