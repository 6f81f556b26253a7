"""What the judgement of a committee costs: a step of a run, of one member and of a committee.

    python benchmarks/committee_cost.py [--members 4] [--trajectories 200] [--steps 60]

Members are the shipped model of ammonia or hexafluorobutene with slightly other weights: what they say does
not matter here. Both steps and the bare matrix products of their networks, forwards and once backwards, are
made in turn on one thread; medians of processor time. Nothing is written while the clock runs.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from step_cost import matrix_products

import nadyn
from nadyn.dynamics.initial.start import start_in_state
from nadyn.dynamics.run.judging import judged_start, judged_step
from nadyn.dynamics.run.prepare import plan_of
from nadyn.dynamics.run.stopping import statuses
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.models.committee import Committee
from nadyn.models.learned import LearnedModel
from nadyn.models.model import Model
from nadyn.shipped import path


def nearly(model: LearnedModel, seed: int) -> LearnedModel:
    """Return the model with weights that differ by a thousandth."""
    network = type(model.potential)(model.potential.settings)
    network.load_state_dict(model.potential.state_dict())
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1.0 + 1e-3 * torch.randn(parameter.shape, generator=generator))
    network.requires_grad_(False)
    return replace(model, potential=network)


def stepper(model: Model, n_trajectories: int) -> Callable[[], None]:
    """Return a function that makes a judged step of a batch."""
    content = {"initial": {"sample": "wigner", "n": 1}, "method": "fssh", "dt_fs": 0.25, "time_fs": 100.0}
    plan = plan_of(RunConfiguration.model_validate(content), model, model.masses)
    noise = torch.randn(
        (2, n_trajectories, len(model.masses), 3),
        generator=torch.Generator().manual_seed(1),
        dtype=torch.float64,
    )
    positions = model.starting_geometry + 0.05 * noise[0]
    momenta = 3.0 * noise[1]
    state = start_in_state(model, positions, momenta, masses=model.masses, active_state=1)
    state = judged_start(plan.motion.begin(state, model), model, plan.method)

    def step() -> None:
        nonlocal state
        made = judged_step(state, plan.motion.step(state, model), model, plan.method)
        statuses(state, made, model, plan.limits)
        state = made.state

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=4)
    parser.add_argument("--trajectories", type=int, default=200)
    parser.add_argument("--steps", type=int, default=60)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    n = arguments.trajectories
    for name in ("ammonia/ammonia", "hexafluorobutene/hexafluorobutene"):
        one = nadyn.load_model(path(f"{name}.safetensors"))
        several = Committee((one, *(nearly(one, seed) for seed in range(1, arguments.members))))
        work = {
            "alone": stepper(one, n),
            "together": stepper(several, n),
            "products": matrix_products(one, n),
        }
        times: dict[str, list[float]] = {part: [] for part in work}
        for number in range(arguments.steps + 2):
            for part, function in work.items():
                started = time.process_time()
                function()
                if number >= 2:  # the first calls compile and allocate
                    times[part].append(time.process_time() - started)
        alone, together, products = (1e3 * statistics.median(times[part]) for part in work)
        print(
            f"{name}: {alone:.1f} ms a step alone, {together:.1f} ms with {arguments.members} members "
            f"({together / alone:.2f} times); over their own bare products {alone / products:.2f} and "
            f"{together / products / arguments.members:.2f}"
        )


if __name__ == "__main__":
    main()
