"""A committee of networks with random weights that differ a little."""

from dataclasses import replace

import torch
from contracts.untrained import untrained

from nadyn.models.calibration import Calibration, Scale
from nadyn.models.committee import Committee
from nadyn.models.learned import LearnedModel

CALIBRATION = Calibration(
    {
        "energy": Scale(1.5, 1e-4, 0.02),
        "gap": Scale(1.7, 0.0, 0.03),
        "force": Scale(1.2, 2e-4, 0.0),
        "coupling": Scale(1.1),
    },
    n_frames=30,
)


def nearly(model: LearnedModel, amount: float, seed: int) -> LearnedModel:
    """Return the model with every weight changed by about this part of its size."""
    changed = replace(model, potential=type(model.potential)(model.potential.settings))
    changed.potential.load_state_dict(model.potential.state_dict())
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in changed.potential.parameters():
            parameter.mul_(1.0 + amount * torch.randn(parameter.shape, generator=generator))
    changed.potential.requires_grad_(False)
    return changed


def committee(
    n_members: int = 3,
    *,
    amount: float = 0.02,
    basis: str | None = "2x0e + 1x1o",
    n_states: int = 2,
    calibration: Calibration | None = CALIBRATION,
) -> Committee:
    """Return members that are the first one with other weights, by about 2 %."""
    first = untrained("moments", basis, n_states=n_states)
    others = (nearly(first, amount, seed) for seed in range(1, n_members))
    return Committee((first, *others), calibration, trained_on={"seeds": list(range(n_members))})
