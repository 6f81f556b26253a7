"""Networks in single precision near the same networks in double precision."""

import pytest
import torch
from contracts.encoders import every_encoder
from contracts.untrained import untrained

from nadyn.electronic.surfaces import surfaces

POSITIONS = torch.tensor(
    [[0.1, 0.0, 0.7], [0.9, 1.5, 0.0], [-1.7, 0.2, 0.1], [0.8, -1.4, -0.1]], dtype=torch.float64
) + 0.2 * torch.randn(5, 4, 3, generator=torch.Generator().manual_seed(6), dtype=torch.float64)


@every_encoder
@pytest.mark.parametrize("basis", [None, "2x0e", "1x0e + 1x0o + 1x1o"])
def test_single_precision_networks_stay_within_a_ten_thousandth_of_the_energy_scale(encoder, basis):
    model = untrained(encoder, basis)
    assert next(model.potential.parameters()).dtype == torch.float32
    scale = float(model.potential.reference.scale)
    single, double = surfaces(model, POSITIONS), surfaces(model.double(), POSITIONS)
    # Energies of some -150 hartree: the sum over atoms must not be taken in single precision.
    assert float(double.energies.max()) < -100.0
    assert float((single.energies - double.energies).abs().max()) < 1e-4 * scale
    assert float((single.forces - double.forces).abs().max()) < 3e-4 * scale
    # The sign of a state may differ between two evaluations, not the size of a coupling.
    sizes = single.interstate_coupling.abs() - double.interstate_coupling.abs()
    assert float(sizes.abs().max()) < 1e-2 * scale
    assert single.energies.dtype == single.forces.dtype == torch.float64


def test_a_translation_far_from_the_origin_costs_no_digits():
    model = untrained("moments", "1x0e + 1x1o")
    shift = torch.tensor([1000.0, -700.0, 300.0], dtype=torch.float64)
    here, there = surfaces(model, POSITIONS), surfaces(model, POSITIONS + shift)
    torch.testing.assert_close(there.energies, here.energies, rtol=0, atol=1e-6)
    torch.testing.assert_close(there.forces, here.forces, rtol=0, atol=1e-5)


def test_the_double_precision_copy_leaves_the_original_as_it_was():
    model = untrained("moments", "2x0e")
    before = {name: tensor.clone() for name, tensor in model.potential.state_dict().items()}
    model.double()
    after = model.potential.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(before[name].dtype == after[name].dtype for name in before)
