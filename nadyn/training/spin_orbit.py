"""Spin-orbit coupling learned between models of several spins: the head alone, everything else as it is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from nadyn.checks.counts import counted
from nadyn.checks.errors import InputError
from nadyn.data import Dataset, Group
from nadyn.electronic.operators import between_states
from nadyn.models.heads.spin_orbit import SpinOrbitHead
from nadyn.models.learned import LearnedModel
from nadyn.models.spin_coupled import SpinCoupled, check_blocks, new_head
from nadyn.models.starting_weights import starting_weights
from nadyn.training.spin_orbit_frames import (
    CHUNK,
    SpinOrbitFrames,
    coupled_pairs,
    frames_of,
    frames_together,
    of_pairs,
    signed_labels,
)
from nadyn.units import HARTREE_PER_INVERSE_CM

# Beginnings that are tried, each for so many steps: which signs belong together is found in them.
_STARTS, _STEPS_OF_START = 4, 200
_BATCH = 32
_LEARNING_RATE, _WEIGHT_DECAY = 4e-3, 1e-2


@dataclass(frozen=True)
class SpinOrbitErrors:
    """Errors of the vectors between states, after the choice of one sign a state and frame.

    Attributes:
        n_frames: Frames compared.
        mae_cm1: Mean absolute error of a component [cm⁻¹].
        rmse_cm1: Root of the mean square.
        zero_mae_cm1: Mean absolute error of predicting nothing.
        relative_error: ‖v - v_ref‖/‖v_ref‖ over all frames.
    """

    n_frames: int
    mae_cm1: float
    rmse_cm1: float
    zero_mae_cm1: float
    relative_error: float

    def plain(self) -> dict[str, float]:
        """Return the errors under their names in JSON files."""
        return {
            "spin_orbit_mae_cm1": self.mae_cm1,
            "spin_orbit_rmse_cm1": self.rmse_cm1,
            "spin_orbit_relative_error": self.relative_error,
        }

    def in_words(self) -> str:
        """Return one line for people."""
        return (
            f"spin-orbit coupling on {counted(self.n_frames, 'frame')}: mean error {self.mae_cm1:.2f} cm⁻¹ "
            f"(predicting nothing: {self.zero_mae_cm1:.2f}), {100 * self.relative_error:.1f} % of its size"
        )


def learn_spin_orbit(
    blocks: Sequence[LearnedModel],
    dataset: Dataset,
    *,
    steps: int = 2000,
    seed: int = 1,
    validation_fraction: float = 0.1,
    report: Callable[[int, int], None] = lambda done, of: None,
) -> tuple[SpinCoupled, SpinOrbitErrors]:
    """Return the models with a spin-orbit coupling between them, and its errors on held-out frames.

    The head is fitted to v between the eigenvectors of the blocks, of which nothing changes. One sign a state
    and frame is free, the same for v and h. Which frames share a sign depends on where the fit begins: the
    best of four short fits, judged on the held-out frames, goes on.

    Args:
        blocks: A model for each multiplicity of the labels, ascending.
        dataset: Frames of their molecule with `spin_orbit`.
        steps: Length of the fit.
        seed: Draws the held-out frames, the beginnings and the batches.
        validation_fraction: Part of the frames that is held out, drawn at random.
        report: Is told steps done and their number.

    Raises:
        InputError: Data and models do not fit together.
    """
    check_blocks(tuple(blocks))
    untrained = SpinCoupled(tuple(blocks), new_head(tuple(blocks)).requires_grad_(False))
    frames = frames_together([frames_of(untrained, group) for group in dataset.groups])
    n_held = round(validation_fraction * len(frames))
    if len(frames) < 10 or n_held < 1:
        raise InputError(
            "the dataset must hold at least 10 frames with `spin_orbit`, one of them held out, but holds "
            f"{len(frames)}, and {n_held} are held out."
        )
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(frames)))
    held, learned = frames.take(order[:n_held]), frames.take(order[n_held:])
    short = min(_STEPS_OF_START, steps)
    total = _STARTS * short + steps
    fitted, tried = _Fit(untrained, learned), {}
    for number in range(_STARTS):
        head = fitted.run(fitted.begin(seed + number), short, seed, lambda step: None)
        tried[number] = _errors(replace(untrained, head=head), held).relative_error
        report((number + 1) * short, total)
    best = min(tried, key=tried.__getitem__)
    head = fitted.run(
        fitted.begin(seed + best), steps, seed, lambda step: report(_STARTS * short + step, total)
    )
    model = replace(untrained, head=head.requires_grad_(False))
    errors = _errors(model, held)
    told = {
        "spin_orbit_groups": [group.name for group in dataset.groups],
        "spin_orbit_frames": len(learned),
        "spin_orbit_held_out": n_held,
        "spin_orbit_mae_cm1": errors.mae_cm1,
        "spin_orbit_relative_error": errors.relative_error,
        "spin_orbit_steps": steps,
        "spin_orbit_seed": seed,
    }
    return replace(model, trained_on=told), errors


def spin_orbit_errors(model: SpinCoupled, group: Group) -> SpinOrbitErrors:
    """Return the errors of a model on the labels of a group.

    Raises:
        InputError: It has none, or is of other atoms or states.
    """
    return _errors(model, frames_together([frames_of(model, group)]))


class _Fit:
    """The fit of a head to frames."""

    def __init__(self, model: SpinCoupled, frames: SpinOrbitFrames):
        self.model, self.frames = model, frames
        self.network = model.blocks[0].potential.network
        known = frames.labels[~torch.isnan(frames.labels)]
        self.size = max(float(known.square().mean().sqrt()), 1e-9)
        self.pairs = coupled_pairs(model.multiplicities)

    def begin(self, seed: int) -> SpinOrbitHead:
        """Return an untrained head that reads scaled descriptors."""
        with starting_weights(seed):
            head = new_head(self.model.blocks)
        head.scale.fill_(self.size)
        chunks = self.frames.positions.split(CHUNK)
        head.standardise(self.network, [self.model.blocks[0].surroundings(chunk) for chunk in chunks])
        return head.requires_grad_(True)

    def run(self, head: SpinOrbitHead, steps: int, seed: int, report: Callable[[int], None]) -> SpinOrbitHead:
        """Return the head after so many steps of AdamW with a rate that rises and falls once."""
        optimizer = torch.optim.AdamW(head.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, _LEARNING_RATE, total_steps=steps + 1, pct_start=0.1
        )
        generator = np.random.default_rng((seed, 7))
        size = min(_BATCH, len(self.frames))
        for step in range(steps):
            chosen = generator.choice(len(self.frames), size, replace=False)
            part = self.frames.take(torch.from_numpy(chosen))
            surroundings = self.model.blocks[0].surroundings(part.positions)
            with torch.no_grad():
                features = self.network.encoder(surroundings)
            with torch.enable_grad():
                rows = head(features, surroundings)
                predicted = of_pairs(between_states(rows, part.states), self.pairs)
                labels = signed_labels(predicted, part, self.model.multiplicities)
                known = ~torch.isnan(labels)
                difference = torch.where(known, predicted - labels, 0.0) / self.size
                loss = difference.square().sum() / known.sum().clamp(min=1)
                optimizer.zero_grad()
                loss.backward()
            optimizer.step()
            schedule.step()
            report(step + 1)
        return head


@torch.no_grad()
def _errors(model: SpinCoupled, frames: SpinOrbitFrames) -> SpinOrbitErrors:
    pairs = coupled_pairs(model.multiplicities)
    differences, known_labels = [], []
    for index in torch.arange(len(frames)).split(CHUNK):
        part = frames.take(index)
        predicted = of_pairs(between_states(model.spin_orbit_vectors(part.positions), part.states), pairs)
        labels = signed_labels(predicted, part, model.multiplicities)
        known = ~torch.isnan(labels)
        differences.append((predicted - labels)[known])
        known_labels.append(labels[known])
    difference, label = (torch.cat(rows) / HARTREE_PER_INVERSE_CM for rows in (differences, known_labels))
    return SpinOrbitErrors(
        len(frames),
        float(difference.abs().mean()),
        float(difference.square().mean().sqrt()),
        float(label.abs().mean()),
        float(difference.norm() / label.norm()),
    )
