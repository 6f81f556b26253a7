"""D3(BJ) beside tad-dftd3, at long range, in cells, and the theories that have it already."""

import numpy as np
import pytest
import tad_dftd3
import torch
from ase.build import molecule

from nadyn.checks.errors import InputError
from nadyn.models.placement import Placement
from nadyn.models.terms import dispersion
from nadyn.models.terms.dispersion import Dispersion
from nadyn.models.terms.theories import has_d3bj, has_dispersion
from nadyn.units import BOHR_PER_ANGSTROM

ELEMENTS = (1, 6, 7, 8)


@pytest.fixture(scope="module")
def pbe():
    term = Dispersion(ELEMENTS)
    term.set_functional("PBE")
    return term


def _frames(n_traj=2, seed=1):
    atoms = molecule("CH3CONH2")
    atoms = atoms[np.argsort(atoms.numbers, kind="stable")]
    noise = np.random.default_rng(seed).normal(scale=0.2, size=(n_traj, len(atoms), 3))
    return tuple(atoms.numbers.tolist()), torch.from_numpy(atoms.positions * BOHR_PER_ANGSTROM + noise)


@pytest.mark.parametrize("functional", ["pbe", "B3LYP", "r2scan"])
def test_energies_are_those_of_tad_dftd3(functional):
    numbers, positions = _frames()
    term = Dispersion(ELEMENTS)
    term.set_functional(functional)
    found = term.of_placement(Placement(positions, numbers))
    parameters = tad_dftd3.param.get_functional_params(functional, damping="bj", dtype=torch.float64)
    parameters["s9"] = torch.tensor(0.0)
    several = torch.tensor([numbers] * len(positions))
    expected = tad_dftd3.dftd3(several, positions, parameters).sum(dim=-1)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-15)


def test_two_atoms_far_apart_attract_by_their_c6(pbe):
    distances = torch.tensor([40.0, 80.0], dtype=torch.float64)
    positions = torch.zeros(2, 2, 3, dtype=torch.float64)
    positions[:, 1, 0] = distances
    energy = pbe.of_placement(Placement(positions, (6, 6)))
    # C6 of two free carbon atoms in D3.
    assert float(-energy[1] * 80.0**6) == pytest.approx(49.11, rel=0.02)
    assert float(energy[0] / energy[1]) == pytest.approx(64.0, rel=0.03)


def test_forces_are_minus_the_slope(pbe):
    numbers, positions = _frames()
    positions.requires_grad_()
    (gradient,) = torch.autograd.grad(pbe.of_placement(Placement(positions, numbers)).sum(), positions)
    step = torch.zeros_like(positions)
    step[:, 3, 1] = 1e-4
    with torch.no_grad():
        ends = [pbe.of_placement(Placement(positions + sign * step, numbers)) for sign in (1, -1)]
    torch.testing.assert_close((ends[0] - ends[1]) / 2e-4, gradient[:, 3, 1], rtol=1e-6, atol=1e-10)


def test_a_molecule_alone_in_a_wide_cell_is_the_free_one(pbe, monkeypatch):
    numbers, positions = _frames(n_traj=1)
    free = pbe.of_placement(Placement(positions, numbers))
    monkeypatch.setattr(dispersion, "CUTOFF", 24.0)
    wide = 40.0 * torch.eye(3, dtype=torch.float64)[None]
    alone = pbe.of_placement(Placement(positions, numbers, wide, (True,) * 3))
    torch.testing.assert_close(alone, free, rtol=1e-12, atol=1e-15)


def test_in_a_cell_a_molecule_feels_its_images(pbe, monkeypatch):
    numbers, positions = (1, 1, 8), torch.tensor([[[1.8, 0, 0], [-0.5, 1.7, 0], [0, 0, 0]]]).double()
    monkeypatch.setattr(dispersion, "CUTOFF", 16.0)
    cell = 7.0 * torch.eye(3, dtype=torch.float64)[None]
    # The molecule first, then 342 copies without a cell.
    steps = torch.arange(-3, 4, dtype=torch.float64) * 7.0
    shifts = torch.cartesian_prod(steps, steps, steps)
    shifts = shifts[torch.argsort(shifts.norm(dim=1), stable=True)]
    cluster = (positions[0][None] + shifts[:, None]).reshape(-1, 3)
    parameters = tad_dftd3.param.get_functional_params("pbe", damping="bj", dtype=torch.float64)
    parameters["s9"] = torch.tensor(0.0)
    # Half of the smooth end is left out there: as much as these differ by.
    cutoff = tad_dftd3.cutoff.Cutoff(cn=15.2, disp2=15.2, dtype=torch.float64)
    atoms = tad_dftd3.dftd3(torch.tensor(numbers * len(shifts)), cluster, parameters, cutoff=cutoff)
    crystal = pbe.of_placement(Placement(positions, numbers, cell, (True,) * 3))
    assert float(crystal) == pytest.approx(float(atoms[: len(numbers)].sum()), rel=2e-3)
    assert float(crystal) < 2 * float(pbe.of_placement(Placement(positions, numbers)))
    monkeypatch.setattr(dispersion, "_PAIRS_AT_ONCE", 500)
    positions.requires_grad_()
    parts = pbe.of_placement(Placement(positions, numbers, cell, (True,) * 3))
    torch.testing.assert_close(parts, crystal, rtol=1e-13, atol=1e-15)
    assert torch.autograd.grad(parts.sum(), positions)[0].isfinite().all()


def test_frames_in_parts_are_the_same(pbe, monkeypatch):
    numbers, positions = _frames(n_traj=4)
    whole = pbe.of_placement(Placement(positions, numbers))
    monkeypatch.setattr(dispersion, "_PAIRS_AT_ONCE", 100)
    parts = pbe.of_placement(Placement(positions, numbers))
    torch.testing.assert_close(parts, whole, rtol=1e-13, atol=1e-16)


def test_functionals_and_elements_without_numbers_are_refused():
    with pytest.raises(InputError, match=r"parameters for, such as pbe.* but is 'pbf'"):
        Dispersion(ELEMENTS).set_functional("pbf")
    with pytest.raises(InputError, match="beyond lawrencium"):
        Dispersion((1, 110)).set_functional("pbe")


@pytest.mark.parametrize(
    "theory",
    [
        "PBE/def2-SVP",
        "B3LYP/6-31G(d,p)",
        "td4-b3lyp/def2-svp",
        "SA3-CASSCF(2,2)/6-31G*",
        "EMT",
        "DFTB3",
        "HF",
    ],
)
def test_theories_without_dispersion_are_known(theory):
    assert not has_dispersion(theory)


@pytest.mark.parametrize(
    ("theory", "d3bj"),
    [
        ("PBE-D3(BJ)/def2-SVP", True),
        ("B3LYP-D3", True),
        ("GFN1-xTB", True),
        ("PBE-D3(0)", False),
        ("PBE-D4", False),
        ("GFN2-xTB", False),
        ("wB97M-V/def2-TZVPD", False),
        ("wB97X-D", False),
        ("rVV10", False),
        ("PBE+MBD", False),
        ("CCSD(T)/cc-pVTZ", False),
        ("XMS-CASPT2(2,2)/cc-pVDZ", False),
    ],
)
def test_theories_with_dispersion_are_known(theory, d3bj):
    assert has_dispersion(theory) and has_d3bj(theory) == d3bj
