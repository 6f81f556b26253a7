"""Change of momentum at a hop: conservation laws with unequal masses."""

import pytest
import torch

from nadyn.dynamics.hops.momentum import after_frustrated_hop, kick, reverse_component
from nadyn.dynamics.nuclei.rigid_motion import without_rigid_motion
from nadyn.dynamics.state.energies import kinetic_energy

MASSES = torch.tensor([12.0, 16.0, 14.0, 1.0, 2.0], dtype=torch.float64) * 1800.0


def batch(n_traj=1000, seed=8):
    generator = torch.Generator().manual_seed(seed)
    positions, momenta, direction = (
        scale * torch.randn(n_traj, 5, 3, dtype=torch.float64, generator=generator)
        for scale in (2.0, 20.0, 0.1)
    )
    change = 0.01 * torch.randn(n_traj, dtype=torch.float64, generator=generator)
    return positions, momenta, direction, change


def angular_momentum(positions, momenta):
    return torch.linalg.cross(positions, momenta).sum(1)


def test_the_kinetic_energy_pays_exactly_what_the_hop_costs():
    _, momenta, direction, change = batch()
    result = kick(momenta, MASSES, direction=direction, energy_change=change)
    paid = kinetic_energy(momenta, MASSES) - kinetic_energy(result.momenta, MASSES)
    assert 100 < result.accepted.sum() < 1000
    torch.testing.assert_close(paid[result.accepted], change[result.accepted], rtol=0, atol=1e-12)
    assert torch.equal(result.momenta[~result.accepted], momenta[~result.accepted])


def test_a_hop_is_refused_exactly_where_the_motion_along_the_direction_cannot_pay():
    _, momenta, direction, change = batch()
    a = (direction**2 / MASSES[:, None]).sum((1, 2)) / 2
    b = (momenta * direction / MASSES[:, None]).sum((1, 2))
    accepted = kick(momenta, MASSES, direction=direction, energy_change=change).accepted
    assert torch.equal(accepted, b**2 / (4 * a) >= change)


def test_the_root_of_smaller_magnitude_is_taken():
    _, momenta, direction, change = batch()
    result = kick(momenta, MASSES, direction=direction, energy_change=change)
    moved = (result.momenta - momenta)[result.accepted].flatten(1).norm(dim=1)
    other = (reverse_component(result.momenta, MASSES, direction=direction) - momenta)[result.accepted]
    assert (moved <= other.flatten(1).norm(dim=1)).all()


@pytest.mark.parametrize("length", [1e-300, 1e-12, 1e12])
def test_the_length_of_the_direction_does_not_matter(length):
    _, momenta, direction, change = batch(50)
    reference = kick(momenta, MASSES, direction=direction, energy_change=change)
    scaled = kick(momenta, MASSES, direction=direction * length, energy_change=change)
    torch.testing.assert_close(scaled.momenta, reference.momenta, rtol=1e-12, atol=1e-12)
    assert torch.equal(scaled.accepted, reference.accepted)


def test_without_any_direction_the_momenta_are_scaled():
    _, momenta, direction, change = batch(50)
    result = kick(momenta, MASSES, direction=torch.zeros_like(direction), energy_change=change)
    scale = result.momenta / momenta
    torch.testing.assert_close(scale, scale[:, :1, :1].expand_as(scale))
    paid = kinetic_energy(momenta, MASSES) - kinetic_energy(result.momenta, MASSES)
    torch.testing.assert_close(paid[result.accepted], change[result.accepted], rtol=0, atol=1e-12)


def test_a_molecule_at_rest_can_hop_down_along_a_direction_but_not_up():
    _, momenta, direction, _ = batch(2)
    change = torch.tensor([-0.01, 0.01], dtype=torch.float64)
    result = kick(torch.zeros_like(momenta), MASSES, direction=direction, energy_change=change)
    assert result.accepted.tolist() == [True, False]
    assert kinetic_energy(result.momenta, MASSES).tolist() == pytest.approx([0.01, 0.0], abs=1e-14)
    nowhere = kick(
        torch.zeros_like(momenta), MASSES, direction=torch.zeros_like(direction), energy_change=change
    )
    assert not nowhere.accepted.any() and torch.equal(nowhere.momenta, torch.zeros_like(momenta))


def test_momentum_and_angular_momentum_are_kept_at_a_thousand_hops():
    positions, momenta, direction, change = batch(1000)
    free = without_rigid_motion(direction, positions, MASSES)
    after = kick(momenta, MASSES, direction=free, energy_change=change).momenta
    scale = momenta.abs().sum() / 1000
    assert (after.sum(1) - momenta.sum(1)).abs().max() < 1e-12 * scale
    difference = angular_momentum(positions, after) - angular_momentum(positions, momenta)
    assert difference.abs().max() < 1e-11 * scale


def test_a_direction_without_rigid_motion_stays_as_it_is():
    positions, _, direction, _ = batch(7)
    once = without_rigid_motion(direction, positions, MASSES)
    twice = without_rigid_motion(once, positions, MASSES)
    torch.testing.assert_close(twice, once, rtol=0, atol=1e-15)


def test_a_rigid_motion_leaves_nothing_of_itself():
    positions, _, _, _ = batch(7)
    turn = torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64).expand_as(positions)
    rigid = MASSES[:, None] * (torch.linalg.cross(turn, positions) + 0.7)
    assert torch.equal(without_rigid_motion(rigid, positions, MASSES), torch.zeros_like(rigid))


def test_a_linear_molecule_keeps_its_angular_momentum_too():
    axis = torch.tensor([0.6, 0.0, 0.8], dtype=torch.float64)
    places = torch.tensor([-3.0, -1.0, 0.5, 2.0, 4.5], dtype=torch.float64)
    positions = (places[:, None] * axis)[None]
    direction = batch(1)[2]
    free = without_rigid_motion(direction, positions, MASSES)
    assert free.sum(1).abs().max() < 1e-14
    assert angular_momentum(positions, free).abs().max() < 1e-14
    assert (free.flatten() @ direction.flatten()) > 0.1 * direction.norm() ** 2


@pytest.mark.parametrize("treatment", ["keep", "reverse", "jasper_truhlar"])
def test_a_frustrated_hop_keeps_the_kinetic_energy(treatment):
    _, momenta, direction, _ = batch()
    force = batch(seed=9)[2]
    after = after_frustrated_hop(
        momenta, MASSES, direction=direction, target_force=force, treatment=treatment
    )
    before = kinetic_energy(momenta, MASSES)
    torch.testing.assert_close(kinetic_energy(after, MASSES), before, rtol=1e-13, atol=0)
    along = (momenta * direction / MASSES[:, None]).sum((1, 2))
    along_after = (after * direction / MASSES[:, None]).sum((1, 2))
    opposed = along * (force * direction).sum((1, 2)) < 0
    turned = {
        "keep": torch.zeros_like(opposed),
        "reverse": torch.ones_like(opposed),
        "jasper_truhlar": opposed,
    }
    expected = torch.where(turned[treatment], -along, along)
    torch.testing.assert_close(along_after, expected, rtol=1e-9, atol=1e-12)
