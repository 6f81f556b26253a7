"""The Shin-Metiu model against finite differences on a finer grid."""

import numpy as np
import pytest
import torch
from scipy.linalg import eigh_tridiagonal
from scipy.special import erf

from nadyn.electronic.surfaces import energies_and_eigenvectors
from nadyn.models.analytic import shin_metiu


def _finite_differences(proton, spacing):
    r = np.arange(-25.0, 25.0, spacing) + 0.37 * spacing
    potential = 1 / abs(9.5 - proton) + 1 / abs(9.5 + proton)
    for place, reach in ((proton, 5.0), (9.5, 3.1), (-9.5, 4.0)):
        potential = potential - erf(abs(r - place) / reach) / abs(r - place)
    off = np.full(len(r) - 1, -0.5 / spacing**2)
    return eigh_tridiagonal(potential + 1 / spacing**2, off, select="i", select_range=(0, 2))[0]


@pytest.mark.parametrize("proton", [-4.0, -1.9, 0.0, 3.2])
def test_the_energies_are_those_of_finite_differences(proton):
    # The error of finite differences falls with the square of the spacing.
    coarse, fine = _finite_differences(proton, 0.1), _finite_differences(proton, 0.05)
    expected = (4 * fine - coarse) / 3
    energies, _ = energies_and_eigenvectors(shin_metiu(), torch.full((1, 1, 1), proton, dtype=torch.float64))
    np.testing.assert_allclose(energies[0].numpy(), expected, atol=5e-6)


def test_the_avoided_crossing_is_where_the_literature_has_it():
    """R = -1.90 bohr, as in A. Abedi, F. Agostini, Y. Suzuki and E. K. U. Gross, PRL 110, 263001 (2013)."""
    protons = torch.arange(-4.0, 1.0, 0.02, dtype=torch.float64)
    energies, _ = energies_and_eigenvectors(shin_metiu(), protons[:, None, None])
    gap = energies[:, 1] - energies[:, 0]
    assert float(protons[gap.argmin()]) == pytest.approx(-1.90, abs=0.03)


def test_the_attraction_is_smooth_where_the_proton_passes_a_point_of_the_electron():
    model = shin_metiu()
    at = float(model.points[20])
    positions = at + torch.tensor([-6e-3, -5e-3, -1e-6, 0.0, 1e-6, 5e-3, 6e-3], dtype=torch.float64)
    positions.requires_grad_(True)
    element = model.evaluate(positions[:, None, None]).hamiltonian[:, 20, 20]
    (slope,) = torch.autograd.grad(element.sum(), positions)
    # Repulsion of the ions, and erf(d/R)/d = (2/√π)(1/R - d²/(3R³)) with R = 5 at so short a distance d.
    proton = positions.detach()
    expected = 1 / (9.5 - proton) ** 2 - 1 / (9.5 + proton) ** 2
    expected = expected + 4 / (3 * torch.pi**0.5 * 5.0**3) * (proton - at)
    torch.testing.assert_close(slope, expected, rtol=1e-7, atol=0.0)
