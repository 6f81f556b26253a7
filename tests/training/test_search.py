"""`basis: auto` tries some assignments and goes on with the best of them."""

import json

import pytest
import torch
from teacher import Stop, configuration, dataset, geometries, train_with_stops

from nadyn.checks.errors import InputError
from nadyn.models import load_model
from nadyn.models.matrix.basis import parse_basis
from nadyn.models.model_file import digest
from nadyn.training.assignments import assignments, given_assignment
from nadyn.training.build import build_network, elements_of, shortest_distances
from nadyn.training.checkpoint import existing, read_progress
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.output import checkpoint_path
from nadyn.training.samples import samples_from_group
from nadyn.training.schedule import Length
from nadyn.training.search import trial_lengths, winner
from nadyn.training.train import train

# 22 training frames in batches of 5: four steps an epoch; four trials of two steps, two of eight, then 40.
AUTO = configuration(epochs=10, model={"hidden": [16, 8], "basis": "auto"}, checkpoint_every=3)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    path = tmp_path_factory.mktemp("undisturbed") / "model.safetensors"
    return train(dataset(), path, AUTO), path


@pytest.mark.parametrize("n_states", [2, 3, 5])
def test_every_assignment_gives_a_network_of_so_many_states(n_states):
    data = dataset(12, n_states=n_states, basis=f"{n_states}x0e")
    elements = elements_of(data)
    samples = samples_from_group(data.groups[0])
    choices = assignments(n_states)
    assert len({str(choice) for choice in choices}) == len(choices) == n_states + 2
    for choice in choices:
        network = build_network(
            configuration(), (samples,), shortest_distances(data, elements), elements, choice
        )
        assert len(choice.start) == network.n_states == n_states
        assert network.n_basis == parse_basis(choice.basis).size > n_states


def test_a_basis_that_is_given_starts_in_its_order_and_a_vector_lends_more_than_one_component():
    assert given_assignment("1x1o + 2x0e", None, 2).start == ("0e", "0e")
    assert given_assignment("1x0e + 1x1o", None, 3).start == ("0e", "1o", "1o")
    assert given_assignment("1x1o", None, 2).start == ("1o", "1o")
    assert given_assignment("1x0e + 1x1o", ("1o", "0e"), 2).start == ("1o", "0e")


def test_all_trials_are_short_beside_the_training():
    def steps(n_steps):
        return tuple(length.n_steps for length in trial_lengths(Length(n_steps=n_steps), 4))

    def seconds(limit):
        lengths = trial_lengths(Length(seconds=limit), 4)
        return tuple(length.seconds for length in lengths)

    assert steps(100_000) == (1000, 3000)
    assert steps(800) == (40, 160)
    assert steps(1) == (1, 1)
    assert seconds(7200.0) == (60.0, 180.0)
    assert seconds(80.0) == (4.0, 16.0)


def test_the_training_after_a_search_is_that_with_the_basis_given(tmp_path, undisturbed):
    trained, _ = undisturbed
    best = trained.trials[winner(trained.trials)].assignment
    model = {"hidden": [16, 8], "basis": best.basis, "start": list(best.start)}
    given = train(dataset(), tmp_path / "given.safetensors", configuration(epochs=10, model=model))
    for name, weights in given.model.potential.state_dict().items():
        assert torch.equal(weights, trained.model.potential.state_dict()[name]), name


@pytest.mark.slow
def test_a_trial_that_stops_before_its_pace_is_known_ends_no_search(tmp_path):
    # One step an epoch, and no patience: each trial ends after a few steps, long before its time.
    settings = configuration(
        epochs=None,
        time_limit_minutes=60.0,
        patience_epochs=1,
        batch_size=30,
        model={"hidden": [16, 8], "basis": "auto"},
    )
    trained = train(dataset(), tmp_path / "model.safetensors", settings)
    assert trained.outcome.stopped_early
    assert all(trial.n_steps >= 1 for trial in trained.trials)


def test_one_state_needs_no_search(tmp_path):
    settings = configuration(epochs=2, model={"hidden": [16, 8], "basis": "auto", "kind": "diabatic"})
    trained = train(dataset(n_states=1, basis="1x0e"), tmp_path / "model.safetensors", settings)
    assert trained.trials == ()
    assert trained.model.potential.settings.basis == "1x0e"


@pytest.mark.parametrize("start", [("0e",), ("0e", "0e", "0e")])
def test_a_start_names_one_function_a_state(start):
    with pytest.raises(InputError, match=f"one representation a state, but names {len(start)} for 2 states"):
        given_assignment("3x0e", start, 2)


def test_the_best_trial_on_validation_goes_on(undisturbed):
    trained, path = undisturbed
    scores = {str(trial.assignment): trial.score for trial in trained.trials}
    assert list(scores) == [str(choice) for choice in assignments(2)]
    finalists = [trial for trial in trained.trials if trial.finalist]
    assert {trial.n_steps for trial in finalists} == {10}
    assert {trial.n_steps for trial in trained.trials if not trial.finalist} == {2}
    assert len(finalists) == 2
    best = min(finalists, key=lambda trial: trial.score).assignment
    assert trained.trials[winner(trained.trials)].assignment == best
    settings = load_model(path).potential.settings
    assert (settings.basis, settings.start) == (best.basis, best.start)
    history = json.loads(path.with_name("model.history.json").read_text(encoding="utf-8"))
    assert [trial["score"] for trial in history["trials"]] == list(scores.values())
    assert not list(path.parent.glob("*checkpoint*"))


@pytest.mark.parametrize(
    "stops",
    [
        *[
            pytest.param(stops, marks=pytest.mark.slow)
            for stops in ((2,), (7,), (8,), (11,), (14,), (16,), (31,))
        ],
        *[(17,), pytest.param((1, 10, 20), marks=pytest.mark.slow)],
    ],
)
def test_stopped_in_a_trial_or_after_it_the_search_goes_on(tmp_path, undisturbed, stops):
    trained, undisturbed_path = undisturbed
    path = tmp_path / "model.safetensors"
    again = train_with_stops(dataset(), path, AUTO, stops)
    assert digest(path) == digest(undisturbed_path)
    assert again.trials == trained.trials
    assert not list(tmp_path.glob("*checkpoint*"))


def test_trials_left_behind_are_in_the_way_of_a_new_training_only(tmp_path):
    path = tmp_path / "model.safetensors"

    def stop(progress):
        if progress.title.startswith("trial 2") and progress.step == 2:
            raise Stop

    with pytest.raises(Stop):
        train(dataset(), path, AUTO, report=stop)
    assert not checkpoint_path(path).exists()
    assert len(existing(checkpoint_path(path))) == 2
    with pytest.raises(InputError, match=r"an interrupted one left it.*--resume.*--overwrite"):
        train(dataset(), path, AUTO)
    with pytest.raises(InputError, match=r"`seed` must stay 1"):
        train(dataset(), path, AUTO.model_copy(update={"seed": 2}), resume=True)
    train(dataset(12), path, configuration(epochs=1), overwrite=True)
    assert not existing(checkpoint_path(path))


def test_a_start_is_refused_where_the_search_finds_it():
    with pytest.raises(ValueError, match="`start` must be left out where `basis` is auto"):
        TrainingConfiguration.model_validate({"model": {"start": ["0e", "1o"]}})


def test_the_checkpoint_of_the_training_holds_what_the_search_has_found(tmp_path):
    path = tmp_path / "model.safetensors"

    def stop(progress):
        if "trial" not in progress.title and progress.step == 5:
            raise Stop

    with pytest.raises(Stop):
        train(dataset(), path, AUTO, report=stop)
    found = read_progress(checkpoint_path(path))["origin"]["search"]
    assert len(found["trials"]) == 4
    assert sum(trial["finalist"] for trial in found["trials"]) == 2
    # The trials are done with: their files are not needed to go on.
    main, *parts = existing(checkpoint_path(path))
    assert main == checkpoint_path(path)
    assert len(parts) == 6
    for trial in parts:
        trial.unlink()
    trained = train(dataset(), path, AUTO, resume=True)
    assert len(trained.trials) == 4
    assert bool(torch.isfinite(trained.model.evaluate(geometries(3)).hamiltonian).all())
