"""The spread of a committee: of surfaces, with one sign a state, blind to how near states are mixed."""

from dataclasses import dataclass, replace

import pytest
import torch
from contracts.committees import committee, nearly
from contracts.in_place_of import InPlaceOf
from contracts.untrained import untrained

from nadyn.checks.errors import InputError
from nadyn.electronic.committee import (
    MIXING_WIDTH,
    HasMembers,
    calibrated_spread,
    judge,
    mixed,
    mixing_weights,
    spread,
)
from nadyn.electronic.surfaces import active_surface, surfaces
from nadyn.models.committee import Committee
from nadyn.models.model import Evaluation

GEOMETRY = torch.tensor(
    [[0.1, 0.0, 0.7], [0.9, 1.5, 0.0], [-1.7, 0.2, 0.1], [0.8, -1.4, -0.1]], dtype=torch.float64
)


def positions(n, *, spread=0.15, seed=5):
    generator = torch.Generator().manual_seed(seed)
    return GEOMETRY + spread * torch.randn(n, 4, 3, generator=generator, dtype=torch.float64)


def judged(model, where, state=None, used=None, populations=None, known=True):
    state = torch.arange(len(where)) % model.n_states if state is None else state
    here = active_surface(model, where, state)
    used = torch.ones(len(where), model.n_states, dtype=torch.bool) if used is None else used
    return judge(
        model,
        where,
        energies=here.energies,
        force=here.force,
        is_known=torch.full((len(where),), known),
        active_state=state,
        used=used,
        populations=populations,
    )


def test_spreads_are_standard_deviations_of_surfaces_over_the_members():
    several = committee(4, calibration=None)
    where = positions(5)
    found = spread(several, where)
    members = [surfaces(member, where) for member in several.members]
    energies = torch.stack([one.energies for one in members])
    assert torch.allclose(found.energies, energies.std(0), rtol=1e-9, atol=1e-14)
    assert torch.allclose(
        found.gaps[:, 0], (energies[..., 1] - energies[..., 0]).std(0), rtol=1e-9, atol=1e-14
    )
    weights = mixing_weights(members[0].energies)
    forces = torch.stack([mixed(weights, one.forces) for one in members])
    assert torch.allclose(found.forces, forces.var(0).mean(-1).sqrt(), rtol=1e-7, atol=1e-13)
    norms = torch.stack([one.interstate_coupling[:, 0, 1].flatten(1).norm(dim=1) for one in members])
    assert torch.allclose(found.coupling_norms[:, 0], norms.std(0), rtol=1e-7, atol=1e-13)


def test_the_sign_of_the_states_of_a_member_does_not_matter():
    several = committee(3, calibration=None)

    signs = torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0], dtype=torch.float64)

    class Turned(InPlaceOf):
        """A model whose basis functions have other signs: its couplings change theirs."""

        def evaluate(self, positions):
            found = self.inner.evaluate(positions)
            return Evaluation(signs[:, None] * found.hamiltonian * signs, found.novelty)

    assert len(signs) == several.n_basis
    members = (several.members[0], Turned(several.members[1]), several.members[2])
    turned = replace_members(several, members)
    one, two = spread(several, positions(6)), spread(turned, positions(6))
    for name in ("energies", "gaps", "forces", "couplings", "coupling_norms"):
        assert torch.allclose(getattr(one, name), getattr(two, name), rtol=1e-5, atol=1e-12), name


def replace_members(several, members):
    @dataclass(frozen=True)
    class Any:
        members: tuple
        member: int
        calibration: object

    return Any(members, several.member, several.calibration)


def test_where_two_states_meet_the_mixed_force_does_not_know_how_they_are_mixed():
    energies = torch.tensor([[0.1, 0.1 + 1e-9, 0.5]], dtype=torch.float64)
    forces = torch.randn(1, 3, 4, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    mean = mixed(mixing_weights(energies), forces)
    assert torch.allclose(mean[:, 0], 0.5 * (forces[:, 0] + forces[:, 1]))
    assert torch.allclose(mean[:, 1], mean[:, 0])
    # Two states turned into each other keep the sum of their forces.
    assert torch.equal(mean[:, 2], forces[:, 2])


def test_far_from_other_states_the_mixed_force_is_that_of_the_state_alone():
    energies = torch.tensor([[0.0, 1.01 * MIXING_WIDTH]], dtype=torch.float64)
    assert torch.equal(mixing_weights(energies)[0], torch.eye(2, dtype=torch.float64))


def test_members_that_agree_but_for_the_place_of_a_seam_do_not_differ_in_force_at_it():
    # Two linear diabatic surfaces that cross, with a coupling; the seam of the other is 1e-4 hartree away.
    @dataclass(frozen=True)
    class Crossing:
        shift: float
        name = "crossing"
        coordinates = "cartesian"
        n_states = n_basis = 2
        block_width = 8
        laws = frozenset()
        atomic_numbers = shortest_distances = None
        fixed_diabatic_basis = True

        @property
        def masses(self):
            return torch.ones(1, dtype=torch.float64)

        def evaluate(self, positions):
            x, y = 0.1 * positions[:, 0, 0] + self.shift, 0.05 * positions[:, 0, 1]
            matrix = torch.stack([torch.stack([x, y], 1), torch.stack([y, -x], 1)], 1)
            return Evaluation(matrix, torch.zeros(len(positions), dtype=torch.float64))

    pair = replace_members(committee(2, calibration=None), (Crossing(0.0), Crossing(1e-4)))
    at_the_seam = torch.zeros(1, 1, 3, dtype=torch.float64)
    at_the_seam[0, 0, 1] = 1e-4
    plain = [surfaces(member, at_the_seam).forces for member in pair.members]
    assert float((plain[0] - plain[1]).abs().max()) > 0.05
    assert float(spread(pair, at_the_seam).forces.max()) < 1e-3


@pytest.mark.parametrize(("basis", "n_states"), [("2x0e + 1x1o", 2), ("4x0e", 3), (None, 1)])
def test_a_judgement_is_the_calibrated_spread_of_what_the_trajectory_uses(basis, n_states):
    several = committee(3, basis=basis, n_states=n_states)
    assert isinstance(several, HasMembers)
    where = positions(7)
    state = torch.arange(7) % n_states
    found, wide = judged(several, where, state), calibrated_spread(several, where)
    rows = torch.arange(7)
    raw = spread(several, where)
    scale = several.calibration.scale("force")
    worst = raw.worst_forces[rows, state]
    assert torch.allclose(found.force, scale.of(worst, worst), rtol=1e-5, atol=1e-13)
    of_energies = several.calibration.scale("energy").of(raw.energies, worst)
    assert torch.allclose(found.energy, of_energies.amax(1), rtol=1e-5, atol=1e-13)
    if n_states == 2:
        gap = several.calibration.scale("gap").of(raw.gaps[:, 0], worst)
        assert torch.allclose(found.gap, gap, rtol=1e-5, atol=1e-13)
        assert wide.energies.shape == (7, 2) and wide.couplings.shape == (7, 1, 4)


def test_states_that_are_not_in_use_have_no_say():
    several = committee(3)
    where, state = positions(6), torch.zeros(6, dtype=torch.int64)
    only_lowest = torch.tensor([True, False]).expand(6, 2)
    all_states, lowest = judged(several, where, state), judged(several, where, state, only_lowest)
    assert torch.equal(lowest.gap, torch.zeros_like(lowest.gap))
    assert bool((lowest.energy <= all_states.energy).all()) and bool(
        (lowest.energy < all_states.energy).any()
    )


def test_a_judgement_of_one_row_has_the_same_bits_in_any_batch():
    several = committee(3)
    where = positions(several.block_width + 9)
    state = torch.arange(len(where)) % 2
    together = judged(several, where, state)
    for row in (0, 5, len(where) - 1):
        alone = judged(several, where[row : row + 1], state[row : row + 1])
        for name in ("energy", "gap", "force"):
            assert torch.equal(getattr(alone, name)[0], getattr(together, name)[row]), (row, name)


def test_a_force_that_is_not_known_is_computed():
    several = committee(3)
    where = positions(6)
    one, two = judged(several, where), judged(several, where, known=False)
    assert torch.allclose(one.force, two.force, rtol=1e-9)


def test_on_a_mean_of_states_the_mean_force_is_judged():
    several = committee(3)
    where = positions(4)
    state = torch.zeros(4, dtype=torch.int64)
    on_one = torch.tensor([1.0, 0.0], dtype=torch.float64).expand(4, 2)
    assert torch.allclose(
        judged(several, where, state, populations=on_one).force, judged(several, where, state).force
    )


def test_a_calibrated_spread_asks_for_a_calibration():
    with pytest.raises(InputError, match="must be calibrated on labels that no member saw"):
        calibrated_spread(committee(2, calibration=None), positions(1))


def test_a_committee_as_a_model_is_one_member_and_members_fit_together():
    several = committee(3)
    where = positions(2)
    for number in range(3):
        bound = several.running_on(number)
        assert torch.equal(surfaces(bound, where).energies, surfaces(several.members[number], where).energies)
        assert len(bound.others) == 2 and several.members[number] not in bound.others
    with pytest.raises(InputError, match="`member` must be from 0 to 2"):
        several.running_on(3)
    with pytest.raises(InputError, match="2 members or more, but has 1"):
        Committee(several.members[:1])
    other = nearly(untrained("moments", "4x0e", n_states=3), 0.1, 1)
    with pytest.raises(InputError, match="agree in `n_states`, but have 2 and 3"):
        Committee((several.members[0], other))
    swapped = several.for_atoms((1, 7, 1, 9))
    assert {member.atomic_numbers for member in swapped.members} == {(1, 7, 1, 9)}
    assert replace(swapped, member=1).bound.atomic_numbers == (1, 7, 1, 9)
