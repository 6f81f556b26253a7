"""Power spectra against an independent program, see make_soap_reference.py; elements that are mixed."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from surroundings import free_atoms

from nadyn.models.encoders import radial
from nadyn.models.encoders.soap import Soap, SoapSettings

REFERENCE = json.loads((Path(__file__).parent / "fixtures" / "soap_dscribe.json").read_text(encoding="utf-8"))
CUTOFF, N, RANK = (REFERENCE[key] for key in ("cutoff_bohr", "n_radial", "highest_rank"))


@pytest.fixture
def cutoff_of_dscribe(monkeypatch):
    """Let settings name the cutoff function of the other program."""

    def smooth(ratio):
        x = ratio.clamp(max=1.0)
        return (1.0 + x * x * (2.0 * x - 3.0)) ** 2

    monkeypatch.setitem(radial.CUTOFFS, "dscribe", smooth)


def _settings(elements, cutoff_function="polynomial", element_channels=None):
    smear = REFERENCE["smear_bohr"]
    return SoapSettings(elements, CUTOFF, 1.0, N, RANK, smear, cutoff_function, element_channels)


def _molecule(name):
    molecule = REFERENCE["molecules"][name]
    positions = torch.tensor(molecule["positions_bohr"], dtype=torch.float64)
    surroundings, order = free_atoms(molecule["atomic_numbers"], positions[None], CUTOFF)
    return surroundings, order, sorted(set(molecule["atomic_numbers"])), molecule["spectra"]


def _grams(invariants, n_channels):
    """Products of all channels (atom, rank, channel, channel) from those that are kept."""
    upper = torch.triu_indices(n_channels, n_channels)
    kept = invariants[:, 0].unflatten(-1, (RANK + 1, -1))
    full = torch.zeros(*kept.shape[:2], n_channels, n_channels, dtype=torch.float64)
    full[..., upper[0], upper[1]] = kept
    full[..., upper[1], upper[0]] = kept
    return full


@pytest.mark.parametrize("name", REFERENCE["molecules"])
@pytest.mark.usefixtures("cutoff_of_dscribe")
def test_power_spectra_agree_with_dscribe(name):
    surroundings, order, elements, spectra = _molecule(name)
    encoder = Soap(_settings(tuple(elements), "dscribe")).double()
    grams = _grams(encoder(surroundings).invariants, N * len(elements))
    for a, first in enumerate(elements):
        for b, second in enumerate(elements[a:], start=a):
            found = grams[:, :, a * N : a * N + N, b * N : b * N + N]
            if a == b:
                rows, columns = torch.triu_indices(N, N)
                found = found[..., rows, columns]
            expected = torch.tensor(spectra[f"{first}-{second}"], dtype=torch.float64)[order]
            assert float(expected.abs().amax()) > 0.05
            torch.testing.assert_close(found.flatten(2), expected, rtol=1e-8, atol=1e-9)


def test_coefficients_are_integrals_of_the_smeared_density():
    """For a rank that dscribe's spectra leave a sign and an orientation to, by quadrature in spheres."""
    surroundings, _, elements, _ = _molecule("ammonia")
    settings = _settings(tuple(elements))
    found = Soap(settings).double().coefficients(surroundings)[1][3, 0]
    # Row 3 is nitrogen, the channels of hydrogen come first.
    vectors = surroundings.vectors[3, 0, :3].numpy()
    r, radial_weight = np.polynomial.legendre.leggauss(80)
    r, radial_weight = 6.0 * (r + 1.0), 6.0 * radial_weight
    z, z_weight = np.polynomial.legendre.leggauss(40)
    phi = np.arange(80) * (2 * math.pi / 80)
    across = np.sqrt(1 - z**2)
    unit = np.stack(
        [np.outer(across, np.cos(phi)), np.outer(across, np.sin(phi)), np.outer(z, np.ones(80))], axis=-1
    )
    points = r[:, None, None, None] * unit
    lengths = np.linalg.norm(vectors, axis=-1)
    x = lengths / CUTOFF
    weights = 1 - 10 * x**3 + 15 * x**4 - 6 * x**5
    density = sum(
        weight * np.exp(-((points - vector) ** 2).sum(-1) / (2 * settings.smear**2))
        for weight, vector in zip(weights, vectors, strict=True)
    )
    sphere = np.einsum("rzp,zpx,z->rx", density, unit, z_weight * 2 * math.pi / 80) * (0.75 / math.pi) ** 0.5
    radii = np.linspace(1.0, CUTOFF, N)
    alpha = (np.log(radii) - np.log(1e-3)) / radii**2
    plain = r[:, None] * np.exp(-alpha * r[:, None] ** 2)
    overlap = np.einsum("rk,rl,r->kl", plain, plain, r**2 * radial_weight)
    values, eigenvectors = np.linalg.eigh(overlap)
    orthonormal = plain @ (eigenvectors / np.sqrt(values)) @ eigenvectors.T
    expected = np.einsum("rn,rx,r->xn", orthonormal, sphere, r**2 * radial_weight)
    np.testing.assert_allclose(found[:, :N].numpy(), expected, rtol=0, atol=1e-9)
    assert abs(expected).max() > 0.1


def test_an_element_that_the_molecule_lacks_has_channels_of_zeros():
    surroundings, _, _, _ = _molecule("ammonia")
    small, large = Soap(_settings((1, 7))).double(), Soap(_settings((1, 6, 7))).double()
    few, many = _grams(small(surroundings).invariants, 2 * N), _grams(large(surroundings).invariants, 3 * N)
    kept = [*range(N), *range(2 * N, 3 * N)]
    torch.testing.assert_close(many[:, :, kept][..., kept], few)
    assert float(many[:, :, N : 2 * N].abs().max()) == 0.0


def test_mixed_elements_are_the_channels_times_their_vectors():
    surroundings, _, elements, _ = _molecule("formaldehyde")
    plain, mixed = Soap(_settings(tuple(elements))).double(), Soap(_settings((1, 6, 8), element_channels=2))
    mixed = mixed.double()
    vectors = torch.tensor([[0.3, -1.2], [0.9, 0.4], [-0.7, 0.8]], dtype=torch.float64)
    with torch.no_grad():
        mixed.channels.embedding.copy_(vectors)
    for own, whole in zip(mixed.coefficients(surroundings), plain.coefficients(surroundings), strict=True):
        expected = torch.einsum("atmen,eq->atmqn", whole.unflatten(-1, (3, N)), vectors)
        torch.testing.assert_close(own.detach(), expected.flatten(-2))


def test_with_mixed_elements_nothing_grows_with_their_number_but_the_vectors():
    sizes = {}
    for n_elements in (3, 9):
        encoder = Soap(_settings(tuple(range(1, n_elements + 1)), element_channels=2))
        parameters = sum(parameter.numel() for parameter in encoder.parameters())
        sizes[n_elements] = (encoder.n_invariants, encoder.n_vectors, parameters - 2 * n_elements)
    assert sizes[3] == sizes[9]
