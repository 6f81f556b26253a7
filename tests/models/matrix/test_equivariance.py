"""The latent basis turns with the molecule: W(QR) = D(Q) W(R) D(Q)ᵀ, element by element."""

from dataclasses import replace

import pytest
import torch
from contracts.encoders import few_encoders
from contracts.untrained import untrained

from nadyn.models.potential import Potential

POSITIONS = torch.tensor(
    [[0.1, 0.0, 0.7], [0.9, 1.5, 0.0], [-1.7, 0.2, 0.1], [0.8, -1.4, -0.1]], dtype=torch.float64
)
# z = 0 exactly for all atoms, without any other symmetry.
PLANAR = torch.tensor(
    [[0.1, 0.2, 0.0], [0.9, 1.6, 0.0], [-1.7, 0.2, 0.0], [0.8, -1.9, 0.0]], dtype=torch.float64
)


def _turns():
    random = torch.randn(3, 3, generator=torch.Generator().manual_seed(8), dtype=torch.float64)
    turn = torch.linalg.qr(random)[0]
    turn = turn * torch.linalg.det(turn)
    mirror = torch.diag(torch.tensor([1.0, -1.0, 1.0], dtype=torch.float64))
    return {
        "rotation": turn,
        "reflection": mirror,
        "rotated reflection": turn @ mirror,
        "inversion": -torch.eye(3, dtype=torch.float64),
    }


def _representation(labels, turn):
    """What a rotation, reflection or inversion does to basis functions named as in a table of characters."""
    parity = torch.linalg.det(turn)
    one = torch.ones(1, 1, dtype=torch.float64)
    matrices = {"0e": one, "0o": parity * one, "1o": turn, "1e": parity * turn}
    return torch.block_diag(*(matrices[label] for label in labels))


def _hamiltonian(encoder, basis, positions, **options):
    model = untrained(encoder, basis, **options).double()
    return model.evaluate(positions[None]).hamiltonian[0]


@few_encoders
@pytest.mark.parametrize("turn", _turns().values(), ids=_turns())
def test_every_element_turns_as_the_representations_of_its_row_and_column(encoder, turn):
    basis, labels = "2x0e + 2x0o + 2x1o + 2x1e", ("0e", "0e", "0o", "0o", "1o", "1o", "1e", "1e")
    before = _hamiltonian(encoder, basis, POSITIONS)
    after = _hamiltonian(encoder, basis, POSITIONS @ turn.T)
    representation = _representation(labels, turn)
    torch.testing.assert_close(after, representation @ before @ representation.T, rtol=0, atol=1e-11)
    # A block that is zero obeys any law.
    assert float(before.abs().min()) > 1e-8


@few_encoders
def test_a_molecule_and_its_mirror_image_differ_in_the_sign_of_the_pseudoscalar_coupling(encoder):
    mirror = torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64)
    left = _hamiltonian(encoder, "1x0e + 1x0o", POSITIONS)
    right = _hamiltonian(encoder, "1x0e + 1x0o", POSITIONS * mirror)
    assert float(left[0, 1].abs()) > 1e-6
    torch.testing.assert_close(left[0, 1], -right[0, 1])
    torch.testing.assert_close(left.diagonal(), right.diagonal())


@few_encoders
def test_the_pseudoscalar_coupling_of_a_planar_molecule_is_zero(encoder):
    assert float(_hamiltonian(encoder, "1x0e + 1x0o", PLANAR)[0, 1]) == 0.0


@few_encoders
def test_a_planar_molecule_does_not_couple_a_scalar_to_the_vector_normal_to_it(encoder):
    matrix = _hamiltonian(encoder, "1x0e + 1x1o", PLANAR)
    assert float(matrix[0, 3]) == 0.0
    assert float(matrix[1, 3]) == 0.0
    assert float(matrix[2, 3]) == 0.0
    assert float(matrix[0, 1:3].abs().min()) > 1e-6


@few_encoders
def test_an_axial_vector_couples_to_a_scalar_only_normal_to_a_planar_molecule(encoder):
    matrix = _hamiltonian(encoder, "1x0e + 1x1e", PLANAR)
    assert float(matrix[0, 1:3].abs().max()) == 0.0
    assert float(matrix[0, 3].abs()) > 1e-6


@few_encoders
def test_a_threefold_axis_makes_two_components_of_a_vector_degenerate(encoder):
    angle = torch.arange(3, dtype=torch.float64) * (2 * torch.pi / 3)
    ring = torch.stack(
        [1.9 * angle.cos(), 1.9 * angle.sin(), torch.full((3,), -0.4, dtype=torch.float64)], -1
    )
    pyramid = torch.cat([torch.zeros(1, 3, dtype=torch.float64), ring])
    matrix = _hamiltonian(encoder, "1x0e + 1x1o", pyramid, atomic_numbers=(7, 1, 1, 1))
    levels = torch.linalg.eigvalsh(matrix)
    gaps = levels.diff().abs()
    assert float(gaps.min()) < 1e-10
    assert int((gaps > 1e-6).sum()) == 2


@few_encoders
def test_exchanging_like_atoms_exchanges_nothing_in_w(encoder):
    order = [0, 2, 1, 3]
    basis = "1x0e + 1x0o + 1x1o + 1x1e"
    torch.testing.assert_close(
        _hamiltonian(encoder, basis, POSITIONS[order]),
        _hamiltonian(encoder, basis, POSITIONS),
        rtol=0,
        atol=1e-12,
    )


@pytest.mark.parametrize("start, lowest_is_normal", [(("0e",), False), (("0e", "1o"), True)])
def test_a_vector_that_starts_as_a_state_starts_with_its_component_normal_to_the_atoms_lowest(
    start, lowest_is_normal
):
    model = untrained("moments", "1x0e + 1x1o", atomic_numbers=(7, 1, 6, 9))
    network = Potential(replace(model.potential.settings, start=start))
    for networks in network.network.networks.networks:
        torch.nn.init.zeros_(networks[-1].weight)
    surroundings = replace(model, potential=network).surroundings(PLANAR[None])
    network.standardise([surroundings])
    block = network(surroundings)[0][0, 1:, 1:].detach()
    in_plane = torch.linalg.eigvalsh(block[:2, :2])
    assert (float(in_plane.min()) > float(block[2, 2]) + 1e-3) == lowest_is_normal


LINEAR = torch.tensor([[0.0, 0.0, 0.2], [0.0, 0.0, 2.1], [0.0, 0.0, -2.3], [0.0, 0.0, 4.4]]).double()


@pytest.mark.parametrize("positions", [PLANAR, LINEAR], ids=["planar", "linear"])
def test_a_vector_that_gives_two_states_starts_with_the_pair_apart_from_the_third_lowest(positions):
    # In the plane of a planar molecule; normal to the axis of a linear one.
    model = untrained("moments", "1x1o", n_states=2, atomic_numbers=(7, 1, 6, 9), offsets=(0.0,))
    network = Potential(replace(model.potential.settings, start=("1o", "1o")))
    for networks in network.network.networks.networks:
        torch.nn.init.zeros_(networks[-1].weight)
    surroundings = replace(model, potential=network).surroundings(positions[None])
    network.standardise([surroundings])
    assert network.start_rows() == (0, 0, 0)
    block = network(surroundings)[0][0].detach()
    assert float(torch.linalg.eigvalsh(block[:2, :2]).max()) < float(block[2, 2]) - 1e-3
    assert float(block[:2, 2].abs().max()) < 1e-12


def test_an_axial_vector_that_starts_as_a_state_starts_with_a_component_in_the_plane_at_its_energy():
    model = untrained("moments", "1x0e + 1x1e", atomic_numbers=(7, 1, 6, 9))
    network = Potential(replace(model.potential.settings, start=("0e", "1e")))
    for networks in network.network.networks.networks:
        torch.nn.init.zeros_(networks[-1].weight)
    network.reference.scale.fill_(0.05)
    network.reference.offsets[1:] = 0.02
    surroundings = replace(model, potential=network).surroundings(PLANAR[None])
    network.standardise([surroundings])
    block = network(surroundings)[0][0, 1:, 1:].detach()
    in_plane = torch.linalg.eigvalsh(block[:2, :2])
    assert float(in_plane.min()) < float(block[2, 2]) - 1e-3
    assert float(in_plane.min()) == pytest.approx(0.02, abs=1e-6)
