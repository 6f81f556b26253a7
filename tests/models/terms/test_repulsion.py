"""The repulsion of Ziegler, Biersack and Littmark against its formula."""

import math

import numpy as np
import pytest
import torch
from contracts.untrained import CUTOFF, untrained
from surroundings import free_atoms

import nadyn
from nadyn.checks.errors import InputError
from nadyn.models.terms.repulsion import Repulsion

# J. F. Ziegler, J. P. Biersack, U. Littmark (1985): φ = Σ a exp(-b x), x = r (Z1^0.23 + Z2^0.23)/0.8854 a_0.
PHI = ((0.18175, 3.19980), (0.50986, 0.94229), (0.28022, 0.40290), (0.02817, 0.20162))
NUMBERS = (7, 1, 9, 1)
POSITIONS = np.array([[0.0, 0.0, 0.1], [0.9, 0.2, 0.0], [-0.3, 1.3, 0.2], [2.0, -0.4, 1.1]])
ENDS = {(1, 1): 1.9, (1, 7): 2.1, (1, 9): 2.6, (7, 7): 1.5, (7, 9): 2.4, (9, 9): 3.0}


def _repulsion(ends=ENDS):
    elements = (1, 7, 9)
    table = torch.tensor(
        [[ends[min(a, b), max(a, b)] for b in elements] for a in elements], dtype=torch.float64
    )
    return Repulsion(elements, table)


def _pair(first, second, r, end):
    """Energy of one pair [hartree], ended by the quintic that starts with 1 and ends with zero curvature."""
    if r >= end:
        return 0.0
    screening = 0.8854 / (first**0.23 + second**0.23)
    phi = sum(a * math.exp(-b * r / screening) for a, b in PHI)
    x = r / end
    return first * second / r * phi * (1 - 10 * x**3 + 15 * x**4 - 6 * x**5)


def _energy(repulsion, positions, cutoff=8.0):
    surroundings, _ = free_atoms(NUMBERS, torch.from_numpy(positions)[None], cutoff)
    return float(repulsion(surroundings))


def test_the_energy_is_the_sum_over_pairs_of_the_published_formula():
    expected = 0.0
    for i in range(len(NUMBERS)):
        for j in range(i):
            ends = ENDS[min(NUMBERS[i], NUMBERS[j]), max(NUMBERS[i], NUMBERS[j])]
            expected += _pair(NUMBERS[i], NUMBERS[j], np.linalg.norm(POSITIONS[i] - POSITIONS[j]), ends)
    assert expected > 1.0
    # The screening length is published as 0.8854 bohr and as 0.46850 angstrom, which differ by 6e-5.
    assert _energy(_repulsion(), POSITIONS) == pytest.approx(expected, rel=3e-4)


def test_the_screening_function_starts_at_one():
    ends = dict.fromkeys(ENDS, 1e6)
    near = np.array([[0.0, 0, 0], [0, 0, 1e-6], [0, 500, 0], [500, 0, 0]])
    assert _energy(_repulsion(ends), near, cutoff=1e6) * 1e-6 == pytest.approx(7.0, rel=1e-4)


def test_the_repulsion_is_exactly_zero_beyond_its_end():
    far = POSITIONS * 10.0
    assert _energy(_repulsion(), far) == 0.0
    pair = np.array([[0.0, 0, 0], [ENDS[1, 7] + 1e-9, 0, 0], [0, 50, 0], [50, 0, 0]])
    assert _energy(_repulsion(), pair) == 0.0
    pair[1, 0] = ENDS[1, 7] - 0.05
    assert _energy(_repulsion(), pair) > 0.0


def test_every_state_has_the_same_repulsion_and_couplings_have_none():
    positions = torch.tensor([[[0.0, 0, 0], [1.6, 0.3, 0], [0.2, 1.7, 0.4], [-1.5, 0.1, 1.2]]]).double()
    numbers = (6, 1, 1, 1)
    plain, pushed = (
        untrained("moments", "1x0e + 1x1o", n_states=2, atomic_numbers=numbers, repulsion=end).double()
        for end in (None, CUTOFF)
    )
    without, with_it = nadyn.surfaces(plain, positions), nadyn.surfaces(pushed, positions)
    shift = with_it.energies - without.energies
    assert float(shift.min()) > 1e-3
    torch.testing.assert_close(shift[:, 0], shift[:, 1], atol=1e-12, rtol=0)
    coupling, same = (surfaces.interstate_coupling[:, 0, 1].abs() for surfaces in (without, with_it))
    torch.testing.assert_close(coupling, same, atol=1e-10, rtol=0)
    push = with_it.forces - without.forces
    torch.testing.assert_close(push[:, 0], push[:, 1], atol=1e-10, rtol=0)
    assert float(push.abs().max()) > 1e-3


def test_a_repulsion_beyond_the_cutoff_is_refused_because_atoms_do_not_see_so_far():
    assert untrained("moments", None, repulsion=CUTOFF).potential.repulsion is not None
    with pytest.raises(InputError, match=r"beyond the encoder's cutoff of 7 bohr, but one is at 7\.1 bohr"):
        untrained("moments", None, repulsion=7.1)
