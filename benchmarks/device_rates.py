"""Steps of surface hopping and of training a second on a GPU, and how far its numbers are from those here.

    python benchmarks/device_rates.py [--device cuda] [--trajectories 1000 10000 100000] [--json rates.json]
        [--batch-sizes 16 256 2048]

The model is that of `step_cost.py`: random weights for a chain of 24 atoms and 3 states, with the default
network. One thread of the processor makes the same step with 256 trajectories in the same run. Numbers on the
device are compared with those of the processor, and both with float64. A training step is one of
`training_step.py`, hexafluorobutene, network and frames on the device, with batches of several sizes. With
`--device cpu` everything runs by the networks of torch or the kernels, as it does elsewhere.
"""

import argparse
import json
import statistics
import time
from dataclasses import fields, replace

import torch
from step_cost import matrix_products, random_model, stepper
from training_step import Step, cases

import nadyn
from nadyn import shipped
from nadyn.dynamics.methods.fssh import Fssh, fssh_step
from nadyn.dynamics.run.device import state_on
from nadyn.dynamics.state.batch import select
from nadyn.electronic.surfaces import Surfaces, active_surface, surfaces
from nadyn.models.learned import LearnedModel
from nadyn.training.averaging import WeightAverage
from nadyn.training.samples import Samples
from nadyn.units import AU_PER_FEMTOSECOND, ELECTRONVOLT_PER_HARTREE


def median_seconds(function, *, repeats: int, on_device: bool) -> float:
    """Return the median time of a call."""
    times = []
    for repeat in range(repeats + 2):
        start = time.perf_counter()
        function()
        if on_device and torch.cuda.is_available():
            torch.cuda.synchronize()
        if repeat >= 2:  # the first calls allocate memory and choose kernels
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def differences(model: LearnedModel, device: str, n: int = 64) -> dict[str, float]:
    """Return the largest differences of energies [eV] and forces [relative to the largest] from float64."""
    generator = torch.Generator().manual_seed(5)
    geometry = model.starting_geometry.double()
    positions = geometry + 0.05 * torch.randn(n, *geometry.shape, generator=generator, dtype=torch.float64)
    exact = surfaces(model.double(), positions)
    there = surfaces(model.to(device), positions.to(device))
    here = surfaces(model, positions)

    def energy(found: Surfaces) -> float:
        difference = (found.energies.cpu() - exact.energies).abs().max()
        return float(difference) * ELECTRONVOLT_PER_HARTREE

    def force(found: Surfaces) -> float:
        return float((found.forces.cpu() - exact.forces).abs().max() / exact.forces.abs().max())

    return {
        "energy_ev_device": energy(there),
        "energy_ev_processor": energy(here),
        "force_relative_device": force(there),
        "force_relative_processor": force(here),
    }


def shipped_model(name: str) -> LearnedModel:
    """Return the model that is shipped for a molecule."""
    return nadyn.load_model(shipped.path(f"{name}/{name}.safetensors"))


def rates(model: LearnedModel, device: str, n: int, repeats: int) -> dict[str, float]:
    """Return seconds of a step and of its parts for n trajectories on the device."""
    _, state = stepper(model, 64)
    moved = model.to(device)
    rows = torch.arange(n) % 64
    batch = state_on(state, torch.device(device))
    batch = select(batch, rows.to(device))
    options = Fssh(dt=0.5 * AU_PER_FEMTOSECOND, seed=1, masses=moved.masses)
    work = {
        "surface": lambda: active_surface(moved, batch.positions, batch.active_state),
        "step": lambda: fssh_step(batch, moved, options),
    }
    return {name: median_seconds(one, repeats=repeats, on_device=True) for name, one in work.items()}


def moved(samples: Samples, device: str) -> Samples:
    """Return the frames on a device."""
    found = {one.name: getattr(samples, one.name) for one in fields(samples)}
    tensors = {name: one.to(device) for name, one in found.items() if isinstance(one, torch.Tensor)}
    return replace(samples, **tensors, geometry=None)


def training_seconds(device: str, batch_size: int, repeats: int) -> float:
    """Return the seconds of a training step of hexafluorobutene, network and frames on the device."""
    group, basis = cases(2 * batch_size)["hexafluorobutene"]
    step = Step(group, basis, "moments", "muon", batch_size)
    step.potential.to(device)
    step.average = WeightAverage(step.potential, 0.999)
    step.ready = [tuple(moved(part, device) for part in batch) for batch in step.bare]
    numbers = iter(range(repeats + 2))
    return median_seconds(lambda: step.take(next(numbers), "written"), repeats=repeats, on_device=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--trajectories", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--batch-sizes", type=int, nargs="*", default=[16, 256, 1024])
    parser.add_argument("--json", help="where to write the numbers")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = random_model()
    result = {"device": torch.cuda.get_device_name() if "cuda" in options.device else options.device}
    result["agreement"] = {
        one.name: differences(one, options.device)
        for one in (model, *map(shipped_model, ("hexafluorobutene", "ammonia")))
    }
    for name, values in result["agreement"].items():
        print(name, {key: f"{value:.2g}" for key, value in values.items()}, flush=True)
    step, _ = stepper(model, 256)
    own = median_seconds(step, repeats=5, on_device=False)
    floor = median_seconds(matrix_products(model, 256), repeats=5, on_device=False)
    print(f"processor, one thread: {256 / own:.0f} steps/s, {own / floor:.2f} times its products", flush=True)
    result["processor_steps_per_s"] = 256 / own
    for n in options.trajectories:
        found = rates(model, options.device, n, options.repeats)
        result[str(n)] = {name: n / seconds for name, seconds in found.items()}
        print(
            f"{n} trajectories: {n / found['step']:.0f} steps/s, {n / found['surface']:.0f} surfaces/s, "
            f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB",
            flush=True,
        )
    for size in options.batch_sizes:
        found = training_seconds(options.device, size, options.repeats)
        result[f"training_frames_per_s_{size}"] = size / found
        print(f"training, batches of {size}: {1e3 * found:.1f} ms a step, {size / found:.0f} frames/s")
    if options.json:
        with open(options.json, "w") as file:
            json.dump(result, file, indent=1)


if __name__ == "__main__":
    main()
