"""One step of a training, against a loss written out here; and what the validation compares."""

import math

import pytest
import torch
from teacher import configuration, dataset, geometries, labelled, teacher

from nadyn.data import Dataset
from nadyn.training.build import build_network, elements_of, shortest_distances
from nadyn.training.losses import NoiseScales, surplus_penalty
from nadyn.training.predictions import label_pairs, predict, surplus_gap
from nadyn.training.samples import displaced_frames, samples_from_group
from nadyn.training.step import given_noise, mean_of_gap_weights, train_step
from nadyn.training.turned import turned
from nadyn.training.validation import validate
from nadyn.units import BOHR_PER_ANGSTROM, EV_PER_ANGSTROM_PER_AU, HARTREE_PER_EV

NOISE = {"energy_ev": 0.02, "force_ev_per_angstrom": 0.05, "coupling_ev_per_angstrom": 0.07}


SIGMA = {
    "energy": 0.02 * HARTREE_PER_EV,
    "force": 0.05 / EV_PER_ANGSTROM_PER_AU,
    "coupling": 0.07 / EV_PER_ANGSTROM_PER_AU,
}
WEIGHTS = {"energy": 1.0, "force": 10.0, "coupling": 10.0}


def _network(settings, data):
    (batch,) = map(samples_from_group, data.groups)
    elements = elements_of(data)
    return build_network(settings, (batch,), shortest_distances(data, elements), elements), batch


def _squares(prediction, batch):
    """Mean squared residual of each frame, by quantity."""
    return {
        "energy": ((prediction.energies - batch.energies) ** 2).mean(dim=1),
        "force": ((prediction.gradients[:, :2] + batch.forces) ** 2).mean(dim=(1, 2, 3)),
        "coupling": torch.minimum(
            *(
                ((prediction.gradients[:, 2:] + sign * batch.couplings) ** 2).mean(dim=(1, 2, 3))
                for sign in (1.0, -1.0)
            )
        ),
    }


def _step(network, batch, settings, mean_gap_weight=None):
    """Loss of one step and the gradient that it leaves; the optimizer moves nothing."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.0, weight_decay=0.0)
    scales = NoiseScales(given_noise(settings))
    pairs = label_pairs((batch,), 2)
    loss = train_step(
        network, (batch,), pairs, optimizer, scales, settings, mean_gap_weight, step=3, looseness=1.0
    )
    return loss, [None if p.grad is None else p.grad.clone() for p in network.parameters()]


def test_the_noise_of_labels_has_the_unit_of_its_key():
    given = given_noise(configuration(label_noise=NOISE))
    assert given["energy"] == pytest.approx(0.02 / 27.211386, rel=1e-6)
    # 1 hartree/bohr is 51.422 eV/Å: noise of a twentieth of an eV/Å is a thousandth of that.
    assert given["force"] == pytest.approx(0.05 / 51.42207, rel=1e-6)
    assert given["coupling"] == pytest.approx(0.07 / 51.42207, rel=1e-6)


@pytest.mark.parametrize("basis", ["2x0e", "2x0e + 1x1o"])
def test_the_loss_of_a_step_is_that_of_its_formula_with_the_penalty_of_surplus_levels(monkeypatch, basis):
    model = {"hidden": [8], "basis": basis, "start": ["0e", "0e"]}
    settings = configuration(model=model, label_noise=NOISE, outlier_sigmas=1e4)
    # Not clipped, so that the whole gradient can be seen.
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda parameters, limit: torch.tensor(1.0))
    network, batch = _network(settings, dataset(5))
    with torch.no_grad():
        # Far from the surplus levels the penalty says nothing: they are brought near.
        network.reference.offsets[2:] = network.reference.offsets[1] + 0.3 * HARTREE_PER_EV
    loss, gradient = _step(network, batch, settings)
    prediction = predict(network, batch, ((0, 0), (1, 1), (0, 1)))
    squares = _squares(prediction, batch)
    expected = sum(
        0.5 * WEIGHTS[q] * (squares[q].mean() / SIGMA[q] ** 2 + 2.0 * math.log(SIGMA[q])) for q in SIGMA
    )
    if basis != "2x0e":
        displaced = displaced_frames((batch,), 0.3 * BOHR_PER_ANGSTROM, seed=1, step=3)
        gaps = torch.cat([prediction.surplus_gap, surplus_gap(network, displaced)])
        margin = 0.5 * HARTREE_PER_EV
        penalty = 0.5 * ((margin - gaps).clamp(min=0.0) / (margin / 5)).square().mean()
        assert float(penalty.detach()) > 0.5
        expected = expected + penalty
    assert loss == pytest.approx(float(expected.detach()), rel=1e-5)
    wanted = torch.autograd.grad(expected, list(network.parameters()), allow_unused=True)
    for found, value in zip(gradient, wanted, strict=True):
        if value is not None:
            torch.testing.assert_close(found, value, rtol=2e-3, atol=1e-4 * float(value.abs().max()) + 1e-9)


def test_frames_weigh_by_their_gap_beside_three_tenths_of_an_electronvolt():
    settings = configuration(label_noise=NOISE, outlier_sigmas=1e4)
    network, batch = _network(settings, dataset(6))
    # 0.05 to 0.9 eV: both sides of the width.
    gaps = torch.linspace(0.05, 0.9, 6, dtype=torch.float64) / 27.211386
    batch.energies[:, 1] = batch.energies[:, 0] + gaps
    raw = 1.0 / (gaps**2 + (0.3 / 27.211386) ** 2)
    loss, _ = _step(network, batch, settings, mean_of_gap_weights((batch,)))
    prediction = predict(network, batch, ((0, 0), (1, 1), (0, 1)))
    labels = turned(prediction, batch, {q: sigma**2 for q, sigma in SIGMA.items()}, WEIGHTS)
    assert not torch.equal(labels.forces, batch.forces)
    squares = _squares(prediction, labels)
    weighted = {q: float((raw / raw.mean() * squares[q].detach()).mean()) for q in SIGMA}
    expected = sum(0.5 * WEIGHTS[q] * (weighted[q] / SIGMA[q] ** 2 + 2.0 * math.log(SIGMA[q])) for q in SIGMA)
    assert loss == pytest.approx(expected, rel=1e-5)


def test_the_penalty_falls_to_zero_at_its_margin():
    margin = 0.5 * HARTREE_PER_EV
    for gap, expected in ((margin, 0.0), (2 * margin, 0.0), (0.8 * margin, 0.5), (0.0, 12.5)):
        found = surplus_penalty(torch.tensor([gap], dtype=torch.float64), margin)
        assert float(found) == pytest.approx(expected, abs=1e-12)


def test_surplus_levels_alone_are_those_of_a_whole_prediction():
    for basis in ("2x0e", "2x0e + 1x1o"):
        network = teacher(basis).potential
        batch = samples_from_group(labelled(teacher("2x0e"), geometries(5), couplings=False))
        whole = predict(network, batch, ()).surplus_gap
        torch.testing.assert_close(surplus_gap(network, (batch,)), whole)
        assert bool(torch.isinf(whole).all()) is (basis == "2x0e")


@pytest.mark.parametrize("n_states", [2, 3])
def test_the_validation_chooses_the_signs_of_states(n_states):
    """The labels of the teacher have random signs, and it makes no error."""
    basis = f"{n_states}x0e"
    data = dataset(9, basis=basis, n_states=n_states)
    (group,) = data.groups
    model = teacher(basis, n_states)
    batch = samples_from_group(group)
    pairs = label_pairs((batch,), n_states)
    # Signs do differ from frame to frame, in labels against predictions.
    own = predict(model.potential, batch, pairs).gradients[:, n_states:].detach()
    signs = torch.sign((own * batch.couplings).sum(dim=(2, 3)))
    assert {-1.0, 1.0} <= set(signs.flatten().tolist())
    errors = validate(model.potential, (batch,), pairs)
    assert max(errors.mae["coupling"]) < 1e-10
    size = batch.couplings.abs().mean(dim=(0, 2, 3))
    assert float(size.min()) > 1e-4
    # A sign for each pair alone would make this one right as well: three states have no such freedom.
    if n_states == 3:
        wrong = batch.couplings * torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64)[:, None, None]
        errors = validate(model.potential, (type(batch)(**(vars(batch) | {"couplings": wrong})),), pairs)
        assert max(errors.mae["coupling"]) > 0.1 * float(size.min())


def test_the_score_is_the_mean_logarithm_of_mean_errors():
    data = Dataset((labelled(teacher(), geometries(6)),))
    (batch,) = map(samples_from_group, data.groups)
    network = build_network(
        configuration(), (batch,), shortest_distances(data, elements_of(data)), elements_of(data)
    )
    errors = validate(network, (batch,), label_pairs((batch,), 2))
    parts = (errors.mae["energy"], errors.mae["force"], errors.mae["coupling"])
    expected = sum(math.log(sum(values) / len(values)) for values in parts) / 3
    assert errors.score == pytest.approx(expected, rel=1e-9)
