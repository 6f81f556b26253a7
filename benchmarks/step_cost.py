"""Time of one dynamics step of a learned model, as a ratio to the bare matrix products of its networks.

    python benchmarks/step_cost.py [model.safetensors] [--trajectories 256] [--repeats 20] [--copies 1]

Without a model file: random weights for a chain of 24 atoms and 3 states, with the default network. The floor
is what no implementation of the same networks can avoid: each layer's product forward, and its product with
the transposed weights backward, for the same blocks, in the same precision, in the same run. Steps and
floors are measured alternately, and medians are compared, so that other work on the machine cancels.

Energies with all forces and couplings are compared with the products of one evaluation and as many gradients.

    python benchmarks/step_cost.py [model.safetensors] --bases "2x0e" "1x0e + 1x1o" "2x0e + 1x1o"

The same molecule, encoder and layers with random weights in several latent bases: the time of a step in each,
as a ratio to the first.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

import nadyn
from nadyn.dynamics.initial.start import start_in_state
from nadyn.dynamics.methods.fssh import Fssh, fssh_step
from nadyn.dynamics.state.batch import State
from nadyn.electronic.surfaces import active_surface, surfaces
from nadyn.models.atomic_network import NetworkSettings
from nadyn.models.encoders.density_moments import MomentsSettings
from nadyn.models.learned import LearnedModel
from nadyn.models.potential import Potential, PotentialSettings
from nadyn.units import AU_PER_FEMTOSECOND, BOHR_PER_ANGSTROM


def random_model(n_states: int = 3, *, n_atoms: int = 24) -> LearnedModel:
    """Return a model with random weights for a zigzag chain of three elements; atoms a multiple of 6."""
    torch.manual_seed(1)
    numbers, half = (6, 1, 6, 1, 7, 1) * (n_atoms // 6), n_atoms // 2
    carbon, sign = np.arange(half) * 1.25, (-1.0) ** np.arange(half)
    chain = np.stack([carbon, 0.35 * sign, np.zeros(half)], axis=-1)
    hydrogen = chain + np.stack([np.zeros(half), 1.0 * sign, 0.3 * np.sin(carbon)], axis=-1)
    geometry = np.empty((n_atoms, 3))
    geometry[0::2], geometry[1::2] = chain, hydrogen
    encoder = MomentsSettings((1, 6, 7), 6.0 * BOHR_PER_ANGSTROM, 0.9 * BOHR_PER_ANGSTROM)
    basis, start = f"{n_states}x0e", ("0e",) * n_states
    network = Potential(PotentialSettings(NetworkSettings(encoder), basis, n_states, start))
    network.requires_grad_(False)
    positions = torch.from_numpy(geometry * BOHR_PER_ANGSTROM)
    model = LearnedModel("random", network, numbers, positions, torch.zeros(3, 3, dtype=torch.float64))
    frames = positions + 0.1 * torch.randn(64, n_atoms, 3, dtype=torch.float64)
    network.standardise([model.surroundings(frames)])
    return model


def side_by_side(model: LearnedModel, copies: int) -> LearnedModel:
    """Return a model of so many molecules, 6 bohr from each other in two rows."""
    places = [torch.tensor([0.0, 6.0 * (copy // 2), 6.0 * (copy % 2)]).double() for copy in range(copies)]
    geometry = torch.cat([model.starting_geometry + place for place in places])
    return replace(
        model,
        atomic_numbers=model.atomic_numbers * copies,
        starting_geometry=geometry,
        molecules=(),
        own_masses=(),
    )


def matrix_products(model: LearnedModel, n_trajectories: int, *, n_gradients: int = 1) -> Callable[[], None]:
    """Return a function that does the matrix products of one evaluation and some gradients only."""
    network = model.potential.network
    # In one block where that is narrow, so that no small product makes the floor look high.
    width = model.block_width if model.block_width > 1 else n_trajectories
    n_blocks = -(-n_trajectories // width)
    work: list[tuple[Tensor, Tensor, Tensor]] = []
    for element, layers in zip(network.elements, network.networks.networks, strict=True):
        n_rows = model.atomic_numbers.count(element) * width
        for layer in layers:
            if n_rows and isinstance(layer, torch.nn.Linear):
                weights = layer.weight.detach()
                inputs = torch.randn(n_rows, weights.shape[1], dtype=model.precision)
                gradients = torch.randn(n_rows, weights.shape[0], dtype=model.precision)
                work.append((weights, inputs, gradients))

    def products() -> None:
        for _ in range(n_blocks):
            for weights, inputs, _ in work:
                inputs @ weights.T
            for _ in range(n_gradients):
                for weights, _, gradients in reversed(work):
                    gradients @ weights

    return products


def seconds(function: Callable[[], object]) -> float:
    """Return the time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def with_basis(model: LearnedModel, basis: str) -> LearnedModel:
    """Return a model of the same size in another basis, with random weights."""
    torch.manual_seed(1)
    settings = replace(model.potential.settings, basis=basis, start=())
    network = Potential(settings)
    network.requires_grad_(False)
    # Far apart and hardly coupled, so that no basis has more hops or lost states than another.
    network.reference.offsets.copy_(torch.arange(network.n_basis, dtype=torch.float64))
    network.reference.scale.fill_(1e-3)
    changed = replace(model, potential=network)
    frames = model.starting_geometry + 0.1 * torch.randn(64, *model.starting_geometry.shape).double()
    network.standardise([changed.surroundings(frames)])
    return changed


def medians_of(work: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Return the median time of each function, all measured alternately."""
    times: dict[str, list[float]] = {name: [] for name in work}
    for repeat in range(repeats + 2):
        for name, function in work.items():
            taken = seconds(function)
            if repeat >= 2:  # the first calls allocate memory
                times[name].append(taken)
    return {name: statistics.median(values) for name, values in times.items()}


def stepper(model: LearnedModel, n_trajectories: int) -> tuple[Callable[[], object], State]:
    """Return a function that makes a surface-hopping step of so many trajectories, and their state."""
    torch.manual_seed(2)
    noise = torch.randn(n_trajectories, len(model.atomic_numbers), 3).double()
    positions = model.starting_geometry.double() + 0.02 * noise
    momenta = torch.randn(positions.shape).double() * torch.sqrt(model.masses * 1e-3)[:, None]
    state = start_in_state(model, positions, momenta, masses=model.masses, active_state=model.n_states - 1)
    choices = Fssh(dt=0.5 * AU_PER_FEMTOSECOND, seed=1, masses=model.masses)
    return lambda: fssh_step(state, model, choices), state


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", help="model file; random weights without one")
    parser.add_argument("--trajectories", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--copies", type=int, default=1, help="molecules side by side: many atoms")
    parser.add_argument("--bases", nargs="+", help="latent bases to compare")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = nadyn.load_model(options.model) if options.model else random_model()

    if options.copies > 1:
        model = side_by_side(model, options.copies)
    n, atoms = options.trajectories, len(model.atomic_numbers)
    if options.bases:
        models = {basis: with_basis(model, basis) for basis in options.bases}
        medians = medians_of({basis: stepper(one, n)[0] for basis, one in models.items()}, options.repeats)
        print(f"{model.name}: {atoms} atoms, {model.n_states} states, {n} trajectories, one thread")
        for basis, median in medians.items():
            print(f"{basis:24s} {1e3 * median:8.1f} ms   ratio {median / medians[options.bases[0]]:5.2f}")
        return
    step, state = stepper(model, n)
    n_pairs = model.n_states * (model.n_states + 1) // 2
    work = {
        "matrix products": matrix_products(model, n),
        "energies and one force": lambda: active_surface(model, state.positions, state.active_state),
        "surface-hopping step": step,
        "products of all gradients": matrix_products(model, n, n_gradients=n_pairs),
        "all forces and couplings": lambda: surfaces(model, state.positions),
    }
    medians = medians_of(work, options.repeats)
    floor = medians["matrix products"]
    print(f"{model.name}: {atoms} atoms, {model.n_states} states, {n} trajectories, one thread")
    for name, median in medians.items():
        rate = n / median
        if name == "products of all gradients":
            floor = median
        print(f"{name:24s} {1e3 * median:8.1f} ms {rate:9.0f} trajectories/s   ratio {median / floor:5.2f}")


if __name__ == "__main__":
    main()
