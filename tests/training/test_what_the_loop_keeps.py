"""The loop keeps the best weights and surplus levels away, and its errors know no signs."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from teacher import configuration, dataset, teacher

from nadyn.training import loop, step
from nadyn.training.predictions import label_pairs
from nadyn.training.samples import samples_from_group
from nadyn.training.train import train
from nadyn.training.validation import validate

pytestmark = pytest.mark.usefixtures("unchecked_annotations")


def test_the_best_weights_are_kept_where_the_last_ones_are_worse(tmp_path, monkeypatch):
    seen, scores, plain = [], [3.0, 1.0, 2.0, 4.0], loop.validate

    def judged(network, *arguments):
        seen.append([parameter.detach().clone() for parameter in network.parameters()])
        return replace(plain(network, *arguments), score=scores[len(seen) - 1])

    monkeypatch.setattr(loop, "validate", judged)
    trained = train(dataset(couplings=False), tmp_path / "m.safetensors", configuration(epochs=4))
    assert len(seen) == 4 and trained.outcome.progress.best_score == 1.0
    for kept, best, last in zip(trained.model.potential.parameters(), seen[1], seen[3], strict=True):
        assert torch.equal(kept, best)
        assert kept.ndim < 2 or not torch.equal(kept, last)


def test_surplus_levels_within_the_margin_are_pushed_away(tmp_path, monkeypatch):
    # A margin that every frame violates: what pushes can only be the penalty.
    monkeypatch.setattr(step, "_SURPLUS_MARGIN", 0.5)
    gaps = {}
    for name, factor in (("with", 1.0), ("without", 0.0)):
        plain = step.surplus_penalty
        with monkeypatch.context() as patch:
            patch.setattr(step, "surplus_penalty", lambda g, m, f=factor, p=plain: f * p(g, m))
            model = {"hidden": [16, 8], "basis": "1x0e + 1x1o", "start": ["0e", "1o"]}
            settings = configuration(epochs=4, model=model, learning_rate=3e-3, average_decay=0.5)
            trained = train(dataset(couplings=False), tmp_path / f"{name}.safetensors", settings)
        positions = torch.from_numpy(dataset().groups[0].positions)
        levels = torch.linalg.eigvalsh(trained.model.evaluate(positions).hamiltonian)
        gaps[name] = float((levels[:, 2] - levels[:, 1]).mean())
    assert gaps["with"] > 1.5 * gaps["without"]


def test_validation_errors_of_couplings_know_no_signs_of_states():
    group = dataset(16).groups[0]
    rng = np.random.default_rng(2)
    # One sign a state and frame, as another program may have chosen.
    signs = rng.choice([-1.0, 1.0], size=(16, 2))
    turned = replace(
        group,
        interstate_couplings=group.interstate_couplings * (signs[:, 0] * signs[:, 1])[:, None, None, None],
    )
    network = teacher("2x0e", 2).potential
    errors = []
    for some in (group, turned):
        samples = (samples_from_group(some),)
        errors.append(validate(network, samples, label_pairs(samples, 2)))
    assert errors[0].mae["coupling"] == pytest.approx(errors[1].mae["coupling"], abs=1e-12)
    assert max(errors[0].mae["coupling"]) < 1e-6


def test_frames_of_a_small_gap_count_more_where_asked(tmp_path, monkeypatch):
    seen, plain = [], step.total_loss

    def recorded(*arguments, frame_weights, **keys):
        seen.append(frame_weights)
        return plain(*arguments, frame_weights=frame_weights, **keys)

    monkeypatch.setattr(step, "total_loss", recorded)
    data = dataset(couplings=False)
    train(data, tmp_path / "a.safetensors", configuration(epochs=1, gap_weight=True))
    weights = torch.cat(seen)
    assert abs(float(weights.mean()) - 1.0) < 0.1 and float(weights.max() - weights.min()) > 1e-3
    seen.clear()
    train(data, tmp_path / "b.safetensors", configuration(epochs=1))
    assert seen and all(weight is None for weight in seen)
