"""What acts beyond the cutoff, in a whole model: charges, far fragments, layouts, derivatives, files."""

import numpy as np
import pytest
import torch
from contracts.untrained import CUTOFF, untrained

from nadyn.checks.errors import InputError
from nadyn.electronic.stress import strained_surface
from nadyn.electronic.surfaces import active_surface
from nadyn.models import potential as potential_module
from nadyn.models.joined_structures import joined
from nadyn.models.model_file import load_model, save_model
from nadyn.models.placement import Placement
from nadyn.models.structure_checks import check_charge
from nadyn.models.terms.electrostatics import energy_of_placement

# Of H, C, N and F: NH₄⁺ is +1, HF and N H₃ neutral, F⁻ is -1.
FORMAL = (1.0, -4.0, -3.0, -1.0)
NUMBERS = (7, 1, 1, 9)


def _model(encoder="moments", basis=None, **more):
    more = {"formal_charges": FORMAL, "functional": "pbe", "atomic_numbers": NUMBERS} | more
    return untrained(encoder, basis, **more).double()


def _positions(n_atoms=4, n_traj=2, seed=7):
    generator = np.random.default_rng(seed)
    lattice = np.stack(np.unravel_index(np.arange(n_atoms), (3, 3, 3)), axis=1) * 2.1
    return torch.from_numpy(lattice + generator.normal(scale=0.15, size=(n_traj, n_atoms, 3)))


@pytest.mark.parametrize("encoder", ["moments", "equivariant", "acsf"])
def test_charges_keep_the_charge_of_every_fragment_and_do_not_know_of_others(encoder):
    first, second = (7, 1, 1, 1, 1), (9, 1, 1)
    one, two = _positions(5), _positions(3, seed=8)
    apart = one.new_tensor([3 * CUTOFF, 0.0, 0.0])
    both = _model(encoder, atomic_numbers=first + second).evaluate(torch.cat([one, two + apart], dim=1))
    alone = [
        _model(encoder, atomic_numbers=numbers).evaluate(positions)
        for numbers, positions in ((first, one), (second, two))
    ]
    torch.testing.assert_close(both.charges[:, :5], alone[0].charges, rtol=0, atol=1e-13)
    torch.testing.assert_close(both.charges[:, 5:], alone[1].charges, rtol=0, atol=1e-13)
    totals = both.charges[:, :5].sum(dim=1), both.charges[:, 5:].sum(dim=1)
    torch.testing.assert_close(
        torch.stack(totals), torch.tensor([[1.0] * 2] * 2).double(), rtol=0, atol=1e-13
    )
    # They are more than the formal charges, and differ between atoms of one element.
    assert float((alone[0].charges[:, 1] - alone[0].charges[:, 2]).abs().min()) > 1e-3


def test_far_fragments_have_their_energies_and_those_of_their_charges_and_dispersion():
    first, second = (7, 1, 1, 1, 1), (9, 1, 1)
    one, two = _positions(5), _positions(3, seed=8)
    positions = torch.cat([one, two + one.new_tensor([30.0, 40.0, 80.0])], dim=1)
    model = _model(atomic_numbers=first + second)
    both = model.evaluate(positions)
    alone = [_model(atomic_numbers=numbers).evaluate(part) for numbers, part in ((first, one), (second, two))]
    rest = both.hamiltonian[:, 0, 0] - sum(found.hamiltonian[:, 0, 0] for found in alone)
    distances = (positions[:, :5, None] - positions[:, None, 5:]).norm(dim=-1)
    of_charges = (both.charges[:, :5, None] * both.charges[:, None, 5:] / distances).sum(dim=(1, 2))
    torch.testing.assert_close(rest, of_charges, rtol=0, atol=1e-8)
    # What is left is dispersion alone.
    term = model.potential.dispersion
    places = [Placement(positions, first + second), Placement(one, first), Placement(two, second)]
    whole, left, right = (term.of_placement(place) for place in places)
    torch.testing.assert_close(rest - of_charges, whole - left - right, rtol=0, atol=1e-12)
    assert float((whole - left - right).abs().max()) > 1e-12


def test_charges_and_energy_are_smooth_where_fragments_meet_the_cutoff():
    atoms = _positions(4, n_traj=1)
    distances = CUTOFF + torch.linspace(-1e-3, 1e-3, 5, dtype=torch.float64)
    apart = torch.zeros(5, 4, 3, dtype=torch.float64)
    apart[:, 3, 0] = distances
    positions = (atoms * torch.tensor([1.0, 1.0, 1.0, 0.0])[:, None] + apart).requires_grad_()
    found = _model().evaluate(positions)
    (gradient,) = torch.autograd.grad(found.hamiltonian.sum(), positions)
    charges = found.charges.detach()
    assert float((charges[1:] - charges[:-1]).abs().max()) < 1e-7
    assert float((gradient[1:] - gradient[:-1]).abs().max()) < 1e-3


@pytest.mark.parametrize(("encoder", "basis"), [("moments", None), ("equivariant", "1x0e + 1x1o")])
def test_forces_follow_the_energy_through_the_charges(encoder, basis):
    model, positions = _model(encoder, basis), _positions()
    state = torch.zeros(2, dtype=torch.long)
    surface = active_surface(model, positions, state)
    step = torch.zeros_like(positions)
    step[:, 2, 1] = 1e-4
    ends = [active_surface(model, positions + sign * step, state).energies[:, 0] for sign in (1, -1)]
    torch.testing.assert_close(surface.force[:, 2, 1], (ends[1] - ends[0]) / 2e-4, rtol=1e-5, atol=1e-8)


def test_energies_of_several_states_are_shifted_alike():
    positions = _positions()
    state = torch.zeros(2, dtype=torch.long)
    with_terms = active_surface(_model("moments", "2x0e"), positions, state)
    model = _model("moments", "2x0e")
    charges = model.evaluate(positions).charges
    placement = Placement(positions, NUMBERS)
    width = model.potential.settings.electrostatics.width
    shift = energy_of_placement(charges, placement, width)
    order = model.order
    ordered = Placement(positions[:, order], model.sorted_numbers)
    shift = shift + model.potential.dispersion.of_placement(ordered)
    model.potential.charges = model.potential.dispersion = None
    without = active_surface(model, positions, state)
    difference = with_terms.energies - without.energies
    torch.testing.assert_close(difference, shift[:, None].expand(-1, 2), rtol=0, atol=1e-11)


def test_crystals_have_stress_by_the_strain_of_everything():
    numbers, positions = (7, 1, 1, 1, 9, 1), _positions(6, n_traj=1)
    cell = torch.tensor([[8.0, 0.5, 0.0], [0.0, 9.0, 0.3], [0.2, 0.0, 10.0]]).double()
    model = _model(atomic_numbers=numbers).for_atoms(numbers, cell=cell, pbc=(True,) * 3)
    state = torch.zeros(1, dtype=torch.long)
    found = strained_surface(model, positions, state)
    strain = torch.zeros(3, 3, dtype=torch.float64)
    strain[0, 1] = strain[1, 0] = 1e-4
    ends = []
    for sign in (1, -1):
        deformed = torch.eye(3, dtype=torch.float64) + sign * strain
        bent = model.for_atoms(numbers, cell=cell @ deformed, pbc=(True,) * 3)
        ends.append(active_surface(bent, positions @ deformed, state).energies[0, 0])
    slope = (ends[0] - ends[1]) / 4e-4 / torch.linalg.det(cell)
    assert float(found.stress[0, 0, 1]) == pytest.approx(float(slope), rel=1e-3, abs=1e-9)
    step = torch.zeros_like(positions)
    step[0, 3, 2] = 1e-3
    ends = [active_surface(model, positions + sign * step, state).energies[0, 0] for sign in (1, -1)]
    assert float(found.force[0, 3, 2]) == pytest.approx(float(ends[1] - ends[0]) / 2e-3, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("encoder", ["moments", "equivariant"])
def test_joined_structures_have_what_each_has_alone(encoder):
    cell = 9.0 * torch.eye(3, dtype=torch.float64)
    free = _model(encoder), _positions()
    water = _model(encoder, atomic_numbers=(9, 1, 6)), _positions(3, n_traj=1, seed=3)
    crystal = _model(encoder, atomic_numbers=(7, 1, 1, 1, 9, 1)), _positions(6, n_traj=1)
    crystal = crystal[0].for_atoms((7, 1, 1, 1, 9, 1), cell=cell, pbc=(True,) * 3), crystal[1]
    parts = [model.surroundings(positions) for model, positions in (free, water, crystal)]
    together = free[0].potential.evaluate(joined(parts, CUTOFF))
    row = 0
    for number, (model, positions) in enumerate((free, water, crystal)):
        alone = model.evaluate(positions)
        own = together.hamiltonian[row : row + len(positions)]
        torch.testing.assert_close(own, alone.hamiltonian, rtol=0, atol=1e-10)
        charges = together.charges[number][:, torch.argsort(model.order)]
        torch.testing.assert_close(charges, alone.charges, rtol=0, atol=1e-12)
        row += len(positions)


def test_many_atoms_in_parts_give_what_they_give_at_once(monkeypatch):
    numbers, positions = (7, 1, 1, 1, 9, 1), _positions(6)
    whole = _model(atomic_numbers=numbers).evaluate(positions)
    monkeypatch.setattr(potential_module, "_PAIRS_AT_ONCE", 20)
    parts = _model(atomic_numbers=numbers).evaluate(positions.clone().requires_grad_())
    torch.testing.assert_close(parts.hamiltonian, whole.hamiltonian, rtol=0, atol=1e-11)
    torch.testing.assert_close(parts.charges, whole.charges, rtol=0, atol=1e-12)


def test_a_file_keeps_it_and_without_it_says_nothing_of_it(tmp_path):
    model = untrained("moments", None, formal_charges=FORMAL, functional="pbe", atomic_numbers=NUMBERS)
    positions = _positions()
    save_model(model, tmp_path / "far.safetensors")
    again = load_model(tmp_path / "far.safetensors").evaluate(positions)
    before = model.evaluate(positions)
    assert torch.equal(again.hamiltonian, before.hamiltonian) and torch.equal(again.charges, before.charges)
    save_model(untrained("moments", None), tmp_path / "near.safetensors")
    content = (tmp_path / "near.safetensors").read_bytes()
    assert b"electrostatics" not in content and b"dispersion" not in content
    assert untrained("moments", None).evaluate(positions).charges is None


def test_charged_crystals_and_other_total_charges_are_refused():
    model = _model()
    cell = 9.0 * torch.eye(3, dtype=torch.float64)
    with pytest.raises(InputError, match=r"must be neutral .* add up to \+1 e"):
        model.for_atoms((7, 1, 1, 1, 1), cell=cell, pbc=(True,) * 3)
    with pytest.raises(InputError, match="the same in all three directions"):
        model.for_atoms((7, 1, 1, 1), cell=cell, pbc=(True, True, False))
    thin = torch.diag(torch.tensor([9.0, 9.0, 1.9], dtype=torch.float64))
    with pytest.raises(InputError, match=r"1\.06 angstrom thick for sums over its images, but is 1 angstrom"):
        model.for_atoms((7, 1, 1, 1), cell=thin, pbc=(True,) * 3)
    untrained("moments", None).for_atoms((7, 1), cell=thin, pbc=(True,) * 3)
    with pytest.raises(InputError, match=r"0\.50 angstrom thick for images"):
        untrained("moments", None).for_atoms((7, 1), cell=0.1 * thin, pbc=(True, False, True))
    check_charge(model.potential, (7, 1, 1, 1, 1), 1.0)
    with pytest.raises(InputError, match=r"the total charge must be .* \+1 e for .* but is \+0 e"):
        check_charge(model.potential, (7, 1, 1, 1, 1), 0.0)


@pytest.mark.slow
def test_a_step_of_half_the_length_conserves_the_energy_four_times_better():
    model = _model()
    masses = model.masses[:, None]
    fluctuations = []
    for dt, n_steps in ((8.0, 30), (4.0, 60)):
        positions, state = _positions(n_traj=1), torch.zeros(1, dtype=torch.long)
        momenta = torch.zeros_like(positions)
        surface, energies = active_surface(model, positions, state), []
        for _ in range(n_steps):
            momenta = momenta + 0.5 * dt * surface.force
            positions = positions + dt * momenta / masses
            surface = active_surface(model, positions, state)
            momenta = momenta + 0.5 * dt * surface.force
            kinetic = 0.5 * (momenta**2 / masses).sum()
            energies.append(float(surface.energies[0, 0] + kinetic))
        fluctuations.append(np.ptp(energies))
    assert 3.0 < fluctuations[0] / fluctuations[1] < 5.0
