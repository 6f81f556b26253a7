"""Symmetry functions against an independent program; see make_symmetry_function_reference.py."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from surroundings import free_atoms

from nadyn.models.encoders.symmetry_functions import (
    SymmetryFunctions,
    SymmetryFunctionSettings,
    automatic_symmetry_functions,
)

REFERENCE = json.loads(
    (Path(__file__).parent / "fixtures" / "symmetry_functions_dscribe.json").read_text(encoding="utf-8")
)


def _encoder(elements):
    eta, shift = zip(*REFERENCE["radial_eta_and_shift"], strict=True)
    settings = SymmetryFunctionSettings(
        elements,
        REFERENCE["cutoff_bohr"],
        eta,
        shift,
        tuple(REFERENCE["angular_eta"]),
        tuple(REFERENCE["angular_zeta"]),
        REFERENCE["cutoff_function"],
    )
    return SymmetryFunctions(settings).double()


@pytest.mark.parametrize("name", REFERENCE["molecules"])
def test_radial_and_angular_functions_agree_with_dscribe(name):
    molecule = REFERENCE["molecules"][name]
    numbers = molecule["atomic_numbers"]
    elements = tuple(sorted(set(numbers)))
    positions = torch.tensor(molecule["positions_bohr"], dtype=torch.float64)
    surroundings, order = free_atoms(numbers, positions[None], REFERENCE["cutoff_bohr"])
    invariants = _encoder(elements)(surroundings).invariants[:, 0]

    radial = [torch.tensor(molecule["radial"][str(element)], dtype=torch.float64) for element in elements]
    angular = [
        torch.tensor(molecule["angular"][f"{first}-{second}"], dtype=torch.float64).flatten(1)
        for a, first in enumerate(elements)
        for second in elements[a:]
    ]
    expected = torch.cat(radial + angular, dim=1)[order]
    assert expected.shape == invariants.shape
    # A comparison of zeros would prove nothing.
    assert float(torch.cat(angular, dim=1).amax()) > 0.05
    torch.testing.assert_close(invariants, expected, rtol=1e-9, atol=1e-11)


def test_an_element_that_the_molecule_lacks_gives_zeros_in_its_own_columns():
    molecule = REFERENCE["molecules"]["ammonia"]
    positions = torch.tensor(molecule["positions_bohr"], dtype=torch.float64)
    surroundings, _ = free_atoms(molecule["atomic_numbers"], positions[None], REFERENCE["cutoff_bohr"])
    small, large = _encoder((1, 7))(surroundings), _encoder((1, 6, 7))(surroundings)
    n_radial = len(REFERENCE["radial_eta_and_shift"])
    kept = large.invariants[..., [*range(n_radial), *range(2 * n_radial, 3 * n_radial)]]
    torch.testing.assert_close(kept, small.invariants[..., : 2 * n_radial])
    assert float(large.invariants[..., n_radial : 2 * n_radial].abs().max()) == 0.0
    n_angular = large.invariants.shape[-1] - 3 * n_radial
    block = n_angular // 6
    # Pairs of (1, 6, 7): 1-1, 1-6, 1-7, 6-6, 6-7, 7-7.
    blocks = large.invariants[..., 3 * n_radial :].unflatten(-1, (6, block))
    assert float(blocks[..., [1, 3, 4], :].abs().max()) == 0.0
    torch.testing.assert_close(blocks[..., [0, 2, 5], :].flatten(-2), small.invariants[..., 2 * n_radial :])


def test_vectors_and_tensors_are_the_sums_of_directions_with_the_weights_of_g2():
    molecule = REFERENCE["molecules"]["formaldehyde"]
    numbers = molecule["atomic_numbers"]
    positions = torch.tensor(molecule["positions_bohr"], dtype=torch.float64)
    cutoff = REFERENCE["cutoff_bohr"]
    surroundings, order = free_atoms(numbers, positions[None], cutoff)
    features = _encoder((1, 6, 8))(surroundings)
    n_radial = len(REFERENCE["radial_eta_and_shift"])
    for row, i in enumerate(order.tolist()):
        for a, element in enumerate((1, 6, 8)):
            for k, (eta, shift) in enumerate(REFERENCE["radial_eta_and_shift"]):
                total = torch.zeros(3, dtype=torch.float64)
                for j in range(len(numbers)):
                    if j == i or numbers[j] != element:
                        continue
                    r = positions[j] - positions[i]
                    length = r.norm()
                    if length < cutoff:
                        weight = torch.exp(-eta * (length - shift) ** 2)
                        weight = weight * 0.5 * (1 + torch.cos(torch.pi * length / cutoff))
                        total += weight * r / length
                torch.testing.assert_close(features.vectors[row, 0, a * n_radial + k], total)


def test_automatic_parameters_cover_the_range_from_the_shortest_distance_to_the_cutoff():
    settings = automatic_symmetry_functions((1, 8), 10.0, 1.6, n_radial=7)
    shifts = settings.radial_shift
    assert shifts[0] == 1.6
    assert shifts[-1] < 10.0
    spacing = [after - before for before, after in pairwise(shifts)]
    assert max(spacing) - min(spacing) < 1e-12
    # Neighbouring Gaussians cross where each has fallen to exp(-1/8): no hole between them.
    assert settings.radial_eta[0] * (0.5 * spacing[0]) ** 2 == pytest.approx(0.125)
