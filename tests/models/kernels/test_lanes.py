"""Neither lanes nor columns of a processor change a bit."""

import pytest
import torch
from contracts.untrained import untrained

from nadyn.models.kernels import compiled, known

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("encoder", ["moments", "equivariant"])
@pytest.mark.parametrize(("lanes", "row_vectors", "columns"), [(4, 4, 6), (16, 2, 12), (8, 1, 4)])
def test_bits_do_not_depend_on_lanes_and_columns(monkeypatch, encoder, lanes, row_vectors, columns):
    model = untrained(encoder, "2x0e + 1x1o", atomic_numbers=(7, 1, 1, 9, 1), repulsion=4.0)
    grid = torch.cartesian_prod(torch.arange(3.0), torch.arange(2.0), torch.arange(2.0)).double()[:5]
    generator = torch.Generator().manual_seed(3)
    positions = 2.1 * grid + 0.3 * torch.randn(19, 5, 3, dtype=torch.float64, generator=generator)

    def found():
        leaf = positions.clone().requires_grad_(True)
        hamiltonian = model.evaluate(leaf).hamiltonian
        return hamiltonian.detach(), torch.autograd.grad(hamiltonian[:, 0, 1].sum(), leaf)[0]

    assert model.rows_at_once is not None
    usual = found()
    known.KNOWN.clear()
    own = compiled.Host("other", lanes, row_vectors, columns)
    monkeypatch.setattr(compiled, "host", lambda: own)
    compiled.kernel.cache_clear()
    try:
        other = found()
        assert model.fast_path._known().bound.kernel.lanes == lanes
    finally:
        compiled.kernel.cache_clear()
        known.KNOWN.clear()
    for one, two in zip(usual, other, strict=True):
        assert torch.equal(one, two)
