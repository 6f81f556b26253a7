"""Where energies are counted from."""

import math

import numpy as np
import pytest
import torch
from surroundings import free_atoms

from nadyn.models.terms.reference_energies import ReferenceEnergies, absurd_energies

METHANOL, _ = free_atoms((1, 1, 1, 1, 6, 8), torch.randn(2, 6, 3, dtype=torch.float64), 7.0)


def _set(compositions, energies, rows, elements=(1, 6, 8)):
    reference = ReferenceEnergies(elements, len(rows))
    reference.set_from_data(
        torch.tensor(compositions), torch.tensor(energies, dtype=torch.float64), tuple(rows)
    )
    return reference


def test_element_energies_are_the_least_squares_solution_over_compositions():
    # Water and methanol, several frames each: two compositions of two elements, solvable by hand.
    compositions = [[2, 1]] * 3 + [[4, 1]] * 2
    energies = [[-76.1], [-76.2], [-76.3], [-77.4], [-77.2]]
    reference = _set(compositions, energies, [0], elements=(1, 8))
    water, methane = -76.2, -77.3
    hydrogen = (methane - water) / 2
    expected = torch.tensor([hydrogen, water - 2 * hydrogen], dtype=torch.float64)
    torch.testing.assert_close(reference.per_element, expected, rtol=0, atol=1e-10)
    spread = np.std([0.1, 0.0, -0.1, -0.1, 0.1], ddof=1)
    assert float(reference.scale) == pytest.approx(spread, rel=1e-9)
    assert float(reference.offsets[0]) == pytest.approx(0.0, abs=1e-10)


def test_one_composition_gives_the_shortest_solution_and_the_mean_energy_of_each_state():
    energies = [[-115.3, -115.0], [-115.2, -114.8], [-115.4, -115.1]]
    reference = _set([[4, 1, 1]] * 3, energies, [0, 1])
    mean = np.mean(energies)
    # The shortest vector with 4h + c + o = mean points along (4, 1, 1).
    expected = torch.tensor([4.0, 1.0, 1.0], dtype=torch.float64) * mean / 18
    torch.testing.assert_close(reference.per_element, expected)
    torch.testing.assert_close(
        reference(METHANOL)[0], torch.tensor(np.mean(energies, axis=0)), rtol=0, atol=1e-9
    )


def test_surplus_rows_start_two_spreads_above_the_highest_state():
    energies = [[-115.3, -115.0], [-115.2, -114.8], [-115.4, -115.1]]
    reference = _set([[4, 1, 1]] * 3, energies, [0, 1, None, None])
    values = reference(METHANOL)[0]
    highest = np.mean(energies, axis=0)[1]
    expected = highest + 2.0 * float(reference.scale)
    torch.testing.assert_close(values[2:], torch.full((2,), expected, dtype=torch.float64), rtol=0, atol=1e-9)


def test_frames_with_a_missing_energy_do_not_count():
    energies = [[-115.3, -115.0], [-115.2, -114.8], [-115.4, -115.1]]
    whole = _set([[4, 1, 1]] * 3, energies, [0, 1])
    holes = _set([[4, 1, 1]] * 4, [*energies, [-115.0, math.nan]], [0, 1])
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(holes.state_dict()[name], value)


@pytest.mark.parametrize("energies", [[[-115.3]], [[-115.3], [-115.3], [-115.3]]])
def test_data_without_any_spread_give_a_finite_scale(energies):
    reference = _set([[4, 1, 1]] * len(energies), energies, [0])
    assert float(reference.scale) == pytest.approx(1e-3)


def test_one_absurd_energy_changes_neither_scale_nor_element_energies():
    rng = np.random.default_rng(3)
    compositions = [[2, 1]] * 60 + [[4, 1]] * 40
    energies = np.array([[-76.2]] * 60 + [[-77.3]] * 40) + 0.02 * rng.standard_normal((100, 1))
    sound = _set(compositions, energies, [0, None], elements=(1, 8))
    wrong = energies.copy()
    wrong[70] += 2000.0
    left_out = _set(compositions, wrong, [0, None], elements=(1, 8))
    without = _set(
        compositions[:70] + compositions[71:], np.delete(energies, 70, axis=0), [0, None], elements=(1, 8)
    )
    for name in ("per_element", "offsets", "scale"):
        assert torch.equal(getattr(left_out, name), getattr(without, name)), name
    assert float(left_out.scale) == pytest.approx(float(sound.scale), rel=0.05)


@pytest.mark.parametrize(("spreads", "found"), [(15.0, False), (27.0, True)])
def test_an_energy_is_absurd_from_twenty_robust_spreads_on(spreads, found):
    energies = torch.from_numpy(np.random.default_rng(3).standard_normal(300))
    # The robust spread of normal numbers is their standard deviation.
    energies[70] = spreads
    absurd = absurd_energies(torch.ones(300, 1, dtype=torch.float64), energies)
    assert absurd.nonzero().flatten().tolist() == [70] * found


def test_a_reaction_among_frames_of_one_minimum_is_not_left_out_of_the_scale():
    rng = np.random.default_rng(4)
    energies = -76.0 + 0.001 * rng.standard_normal((100, 1))
    energies[:20] += 0.1
    reference = _set([[2, 1]] * 100, energies, [0], elements=(1, 8))
    assert float(reference.scale) == pytest.approx(float(energies.std(ddof=1)), rel=1e-9)


def test_a_single_row_has_no_constant_that_would_not_add_up_over_fragments():
    # Nothing proportional to the number of atoms fits these: a molecule of one atom has an excess.
    reference = _set([[1, 0, 0], [2, 0, 0], [4, 0, 0]], [[-0.3], [-1.1], [-2.2]], (0,))
    assert float(reference.offsets[0]) == 0.0
    per_atom = float(reference.per_element[0])
    assert per_atom == pytest.approx(np.linalg.lstsq([[1], [2], [4]], [-0.3, -1.1, -2.2], rcond=None)[0][0])
    with_two = _set([[1, 0, 0], [2, 0, 0], [4, 0, 0]], [[-0.3, 0], [-1.1, 0], [-2.2, 0]], (0, 1))
    assert float(with_two.offsets.abs().min()) > 0.1
