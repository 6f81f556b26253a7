"""What the judgement of a committee costs: seconds a step of a run, of one member and of a committee.

    python benchmarks/committee_cost.py [--members 4] [--trajectories 200] [--steps 60]

Members are the shipped model of ammonia or hexafluorobutene with slightly other weights: what they say does
not matter here. Best of three runs in turn, on one thread; nothing is written while the clock runs.
"""

import argparse
import time
from dataclasses import replace

import torch

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


def seconds_a_step(model: Model, n_trajectories: int, n_steps: int) -> float:
    """Return the time of one step of a batch [s]."""
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
    started = time.perf_counter()
    for _ in range(n_steps):
        step = judged_step(state, plan.motion.step(state, model), model, plan.method)
        statuses(state, step, model, plan.limits)
        state = step.state
    return (time.perf_counter() - started) / n_steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=4)
    parser.add_argument("--trajectories", type=int, default=200)
    parser.add_argument("--steps", type=int, default=60)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name in ("ammonia/ammonia", "hexafluorobutene/hexafluorobutene"):
        one = nadyn.load_model(path(f"{name}.safetensors"))
        several = Committee((one, *(nearly(one, seed) for seed in range(1, arguments.members))))
        size = (arguments.trajectories, arguments.steps)
        times = [(seconds_a_step(one, *size), seconds_a_step(several, *size)) for _ in range(3)]
        alone, together = (min(column) for column in zip(*times, strict=True))
        print(
            f"{name}: {1e3 * alone:.1f} ms a step alone, {1e3 * together:.1f} ms with {arguments.members} "
            f"members: {together / alone:.2f} times"
        )


if __name__ == "__main__":
    main()
