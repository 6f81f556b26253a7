"""The spin-orbit vectors turn as axial vectors with the molecule and with both rows."""

import pytest
import torch
from contracts.spin_coupled import spin_coupled

from nadyn.models.heads.isotropic import couplings
from nadyn.models.matrix.basis import parse_basis
from nadyn.models.matrix.directions import COMPONENTS

POSITIONS = torch.tensor(
    [[0.1, 0.0, 0.7], [0.9, 1.5, 0.0], [-1.7, 0.2, 0.1], [0.8, -1.4, -0.1]], dtype=torch.float64
)


def _turns():
    random = torch.randn(3, 3, generator=torch.Generator().manual_seed(8), dtype=torch.float64)
    turn = torch.linalg.qr(random)[0]
    turn = turn * torch.linalg.det(turn)
    mirror = torch.diag(torch.tensor([1.0, -1.0, 1.0], dtype=torch.float64))
    return {"rotation": turn, "both": turn @ mirror, "inversion": -torch.eye(3, dtype=torch.float64)}


def _representation(model, turn):
    parity = torch.linalg.det(turn)
    one = torch.ones(1, 1, dtype=torch.float64)
    matrices = {"0e": one, "0o": parity * one, "1o": turn, "1e": parity * turn}
    blocks = [parse_basis(block.potential.settings.basis) for block in model.blocks]
    labels = [name for basis in blocks for name, count in basis.counts for _ in range(count)]
    return torch.block_diag(*(matrices[label] for label in labels))


def test_vectors_turn_with_the_molecule_and_with_both_rows():
    model = spin_coupled()
    before = model.spin_orbit_vectors(POSITIONS[None])[0]
    for name, turn in _turns().items():
        d = _representation(model, turn)
        after = model.spin_orbit_vectors((POSITIONS @ turn.T)[None])[0]
        axial = torch.linalg.det(turn) * turn
        expected = torch.einsum("ab,bcx,dc,yx->ady", d, before, d, axial)
        torch.testing.assert_close(after, expected, rtol=0, atol=1e-12, msg=name)
    torch.testing.assert_close(before, -before.transpose(0, 1), rtol=0, atol=1e-15)
    # Between singlets there is none; a vector and itself, or two others, have one.
    assert float(before[:4, :4].abs().max()) == 0.0
    off = ~torch.eye(5, dtype=torch.bool)
    assert float(before[:4, 4:].abs().min()) > 1e-8 and float(before[4:, 4:][off].abs().min()) > 1e-8


def test_vectors_know_neither_place_nor_order_of_like_atoms():
    model = spin_coupled()
    before = model.spin_orbit_vectors(POSITIONS[None])
    for other in (POSITIONS[[0, 2, 1, 3]], POSITIONS + torch.tensor([4.0, -1.0, 30.0])):
        torch.testing.assert_close(model.spin_orbit_vectors(other[None]), before, rtol=0, atol=1e-12)


# Ranks 0 to 2 in l1 x l2 x 1 with the parity of an axial vector; of one function twice half of them.
@pytest.mark.parametrize(
    "first, second, same, counts",
    [
        ("0e", "0e", True, {}),
        ("0e", "0e", False, {"axial": 1}),
        ("0e", "0o", False, {"polar": 1}),
        ("0e", "1o", False, {"pseudoscalar": 1, "polar": 1, "pseudotensor": 1}),
        ("0e", "1e", False, {"invariant": 1, "axial": 1, "tensor": 1}),
        ("1o", "1o", True, {"invariant": 1, "axial": 1, "tensor": 1}),
        ("1o", "1o", False, {"invariant": 1, "axial": 3, "tensor": 2}),
        ("1o", "1e", False, {"pseudoscalar": 1, "polar": 3, "pseudotensor": 2}),
    ],
)
def test_as_many_couplings_as_the_product_of_representations_has(first, second, same, counts):
    found = {
        kind: len(couplings(first, second, rank=1, kind=kind, same=same, pseudo=True, antisymmetric=True))
        for kind in COMPONENTS
    }
    assert {kind: n for kind, n in found.items() if n} == counts
