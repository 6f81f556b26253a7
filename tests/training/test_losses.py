"""What the loss sees and what it is blind to."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from teacher import dataset, teacher, without_labels

from nadyn.electronic.signs import coupling_signs
from nadyn.training.losses import (
    NoiseScales,
    gap_weights,
    inverse_square_gap,
    residuals,
    surplus_penalty,
    total_loss,
)
from nadyn.training.predictions import label_pairs, predict
from nadyn.training.samples import samples_from_group

GIVEN = {"energy": 0.01, "force": 0.02, "coupling": 0.015}
WEIGHTS = {"energy": 1.0, "force": 10.0, "coupling": 7.0}
LEARNED = dict.fromkeys(GIVEN)
BOUND = dict.fromkeys(GIVEN, 5.0)
NO_BOUND = dict.fromkeys(GIVEN, 1e4)


@pytest.fixture(scope="module")
def three_states():
    return dataset(7, basis="3x0e", n_states=3).groups[0]


@pytest.fixture(scope="module")
def student():
    """Not the teacher: its residuals are large."""
    model = teacher("3x0e", n_states=3)
    for parameter in model.potential.parameters():
        parameter.mul_(1.2)
    return model.potential.requires_grad_(True)


def _loss(network, batch, given=GIVEN):
    prediction = predict(network, batch, label_pairs((batch,), network.n_states))
    return total_loss(
        residuals((prediction,), (batch,)), NoiseScales(given), weights=WEIGHTS, outlier_sigmas=BOUND
    )


def _gradient(network, loss):
    return torch.autograd.grad(loss, list(network.parameters()), allow_unused=True, materialize_grads=True)


def test_the_loss_does_not_see_the_sign_of_any_state(three_states, student):
    batch = samples_from_group(three_states)
    expected = _loss(student, batch)
    for signs in itertools.product((1.0, -1.0), repeat=3):
        flips = torch.tensor([signs[k] * signs[l] for k, l in ((0, 1), (0, 2), (1, 2))], dtype=torch.float64)
        flipped = replace(batch, couplings=batch.couplings * flips[:, None, None])
        assert torch.equal(_loss(student, flipped), expected)
    # The sign of a pair alone is no sign of a state.
    wrong = replace(batch, couplings=batch.couplings * torch.tensor([1.0, 1.0, -1.0]).double()[:, None, None])
    assert not torch.equal(_loss(student, wrong), expected)


def test_the_loss_of_the_teacher_itself_is_that_of_no_residuals():
    frames = dataset(5, basis="3x0e", n_states=3).groups[0]
    batch = samples_from_group(frames)
    loss = _loss(teacher("3x0e", n_states=3).potential, batch)
    expected = sum(WEIGHTS[q] * 0.5 * math.log(GIVEN[q] ** 2) for q in GIVEN)
    assert float(loss.detach()) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("array", ["forces", "interstate_couplings"])
def test_a_frame_without_a_label_counts_as_if_it_were_not_there(three_states, student, array):
    quantity = {"forces": "force", "interstate_couplings": "coupling"}[array]
    holes = samples_from_group(without_labels(three_states, [2, 5], **{array: None}))
    others = samples_from_group(three_states.select([0, 1, 3, 4, 6]))
    pairs = label_pairs((holes,), 3)
    with_holes = residuals((predict(student, holes, pairs),), (holes,))
    without = residuals((predict(student, others, pairs),), (others,))
    values = with_holes[quantity]
    assert torch.isnan(values).tolist() == [frame in (2, 5) for frame in range(7)]
    torch.testing.assert_close(values[~torch.isnan(values)], without[quantity])

    def only(values):
        kept = {"energy": torch.full_like(values["energy"], torch.nan), quantity: values[quantity]}
        return total_loss(kept, NoiseScales(GIVEN), weights=WEIGHTS, outlier_sigmas=BOUND)

    torch.testing.assert_close(only(with_holes), only(without))
    for a, b in zip(_gradient(student, only(with_holes)), _gradient(student, only(without)), strict=True):
        assert bool(torch.isfinite(a).all())
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-9)


def test_forces_of_the_active_state_alone_train_that_state_alone(three_states):
    forces = three_states.forces.copy()
    forces[:, [0, 2]] = np.nan
    batch = samples_from_group(replace(three_states, forces=forces))
    network = teacher("3x0e", n_states=3).potential
    prediction = predict(network, batch, label_pairs((batch,), 3))
    shifted = prediction.gradients.clone()
    shifted[:, 0] += 7.0
    changed = replace(prediction, gradients=shifted)
    before, after = (residuals((one,), (batch,))["force"] for one in (prediction, changed))
    assert torch.equal(before, after)
    assert bool(torch.isfinite(before).all())


def test_a_prediction_that_is_not_a_number_is_not_taken_for_a_missing_label(three_states, student):
    batch = samples_from_group(three_states)
    prediction = predict(student, batch, label_pairs((batch,), 3))
    for field in ("energies", "gradients"):
        broken = getattr(prediction, field).detach().clone()
        broken[4] = torch.nan
        values = residuals((replace(prediction, **{field: broken}),), (batch,))
        loss = total_loss(values, NoiseScales(LEARNED), weights=WEIGHTS, outlier_sigmas=BOUND)
        assert not math.isfinite(float(loss.detach()))


def test_each_quantity_has_its_own_bound_of_outliers():
    """ρ by its formula, for residuals fifty times the noise."""
    values = {q: torch.tensor([(50 * GIVEN[q]) ** 2], dtype=torch.float64) for q in GIVEN}
    bounds = {"energy": 2.0, "force": 3.0, "coupling": 75.0}
    expected = sum(
        WEIGHTS[q] * 0.5 * (bounds[q] ** 2 * math.log1p(2500.0 / bounds[q] ** 2) + 2 * math.log(GIVEN[q]))
        for q in GIVEN
    )
    loss = total_loss(values, NoiseScales(GIVEN), weights=WEIGHTS, outlier_sigmas=bounds)
    assert float(loss) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("n_states", [2, 3, 4])
def test_coupling_signs_are_the_best_of_all_choices(n_states):
    random = torch.Generator().manual_seed(n_states)
    pairs = tuple(itertools.combinations(range(n_states), 2))
    predicted = torch.randn(9, len(pairs), 5, 3, generator=random, dtype=torch.float64)
    reference = torch.randn(9, len(pairs), 5, 3, generator=random, dtype=torch.float64)
    reference[2, 0] = torch.nan
    reference[5] = torch.nan
    signs = coupling_signs(predicted, reference, pairs)
    for frame in range(9):
        known = [i for i in range(len(pairs)) if not torch.isnan(reference[frame, i]).any()]

        def error(products, frame=frame, known=known):
            return sum(
                float(((predicted[frame, i] - products[i] * reference[frame, i]) ** 2).sum()) for i in known
            )

        choices = [[s[k] * s[l] for k, l in pairs] for s in itertools.product((1.0, -1.0), repeat=n_states)]
        assert signs[frame].tolist() in choices
        assert error(signs[frame].tolist()) == pytest.approx(min(map(error, choices)))


def test_ordinary_frames_count_by_their_square_and_outliers_by_its_logarithm():
    def loss(squares):
        values = {"energy": torch.tensor(squares, dtype=torch.float64)}
        return float(
            total_loss(values, NoiseScales({**LEARNED, "energy": 0.1}), weights=WEIGHTS, outlier_sigmas=BOUND)
        )

    constant = 0.5 * math.log(0.01)
    # x = r²/σ² of 0.2, 4 and a million; ρ(x) = 25 ln(1 + x/25).
    assert loss([0.002]) == pytest.approx(constant + 0.5 * 0.2, rel=1e-3)
    expected = [25 * math.log(1 + x / 25) for x in (0.2, 4.0, 1e6)]
    assert loss([0.002, 0.04, 1e4]) == pytest.approx(constant + 0.5 * np.mean(expected), rel=1e-12)
    assert loss([1e4]) < 150


def test_a_given_noise_stays_and_a_learned_one_follows_the_residuals():
    scales = NoiseScales({"energy": 0.3, "force": None, "coupling": None})
    random = np.random.default_rng(2)
    for _ in range(600):
        squares = torch.from_numpy(0.04 * random.chisquare(30, size=32) / 30)
        assert scales.update("energy", squares, 25.0) == 0.09
        scales.update("force", squares, 25.0)
    # A running mean over 50 batches of 32 values with relative spread 0.26.
    assert scales.variances["force"] == pytest.approx(0.04, rel=3 * 0.26 / (32 * 100) ** 0.5)
    before = scales.variances["force"]
    scales.update("force", torch.tensor([1e9], dtype=torch.float64), 25.0)
    assert scales.variances["force"] == pytest.approx(before * (1 + 24 / 50))


def test_without_outliers_the_learned_noise_is_where_the_loss_is_lowest():
    squares = torch.tensor([0.01, 0.02, 0.03], dtype=torch.float64)
    values = {"energy": squares}

    def loss(sigma):
        return float(
            total_loss(
                values, NoiseScales({**LEARNED, "energy": sigma}), weights=WEIGHTS, outlier_sigmas=NO_BOUND
            )
        )

    best = NoiseScales(LEARNED).update("energy", squares, 1e8) ** 0.5
    assert best == pytest.approx(0.02**0.5)
    assert loss(best) < min(loss(0.99 * best), loss(1.01 * best))


def test_with_weights_of_frames_too_the_learned_noise_is_where_the_loss_is_lowest():
    values = {"energy": torch.tensor([0.01, 0.02, 0.9], dtype=torch.float64)}
    # The third frame contradicts the others and hardly counts.
    weights = torch.tensor([1.9, 1.1, 1e-3], dtype=torch.float64)

    def loss(scales):
        given = {"weights": WEIGHTS, "outlier_sigmas": NO_BOUND, "frame_weights": weights}
        return float(total_loss(values, scales, **given))

    learned = NoiseScales(LEARNED)
    loss(learned)
    best = learned.variances["energy"] ** 0.5
    assert best == pytest.approx(((1.9 * 0.01 + 1.1 * 0.02 + 1e-3 * 0.9) / 3) ** 0.5)
    at = [loss(NoiseScales({**LEARNED, "energy": sigma})) for sigma in (0.98 * best, best, 1.02 * best)]
    assert at[1] < min(at[0], at[2])


def test_a_first_batch_of_frames_that_do_not_count_leaves_a_noise_that_can_grow():
    squares, nothing = torch.tensor([0.01, 0.03], dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    scales = NoiseScales(LEARNED)
    assert scales.update("energy", squares, 25.0, nothing) == pytest.approx(0.02)
    for _ in range(400):
        scales.update("energy", 4.0 * squares, 25.0, torch.ones(2, dtype=torch.float64))
    assert scales.variances["energy"] == pytest.approx(0.08, rel=1e-2)


def test_with_outliers_the_learned_noise_is_the_bounded_mean_and_above_where_the_loss_is_lowest():
    squares = torch.tensor([0.01, 0.02, 0.03, 0.04, 9.0], dtype=torch.float64)
    nu = 4.0
    scales = NoiseScales(LEARNED)
    for _ in range(4000):
        variance = scales.update("energy", squares, nu)
    assert variance == pytest.approx(float(squares.clamp(max=nu * variance).mean()), rel=1e-5)
    # Derivative of the loss in ln σ² at that point: positive, so the loss would be lower with less noise.
    x = squares / variance
    assert float((1.0 - x / (1.0 + x / nu)).mean()) > 0.04


def test_weights_by_the_gap_favour_near_frames_and_have_a_mean_of_one():
    energies = torch.tensor(
        [[0.0, 0.10, 0.11], [0.0, 0.20, 0.60], [-0.1, 0.4, 0.9], [0.3, 0.3, 0.8]], dtype=torch.float64
    )
    width = 0.02
    raw = inverse_square_gap(energies, width)
    gaps = np.array([0.01, 0.20, 0.50, 0.0])
    np.testing.assert_allclose(raw.numpy(), 1 / (gaps**2 + width**2), rtol=1e-12)
    weights = gap_weights(energies, float(raw.mean()), width)
    assert float(weights.mean()) == pytest.approx(1.0)
    assert weights.argmax() == 3


def test_frame_weights_multiply_the_residuals_and_not_the_noise():
    values = {"energy": torch.tensor([0.01, torch.nan, 0.03], dtype=torch.float64)}
    weights = torch.tensor([2.0, 5.0, 0.5], dtype=torch.float64)
    scales = NoiseScales({**LEARNED, "energy": 0.1})
    loss = total_loss(values, scales, weights=WEIGHTS, outlier_sigmas=BOUND, frame_weights=weights)
    rho = [25 * math.log(1 + x / 25) for x in (1.0, 3.0)]
    expected = 0.5 * ((2.0 * rho[0] + 0.5 * rho[1]) / 2 + math.log(0.01))
    assert float(loss) == pytest.approx(expected)


def test_surplus_levels_cost_only_within_the_margin():
    margin = 0.02
    far = torch.tensor([0.02, 0.5, torch.inf], dtype=torch.float64)
    assert float(surplus_penalty(far, margin)) == 0.0
    near = torch.tensor([0.016, 0.5], dtype=torch.float64)
    assert float(surplus_penalty(near, margin)) == pytest.approx(0.25)


def test_only_pairs_that_some_frame_has_labels_for_are_predicted(three_states):
    whole = samples_from_group(three_states)
    assert label_pairs((whole,), 3) == ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
    assert label_pairs((replace(whole, forces=None),), 3) == ((0, 1), (0, 2), (1, 2))
    bare = replace(whole, forces=None, couplings=None)
    assert label_pairs((bare,), 3) == ()
    prediction = predict(teacher("3x0e", n_states=3).potential, bare, ())
    assert prediction.gradients.shape == (7, 0, 4, 3)
    torch.testing.assert_close(prediction.energies, bare.energies, rtol=0, atol=1e-9)
