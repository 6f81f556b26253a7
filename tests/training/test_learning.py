"""A training learns, and finishes with what it promises."""

import json

import numpy as np
import pytest
import torch
from teacher import configuration, dataset, geometries, labelled, teacher, without_labels

from nadyn.data import Dataset
from nadyn.models import load_model
from nadyn.models.contacts import SHORTEST_FRACTION
from nadyn.training import step
from nadyn.training.evaluation import evaluate
from nadyn.training.losses import total_loss
from nadyn.training.train import train


@pytest.mark.parametrize("basis", ["2x0e", None])
def test_errors_on_unseen_frames_fall_far_below_those_of_the_start(tmp_path, basis, unchecked_annotations):
    n_states = 2 if basis else 1
    data = dataset(44, basis=basis, n_states=n_states, couplings=False)
    model = {"hidden": [16, 8], "basis": basis or "auto"}
    settings = configuration(model=model, epochs=15, batch_size=8, learning_rate=1e-2, average_decay=0.9)
    trained = train(data, tmp_path / "m.safetensors", settings)
    history = trained.outcome.progress.history
    first, last = history[0], history[-1]
    for quantity in ("energy_mae", "force_mae"):
        assert np.mean(last[quantity]) < 0.4 * np.mean(first[quantity]), quantity
    # Well below what constant energies would give.
    energies = data.groups[0].energies
    assert np.mean(last["energy_mae"]) < 0.3 * np.abs(energies - energies.mean(axis=0)).mean()
    assert trained.model.potential.is_atomic_sum == (basis is None)


def test_the_stored_model_is_the_returned_one_with_the_best_averaged_weights(tmp_path):
    trained = train(dataset(), tmp_path / "m.safetensors", configuration(epochs=3))
    loaded = load_model(tmp_path / "m.safetensors")
    for name, tensor in trained.model.potential.state_dict().items():
        assert torch.equal(loaded.potential.state_dict()[name], tensor)
    errors = evaluate(loaded, trained.validation)["toy"]
    history = trained.outcome.progress.history
    best = min(history, key=lambda entry: entry["score"])
    assert trained.outcome.progress.best_step == best["step"]
    np.testing.assert_allclose(errors["energy_mae_ev"], np.array(best["energy_mae"]) * 27.211386, rtol=1e-3)
    assert not (tmp_path / "m.safetensors.checkpoint").exists()
    written = json.loads((tmp_path / "m.history.json").read_text(encoding="utf-8"))
    assert [entry["step"] for entry in written["history"]] == [4, 8, 12]
    assert written["configuration"]["epochs"] == 3


def test_the_bound_of_outliers_is_loose_at_first_and_for_couplings_alone(tmp_path, monkeypatch):
    seen = []

    def recording(*args, outlier_sigmas, **keys):
        seen.append(outlier_sigmas)
        return total_loss(*args, outlier_sigmas=outlier_sigmas, **keys)

    monkeypatch.setattr(step, "total_loss", recording)
    train(dataset(), tmp_path / "m.safetensors", configuration(epochs=2, outlier_sigmas=3.0))
    assert {(bounds["energy"], bounds["force"]) for bounds in seen} == {(3.0, 3.0)}
    assert (seen[0]["coupling"], seen[-1]["coupling"]) == (75.0, 3.0)


def test_the_model_knows_its_data(tmp_path):
    data = dataset()
    model = train(data, tmp_path / "m.safetensors", configuration(epochs=1)).model
    group = data.groups[0]
    assert model.atomic_numbers == tuple(group.atomic_numbers)
    start = model.starting_geometry.numpy()
    frames = [i for i in range(group.n_frames) if np.array_equal(group.positions[i], start)]
    assert len(frames) == 1
    # No training frame is lower; those held out are not looked at.
    assert (group.energies[:, 0] < group.energies[frames[0], 0]).sum() <= 2
    described = model.trained_on["groups"]["toy"]
    assert described["licence"] == "CC0-1.0"
    assert described["n_frames"] == 22
    contacts = model.shortest_distances
    place = [(int(i), int(j)) for i, j in zip(contacts.first, contacts.second, strict=True)].index((0, 3))
    between = np.linalg.norm(group.positions[:, 0] - group.positions[:, 3], axis=-1)
    assert between.min() <= float(contacts.shortest[place]) <= np.sort(between)[2]
    # Frames of the training set are not novel.
    positions = torch.from_numpy(group.positions)
    assert float(model.evaluate(positions).novelty.max()) < 0.2
    assert float(model.evaluate(3.0 * positions).novelty.min()) > 0.2


def test_a_seed_decides_the_model_and_the_random_state_of_the_caller_is_left_alone(tmp_path):
    results = []
    for name, seed, state in (("a", 1, 5), ("b", 1, 6), ("c", 2, 5)):
        torch.manual_seed(state)
        before = torch.random.get_rng_state()
        model = train(dataset(12), tmp_path / f"{name}.safetensors", configuration(epochs=1, seed=seed)).model
        assert torch.equal(torch.random.get_rng_state(), before)
        results.append(torch.cat([p.flatten() for p in model.potential.parameters()]))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


@pytest.mark.parametrize("missing", ["couplings everywhere", "couplings of many", "forces but of one state"])
def test_missing_labels_do_not_stop_a_training(tmp_path, missing):
    group = dataset(14).groups[0]
    if missing == "couplings everywhere":
        group = without_labels(group, list(range(14)), interstate_couplings=None)
    elif missing == "couplings of many":
        group = without_labels(group, list(range(2, 14)), interstate_couplings=None)
    else:
        group.forces[:, 0] = np.nan
    trained = train(Dataset((group,)), tmp_path / "m.safetensors", configuration(epochs=2))
    assert trained.outcome.progress.skipped == 0
    scores = [entry["score"] for entry in trained.outcome.progress.history]
    assert np.isfinite(scores).all()
    assert trained.outcome.progress.best_step > 0


def test_molecules_of_different_size_train_one_network(tmp_path):
    model = teacher("2x0e")
    smaller = model.for_atoms((7, 1, 1))
    groups = (
        labelled(smaller, geometries(9)[:, :3], name="smaller"),
        labelled(model, geometries(11)),
    )
    trained = train(Dataset(groups), tmp_path / "m.safetensors", configuration(epochs=1))
    # Bound to the one with most frames, in whatever order the dataset has them.
    assert trained.model.atomic_numbers == (7, 1, 1, 9)
    frames = [
        (molecule.name, molecule.n_frames) for molecule in load_model(tmp_path / "m.safetensors").molecules
    ]
    assert frames == [("smaller", 8), ("toy", 10)]
    lowest = trained.model.for_molecule("smaller").starting_geometry.numpy()
    assert (groups[0].positions == lowest).all(axis=(1, 2)).sum() == 1
    assert set(trained.model.trained_on["groups"]) == {"toy", "smaller"}
    assert set(evaluate(trained.model, Dataset(groups))) == {"toy", "smaller"}


def test_a_repulsion_ends_where_the_data_begin_and_acts_before_dynamics_stops(tmp_path):
    settings = configuration(epochs=1, model={"hidden": [8], "repulsion": "zbl"})
    data = dataset(12, basis=None, n_states=1)
    model = train(data, tmp_path / "m.safetensors", settings).model
    positions = torch.from_numpy(data.groups[0].positions)
    # The shortest distance of all is at the end itself, up to rounding.
    assert float(model.potential.repulsion(model.surroundings(positions)).abs().max()) < 1e-14
    # Two atoms alone, between the shortest distance in training and that at which a run stops.
    first, second = 0, 1
    shortest = float(model.shortest_by_element[0, 1])
    pair = positions[:1].clone()
    others = [atom for atom in range(pair.shape[1]) if atom not in (first, second)]
    pair[0, others] += 100.0 * torch.arange(1, len(others) + 1, dtype=torch.float64)[:, None]
    direction = torch.tensor([0.0, 0.6, 0.8], dtype=torch.float64)
    for fraction, acts in ((1.001, False), (0.95, True)):
        pair[0, second] = pair[0, first] + fraction * shortest * direction
        assert (float(model.potential.repulsion(model.surroundings(pair)).max()) > 0) is acts
    assert SHORTEST_FRACTION < 0.95


def test_a_repulsion_ends_before_the_data_and_within_the_cutoff(tmp_path):
    # Cut off below the distance of nitrogen and fluorine, which then do not see each other in the data.
    settings = configuration(
        epochs=1,
        encoder={"cutoff_angstrom": 1.0, "n_radial": 5, "n_channels": 3},
        model={"hidden": [8], "repulsion": "zbl"},
    )
    data = dataset(12, basis=None, n_states=1)
    model = train(data, tmp_path / "m.safetensors", settings).model
    ends = model.potential.repulsion.ends
    shortest = model.shortest_by_element
    assert float(ends.max()) == model.potential.network.cutoff
    assert bool((ends <= shortest)[shortest > 0].all())
    surroundings = model.surroundings(torch.from_numpy(data.groups[0].positions[:5]))
    assert float(model.potential.repulsion(surroundings).abs().max()) < 1e-14


def test_the_loss_weighted_by_the_gap_and_a_latent_basis_train_too(tmp_path):
    settings = configuration(
        epochs=1,
        gap_weight=True,
        model={"hidden": [8], "basis": "1x0e + 1x1o", "start": ["0e", "1o"]},
        label_noise={"energy_ev": 0.01},
    )
    trained = train(dataset(12), tmp_path / "m.safetensors", settings)
    assert trained.model.n_basis == 4
    noise = trained.outcome.progress.history[-1]["training_rms"]
    assert noise["energy"] == pytest.approx(0.01 / 27.211386, rel=1e-6)
