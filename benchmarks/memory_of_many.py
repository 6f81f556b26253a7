"""Memory of one process with many trajectories of 24 atoms: surface hopping, 3 states, one thread.

    python benchmarks/memory_of_many.py [--trajectories 100000] [--hidden 16 16]

Printed is the largest memory of the process after it has loaded, begun the batch and made a step. The layers
of the network are small, so that it takes half a minute; what evaluates them holds 3,072 atoms at a time
whatever their size and the number of trajectories.
"""

import argparse
import resource
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from step_cost import random_model, stepper

from nadyn.models.potential import Potential


def gigabytes() -> float:
    """Return the largest memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # kB on Linux


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trajectories", type=int, default=100_000)
    parser.add_argument("--hidden", type=int, nargs="+", default=[16, 16])
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = random_model()
    settings = model.potential.settings
    layers = replace(settings.network, hidden=tuple(options.hidden))
    network = Potential(replace(settings, network=layers))
    network.requires_grad_(False)
    model = replace(model, potential=network)
    frames = model.starting_geometry + 0.1 * torch.randn(64, 24, 3, dtype=torch.float64)
    network.standardise([model.surroundings(frames)])

    def told(what: str, function: Callable[[], object]) -> object:
        started = time.process_time()
        result = function()
        print(
            f"{what}: {gigabytes():.2f} GB, {time.process_time() - started:.0f} s of processor time",
            flush=True,
        )
        return result

    told("loaded", lambda: None)
    step, _ = told(f"{options.trajectories} trajectories", lambda: stepper(model, options.trajectories))
    told("a step", step)


if __name__ == "__main__":
    main()
