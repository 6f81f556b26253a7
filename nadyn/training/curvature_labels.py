"""Couplings from the curvature of a trained network as labels of the frames that it was trained on."""

import copy
import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from jaxtyping import Float, Int
from torch import Tensor

from nadyn.electronic.eigen import eigh
from nadyn.models.learned import Network
from nadyn.training.checkpoint import read_progress
from nadyn.training.curvature_couplings import Gradients, close_pairs, curvature_couplings
from nadyn.training.loop import Progress
from nadyn.training.samples import Samples

# One entry a group of samples: numbers of frames, and h of all pairs of states of all frames, NaN without.
Chosen = tuple[Int[Tensor, "_"], ...]
Couplings = tuple[Float[Tensor, "_ _ _ 3"], ...]

# Below this many labels the network is not told which way the states cross.
FEWEST_FRAMES = 20
_MOST_FRAMES = 1000
# Frames of so many atoms in all at once.
_ATOM_ROWS = 400


def allowed_frames(n_steps: int, samples: tuple[Samples, ...]) -> int:
    """Return how many frames may be labelled beside a training of so many steps.

    A label costs 6N + 1 gradients for N atoms, about N/8 steps: all together take at most an eighth of the
    training.
    """
    largest = max(len(group.numbers) for group in samples)
    return min(_MOST_FRAMES, n_steps // largest)


def close_frames(samples: tuple[Samples, ...]) -> Chosen:
    """Return the frames of each group that have a close pair of states, the smallest gap first."""
    result = []
    for group in samples:
        index = torch.nonzero(close_pairs(group.energies).any(dim=1)).flatten()
        gap = torch.diff(group.energies[index], dim=1).nan_to_num(torch.inf).amin(dim=1)
        result.append(index[torch.argsort(gap, stable=True)])
    return tuple(result)


def evenly(index: Int[Tensor, "chosen"], part: float) -> Int[Tensor, "fewer"]:
    """Return this part of the frames, evenly spaced in their order."""
    n_kept = min(len(index), round(part * len(index)))
    places = (torch.arange(n_kept, dtype=torch.float64) + 0.5) * len(index) / max(1, n_kept)
    return index[places.long()]


def label(
    network: Network,
    samples: tuple[Samples, ...],
    chosen: Chosen,
    *,
    title: str,
    report: Callable[[Progress], None],
) -> Couplings:
    """Return couplings of every frame and pair of states of each group; NaN where there is no label.

    Only neighbouring states that are close have one, in the chosen frames, where a direction stands out.

    Args:
        network: Trained on energies and forces.
        samples: Frames to label.
        chosen: Frames of each group that are looked at.
        title: What is done, for the progress.
        report: Called after each part.
    """
    network = copy.deepcopy(network).double()
    n_states = network.n_states
    pairs = [(k, l) for k in range(n_states) for l in range(k + 1, n_states)]
    steps = [pairs.index((k, k + 1)) for k in range(n_states - 1)]
    total = sum(map(len, chosen))
    progress = Progress(n_steps=total, steps_per_epoch=max(1, total), title=title)
    started = time.monotonic()
    result = []
    for group, index in zip(samples, chosen, strict=True):
        couplings = torch.full(
            (len(group), len(pairs), *group.positions.shape[1:]), torch.nan, dtype=torch.float64
        )
        for part in index.split(max(1, _ATOM_ROWS // len(group.numbers))):
            frames = group.take(part)
            found = curvature_couplings(_gradients(network, frames), frames.positions)
            found[~close_pairs(frames.energies)] = torch.nan
            couplings[part[:, None], torch.tensor(steps)] = found
            progress.step += len(part)
            progress.seconds_a_step = (time.monotonic() - started) / progress.step
            report(progress)
        result.append(couplings)
    return tuple(result)


def labelled(samples: tuple[Samples, ...], couplings: Couplings) -> tuple[Samples, ...]:
    """Return the samples with these couplings."""
    return tuple(replace(group, couplings=h) for group, h in zip(samples, couplings, strict=True))


def count(couplings: Couplings) -> int:
    """Return the number of frames with a label."""
    return sum(int((~h.isnan()).flatten(1).any(dim=1).sum()) for h in couplings)


def label_or_read(
    network: Network,
    samples: tuple[Samples, ...],
    *,
    n_frames: int,
    title: str,
    path: Path,
    origin: dict[str, dict[str, object]],
    resume: bool,
    report: Callable[[Progress], None],
) -> tuple[Couplings, float]:
    """Return the labels of `label` and the seconds that they took; made once, they are kept in a file.

    Args:
        network: Trained on energies and forces.
        samples: Frames to label.
        n_frames: How many frames are looked at, at most: evenly spaced in the order of their gap.
        title: What is done, for the progress.
        path: File beside the checkpoint of the training.
        origin: See `train_network`.
        resume: Read the file if it is there.
        report: Called after each part.
    """
    if resume and path.exists():
        tensors = safetensors.torch.load_file(path)
        couplings = tuple(tensors[str(number)] for number in range(len(tensors)))
        return couplings, read_progress(path)["seconds"]
    started = time.monotonic()
    close = close_frames(samples)
    part = n_frames / max(1, sum(map(len, close)))
    chosen = tuple(evenly(index, part) for index in close)
    couplings = label(network, samples, chosen, title=title, report=report)
    seconds = time.monotonic() - started
    temporary = path.with_name(f".{path.name}.tmp")
    metadata = {"progress": json.dumps({"origin": origin, "seconds": seconds})}
    tensors = {str(number): h for number, h in enumerate(couplings)}
    safetensors.torch.save_file(tensors, temporary, metadata=metadata)
    os.replace(temporary, path)
    return couplings, seconds


def _gradients(network: Network, frames: Samples) -> Gradients:
    """Return the energies of a float64 network and their gradients, as a function of the positions."""
    n_states = network.n_states

    def function(positions: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            inputs = positions.detach().requires_grad_(True)
            environment = frames.take(index).environment(inputs, network.network.cutoff, torch.float64)
            hamiltonian, _ = network(environment)
        energies, vectors = eigh(hamiltonian.detach())
        slopes = []
        for state in range(n_states):
            vector = vectors[:, :, state]
            cotangent = vector.unsqueeze(2) * vector.unsqueeze(1)
            slopes.append(torch.autograd.grad(hamiltonian, inputs, cotangent, retain_graph=True)[0])
        return energies[:, :n_states], torch.stack(slopes, dim=1)

    return function
