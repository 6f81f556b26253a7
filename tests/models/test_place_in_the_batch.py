"""A molecule of common size and default settings has the same bits wherever it stands in a batch.

Small matrix products round by how their rows are aligned in memory, which sizes decide; so the sizes here
are those of a real model.
"""

import pytest
import torch

from nadyn.electronic.surfaces import surfaces
from nadyn.models.atomic_network import NetworkSettings
from nadyn.models.encoders.density_moments import MomentsSettings
from nadyn.models.encoders.equivariant import EquivariantSettings
from nadyn.models.encoders.messages import MessagesSettings
from nadyn.models.encoders.soap import SoapSettings
from nadyn.models.encoders.symmetry_functions import automatic_symmetry_functions
from nadyn.models.learned import LearnedModel
from nadyn.models.potential import Potential, PotentialSettings

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

NUMBERS = (6, 6, 6, 6, 1, 1, 9, 9, 9, 9, 9, 9)
ELEMENTS = (1, 6, 9)
ENCODERS = {
    "moments": MomentsSettings(ELEMENTS, 11.0, 1.8, 16, 12),
    "equivariant": EquivariantSettings(ELEMENTS, 11.0, 1.8, 16, 12),
    "messages": MessagesSettings(ELEMENTS, 11.0, 1.8),
    "soap": SoapSettings(ELEMENTS, 11.0, 1.8),
    "symmetry functions": automatic_symmetry_functions(ELEMENTS, 11.0, 1.8),
}


def slow(case):
    return pytest.param(case, marks=pytest.mark.slow)


def model_of_real_size(encoder, basis):
    with torch.random.fork_rng():
        torch.manual_seed(4)
        settings = NetworkSettings(ENCODERS[encoder], (128, 128, 64), "silu")
        network = Potential(PotentialSettings(settings, basis, 2, ("0e",)))
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
    network.requires_grad_(False)
    shortest = torch.zeros(len(ELEMENTS), len(ELEMENTS), dtype=torch.float64)
    return LearnedModel("random", network, NUMBERS, None, shortest)


@pytest.mark.parametrize("basis", ["2x0e", "2x0e + 1x1o"])
@pytest.mark.parametrize("encoder", ENCODERS)
def test_bits_do_not_depend_on_the_place_in_the_batch(encoder, basis):
    check_places(model_of_real_size(encoder, basis))


@pytest.mark.parametrize("n_atoms", [3, 5, slow(7), slow(9)])
@pytest.mark.parametrize("encoder", ["moments", slow("equivariant"), slow("messages"), slow("soap")])
def test_they_do_not_with_an_odd_number_of_atoms_either(encoder, n_atoms):
    # The number of pairs in a batch is then no multiple of what the kernels of products take at once.
    check_places(model_of_real_size(encoder, "2x0e").for_atoms(NUMBERS[2 : 2 + n_atoms]))


def check_places(model):
    n, n_atoms = model.block_width + 5, len(model.atomic_numbers)
    generator = torch.Generator().manual_seed(5)
    grid = torch.cartesian_prod(torch.arange(3.0), torch.arange(2.0), torch.arange(2.0)).double() * 2.6
    noise = torch.randn(n, n_atoms, 3, dtype=torch.float64, generator=generator)
    positions = grid[:n_atoms] + 0.4 * noise
    order = torch.randperm(n, generator=generator)
    here, there = surfaces(model, positions), surfaces(model, positions[order])
    assert here.forces.abs().min() > 0
    for name in ("hamiltonian", "energies", "eigenvectors", "forces", "interstate_coupling"):
        assert torch.equal(getattr(there, name), getattr(here, name)[order]), name
