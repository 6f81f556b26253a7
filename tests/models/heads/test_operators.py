"""Operators turn with the molecule and with both basis functions: O(QR) = D(Q) D(Q) Q… O(R)."""

import functools
import itertools

import pytest
import torch
from contracts.untrained import untrained

from nadyn.models.heads.dipole import DipoleSettings
from nadyn.models.heads.isotropic import couplings
from nadyn.models.heads.polarisability import PolarisabilitySettings
from nadyn.models.joined_structures import joined
from nadyn.models.matrix.basis import REPRESENTATIONS, parse_basis
from nadyn.models.matrix.directions import COMPONENTS
from nadyn.models.matrix.equivariant_matrix import block_terms

POSITIONS = torch.tensor(
    [[0.1, 0.0, 0.7], [0.9, 1.5, 0.0], [-1.7, 0.2, 0.1], [0.8, -1.4, -0.1]], dtype=torch.float64
)
BASES = ("2x0e", "1x0e + 1x1o", "2x0e + 1x1o + 1x1e", "1x0o + 2x1o")
CHARGE = 2


def _turns():
    random = torch.randn(3, 3, generator=torch.Generator().manual_seed(8), dtype=torch.float64)
    turn = torch.linalg.qr(random)[0]
    turn = turn * torch.linalg.det(turn)
    mirror = torch.diag(torch.tensor([1.0, -1.0, 1.0], dtype=torch.float64))
    inversion = -torch.eye(3, dtype=torch.float64)
    return {"rotation": turn, "reflection": mirror, "both": turn @ mirror, "inversion": inversion}


def _representation(basis, turn):
    parity = torch.linalg.det(turn)
    one = torch.ones(1, 1, dtype=torch.float64)
    matrices = {"0e": one, "0o": parity * one, "1o": turn, "1e": parity * turn}
    labels = [name for name, count in parse_basis(basis).counts for _ in range(count)]
    return torch.block_diag(*(matrices[label] for label in labels))


@functools.cache
def _model(basis, encoder="moments"):
    return untrained(
        encoder, basis, heads=(DipoleSettings(CHARGE), PolarisabilitySettings()), atomic_numbers=(7, 1, 1, 9)
    ).double()


def _operators(model, positions):
    return {name: model.operator(name, positions[None])[0] for name in ("dipole", "polarisability")}


@pytest.mark.parametrize("basis", BASES)
def test_operators_turn_with_the_molecule_and_with_the_basis(basis):
    model = _model(basis)
    before = _operators(model, POSITIONS)
    for name, turn in _turns().items():
        d = _representation(basis, turn)
        after = _operators(model, POSITIONS @ turn.T)
        dipole = torch.einsum("ab,bcx,dc,yx->ady", d, before["dipole"], d, turn)
        torch.testing.assert_close(after["dipole"], dipole, rtol=0, atol=1e-10, msg=name)
        tensor = torch.einsum("ab,bcxy,dc,ux,vy->aduv", d, before["polarisability"], d, turn, turn)
        torch.testing.assert_close(after["polarisability"], tensor, rtol=0, atol=1e-10, msg=name)
    # A block that is zero obeys any law.
    assert float(before["dipole"].abs().min()) > 1e-8
    assert float(before["polarisability"].abs().min()) > 1e-8


@pytest.mark.parametrize("encoder", ["equivariant", "acsf"])
def test_operators_of_other_encoders_turn_too(encoder):
    basis, turn = "1x0e + 1x1o", _turns()["both"]
    model = _model(basis, encoder)
    before, after = _operators(model, POSITIONS), _operators(model, POSITIONS @ turn.T)
    d = _representation(basis, turn)
    dipole = torch.einsum("ab,bcx,dc,yx->ady", d, before["dipole"], d, turn)
    torch.testing.assert_close(after["dipole"], dipole, rtol=0, atol=1e-10)


@pytest.mark.parametrize("basis", BASES)
def test_operators_are_symmetric_and_know_no_order_of_like_atoms(basis):
    model = _model(basis)
    found, exchanged = _operators(model, POSITIONS), _operators(model, POSITIONS[[0, 2, 1, 3]])
    for name, value in found.items():
        torch.testing.assert_close(value, value.transpose(0, 1), rtol=0, atol=1e-12)
        torch.testing.assert_close(exchanged[name], value, rtol=0, atol=1e-11)
    polarisability = found["polarisability"]
    torch.testing.assert_close(polarisability, polarisability.mT, rtol=0, atol=1e-12)


@pytest.mark.parametrize("basis", BASES)
def test_a_shift_changes_the_dipole_by_the_charge_and_the_polarisability_not_at_all(basis):
    model, shift = _model(basis), torch.tensor([3.0, -40.0, 0.7], dtype=torch.float64)
    before, after = _operators(model, POSITIONS), _operators(model, POSITIONS + shift)
    unit = torch.eye(len(before["dipole"]), dtype=torch.float64)
    expected = CHARGE * unit[:, :, None] * shift
    torch.testing.assert_close(after["dipole"] - before["dipole"], expected, rtol=0, atol=1e-10)
    torch.testing.assert_close(after["polarisability"], before["polarisability"], rtol=0, atol=1e-10)


def test_joined_structures_have_the_operators_of_each_alone():
    model = _model("1x0e + 1x1o")
    other = model.for_atoms((1, 6, 9, 7, 1))
    far = torch.cat([POSITIONS + 5.0, POSITIONS[:1] - 1.3])
    parts = [model.surroundings(POSITIONS[None]), other.surroundings(far[None])]
    together = joined(parts, model.potential.network.cutoff)
    for name in ("dipole", "polarisability"):
        alone = torch.cat([model.potential.operator(name, part) for part in parts])
        torch.testing.assert_close(model.potential.operator(name, together), alone, rtol=0, atol=1e-10)


def test_heads_read_what_the_network_of_w_reads_in_the_same_scale():
    model = _model("1x0e + 1x1o")
    network = model.potential.network
    head = model.potential.heads["dipole"]
    frames = [model.surroundings(POSITIONS[None])]
    random = torch.Generator().manual_seed(2)
    for one in (network.networks.mean, network.networks.inverse_spread):
        one.copy_(torch.rand(one.shape, generator=random).to(one))
    head.standardise(network, frames)
    torch.testing.assert_close(head.sums.networks.mean, network.networks.mean, rtol=0, atol=0)
    torch.testing.assert_close(
        head.sums.networks.inverse_spread, network.networks.inverse_spread, rtol=0, atol=0
    )
    # Vectors of the hydrogen atoms have the length one component in the mean.
    vectors = network.encoder(frames[0]).vectors[frames[0].atoms[0][1]]
    scaled = vectors * head.sums.vector_scale[network.elements.index(frames[0].atoms[0][0])][:, None]
    assert float(scaled.square().mean(dim=(0, 1, 3)).max()) == pytest.approx(1.0, abs=1e-5)


def test_an_atom_without_any_neighbour_has_no_dipole_and_the_same_polarisability_in_all_directions():
    model = untrained(
        "moments", None, heads=(DipoleSettings(0), PolarisabilitySettings()), atomic_numbers=(7,)
    ).double()
    here = torch.tensor([[[0.3, -0.2, 1.1]]], dtype=torch.float64)
    for head in model.potential.heads.values():
        head.standardise(model.potential.network, [model.surroundings(here)])
    assert float(model.operator("dipole", here).abs().max()) < 1e-12
    tensor = model.operator("polarisability", here)[0, 0, 0]
    torch.testing.assert_close(tensor, tensor[0, 0] * torch.eye(3, dtype=torch.float64), rtol=0, atol=1e-12)


@pytest.mark.parametrize("first, second", [*itertools.combinations_with_replacement(REPRESENTATIONS, 2)])
@pytest.mark.parametrize("same", [False, True])
def test_couplings_without_an_index_are_the_terms_of_w(first, second, same):
    if same and first != second:
        return
    found = [kind for kind in COMPONENTS if len(couplings(first, second, rank=0, kind=kind, same=same))]
    assert [kind for kind in found if kind != "pseudotensor"] == [
        kind for kind in COMPONENTS if kind in block_terms(first, second, same=same)
    ]


# Ranks 0 to 2 in the product of representations: of l1 x l2 x 1 for a dipole, of l1 x l2 x (0 + 2) for a
# polarisability; of one vector twice the symmetric half.
@pytest.mark.parametrize(
    "first, second, same, rank, counts",
    [
        ("0e", "0e", True, 1, {"polar": 1}),
        ("0e", "0o", False, 1, {"axial": 1}),
        ("0e", "1o", False, 1, {"invariant": 1, "axial": 1, "tensor": 1}),
        ("0o", "1o", False, 1, {"pseudoscalar": 1, "polar": 1, "pseudotensor": 1}),
        ("1o", "1o", True, 1, {"polar": 2, "pseudotensor": 1}),
        ("1o", "1o", False, 1, {"pseudoscalar": 1, "polar": 3, "pseudotensor": 2}),
        ("1o", "1e", False, 1, {"invariant": 1, "axial": 3, "tensor": 2}),
        ("0e", "0e", True, 2, {"invariant": 1, "tensor": 1}),
        ("0e", "1o", False, 2, {"polar": 2, "pseudotensor": 1}),
        ("1o", "1o", True, 2, {"invariant": 2, "axial": 1, "tensor": 3}),
    ],
)
def test_as_many_couplings_as_the_product_of_representations_has(first, second, same, rank, counts):
    found = {kind: len(couplings(first, second, rank=rank, kind=kind, same=same)) for kind in COMPONENTS}
    assert {kind: n for kind, n in found.items() if n} == counts
