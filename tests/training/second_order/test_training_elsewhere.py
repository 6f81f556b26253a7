"""The gradient of a loss is taken where the network and the frames are."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from contracts.untrained import untrained

from nadyn.data.dataset import Group
from nadyn.electronic import eigen
from nadyn.training.predictions import label_pairs, predict_beside
from nadyn.training.samples import Samples, samples_together


def frames(numbers: tuple[int, ...], n_frames: int, n_states: int) -> Group:
    """Frames with labels of energies, forces and couplings; their values do not matter here."""
    n, n_pairs = len(numbers), n_states * (n_states - 1) // 2
    positions = 2.3 * np.arange(3 * n * n_frames).reshape(n_frames, n, 3) % 7.0
    couplings = np.zeros((n_frames, n_pairs, n, 3)) if n_pairs else None
    energies, forces = np.zeros((n_frames, n_states)), np.zeros((n_frames, n_states, n, 3))
    name = "+".join(map(str, numbers))
    return Group(name, np.array(numbers), positions, energies, forces=forces, interstate_couplings=couplings)


def moved(samples: Samples, device: str) -> Samples:
    found = {one.name: getattr(samples, one.name) for one in fields(samples)}
    return replace(
        samples, **{name: one.to(device) for name, one in found.items() if isinstance(one, torch.Tensor)}
    )


@pytest.mark.parametrize("encoder", ["moments", "equivariant"])
@pytest.mark.parametrize(("basis", "n_states"), [(None, 1), ("1x0e + 1x1o + 1x1e", 3)])
def test_predictions_and_their_gradient_are_where_the_network_is(encoder, basis, n_states, monkeypatch):
    # The meta device computes shapes only, and refuses tensors of the processor as any other does; it cannot
    # say whether a number is finite.
    monkeypatch.setattr(eigen, "all_finite", lambda array: True)
    potential = untrained(encoder, basis, n_states=n_states, repulsion=3.0).potential
    potential = potential.requires_grad_(True).to("meta")
    groups = (frames((7, 1, 1, 9, 1), 4, n_states), frames((6, 6, 1, 1, 9, 7), 2, n_states))
    batch = tuple(moved(one, "meta") for one in samples_together(groups))
    pairs = label_pairs(batch, n_states)
    predictions, gaps = predict_beside(potential, batch, pairs, batch[1:])
    assert gaps.shape == (2,)
    loss = sum(one.energies.sum() + one.gradients.sum() for one in predictions)
    torch.autograd.backward(loss, inputs=list(potential.parameters()))
    assert {one.grad.device.type for one in potential.parameters() if one.grad is not None} == {"meta"}
    for one, part in zip(predictions, batch, strict=True):
        assert one.gradients.shape == (len(part), len(pairs), *part.positions.shape[1:])
        assert one.gradients.device.type == "meta"
