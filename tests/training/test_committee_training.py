"""Members of a committee: what differs, what none of them sees, and that an interruption changes nothing."""

import json

import numpy as np
import pytest
import torch
from teacher import Stop, configuration, dataset

from nadyn.checks.errors import InputError
from nadyn.data import Dataset
from nadyn.models import load_model
from nadyn.models.calibration import Scale
from nadyn.models.model_file import digest
from nadyn.training.calibrate import calibrated, fitted
from nadyn.training.committee import finish_member, train_committee
from nadyn.training.output import checkpoint_path
from nadyn.training.reliability import Sample, coverage, samples_of
from nadyn.training.train import train

SETTINGS = configuration(validation_fraction=0.2, checkpoint_every=3)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    path = tmp_path_factory.mktemp("committee") / "model.safetensors"
    return train_committee(dataset(40), path, SETTINGS, n_members=3), path


def test_members_differ_by_seed_and_split_and_no_member_sees_the_frames_that_calibrate(trained):
    result, path = trained
    committee, unseen = result.committee, result.unseen
    assert len(committee.members) == 3 and unseen.n_frames == 8
    assert committee.calibration.n_frames == 8
    assert {member.trained_on["training_frames"] for member in committee.members} == {26}
    assert len({member.trained_on["seed"] for member in committee.members}) == 3
    networks = [member.potential.state_dict() for member in committee.members]
    name = next(name for name, tensor in networks[0].items() if tensor.ndim == 2)
    assert not torch.equal(networks[0][name], networks[1][name])
    starts = [member.trained_on["held_out"]["n_frames"] for member in committee.members]
    assert starts == [6, 6, 6]
    loaded = load_model(path)
    assert loaded.calibration == committee.calibration
    history = json.loads(path.with_suffix(".history.json").read_text(encoding="utf-8"))
    assert len(history["members"]) == 3
    assert history["judged"] == "frames that no member saw"
    assert {column["n"] for column in history["parity"][0]["columns"]} == {8}
    assert not checkpoint_path(path).exists() and len(list(path.parent.iterdir())) == 2


def test_the_first_member_is_the_model_of_the_frames_that_members_may_see(trained, tmp_path):
    result, _ = trained
    alone = train(result.held_out.training, tmp_path / "alone.safetensors", SETTINGS)
    for name, tensor in alone.model.potential.state_dict().items():
        assert torch.equal(tensor, result.committee.members[0].potential.state_dict()[name]), name


@pytest.mark.parametrize(
    "stops",
    [
        pytest.param((3,), marks=pytest.mark.slow),
        pytest.param((12, 13), marks=pytest.mark.slow),
        (1, 8, 9, 14),
    ],
)
def test_stopped_in_any_member_a_training_ends_with_the_same_committee(trained, tmp_path, stops):
    path, calls = tmp_path / "model.safetensors", [0]

    def report(progress):
        calls[0] += 1
        if calls[0] in stops:
            raise Stop

    for number in range(len(stops)):
        with pytest.raises(Stop):
            train_committee(dataset(40), path, SETTINGS, n_members=3, resume=number > 0, report=report)
        assert not path.exists()
    train_committee(dataset(40), path, SETTINGS, n_members=3, resume=True, report=report)
    assert digest(path) == digest(trained[1])
    # Nothing that was done is done again: beyond a checkpoint every three steps.
    assert calls[0] <= 30 + 4 * len(stops)


def test_a_finished_member_is_not_trained_again(tmp_path):
    titles, path = [], tmp_path / "model.safetensors"

    def stop_in_the_third(progress):
        if progress.title.startswith("member 3"):
            raise Stop

    with pytest.raises(Stop):
        train_committee(dataset(40), path, SETTINGS, n_members=3, report=stop_in_the_third)
    train_committee(
        dataset(40), path, SETTINGS, n_members=3, resume=True, report=lambda one: titles.append(one.title)
    )
    assert set(titles) == {"member 3 of 3"}


def test_members_trained_side_by_side_make_the_same_committee(trained, tmp_path):
    path = tmp_path / "model.safetensors"
    for number in (2, 0, 1, 1):
        finish_member(dataset(40), path, SETTINGS, n_members=3, number=number)
    titles = []
    train_committee(
        dataset(40), path, SETTINGS, n_members=3, resume=True, report=lambda one: titles.append(one.title)
    )
    assert digest(path) == digest(trained[1]) and not titles
    open_basis = configuration(model={"hidden": [8], "basis": "auto"}, validation_fraction=0.2)
    with pytest.raises(InputError, match="`basis` must be given where members are trained side by side"):
        finish_member(dataset(40), tmp_path / "open.safetensors", open_basis, n_members=3, number=1)


def test_a_committee_goes_on_with_the_same_number_of_members_only(tmp_path):
    path = tmp_path / "model.safetensors"

    def stop(progress):
        raise Stop

    with pytest.raises(Stop):
        train_committee(dataset(40), path, SETTINGS, n_members=3, report=stop)
    with pytest.raises(InputError, match=r"`--members` must stay 3 when the training is resumed, but is 2"):
        train_committee(dataset(40), path, SETTINGS, n_members=2, resume=True)
    with pytest.raises(
        InputError, match=r"`--members` must stay 3 when the training is resumed, but is left out"
    ):
        train(dataset(40), path, SETTINGS, resume=True)


def test_a_training_of_one_model_does_not_become_a_committee(tmp_path):
    path = tmp_path / "model.safetensors"

    def stop(progress):
        raise Stop

    with pytest.raises(Stop):
        train(dataset(40), path, SETTINGS, report=stop)
    with pytest.raises(InputError, match=r"`--members` must stay left out .*, but is 3"):
        train_committee(dataset(40), path, SETTINGS, n_members=3, resume=True)


@pytest.mark.parametrize("n_members", [1, 0, 65])
def test_a_committee_has_two_members_at_least(tmp_path, n_members):
    with pytest.raises(InputError, match="`--members` must be from 2 to 64"):
        train_committee(dataset(40), tmp_path / "model.safetensors", SETTINGS, n_members=n_members)
    assert not list(tmp_path.iterdir())


def test_too_few_frames_to_calibrate_are_said_before_the_training(tmp_path):
    def report(progress):
        raise AssertionError("a step was made")

    with pytest.raises(InputError, match=r"20 errors of energies at least .* but 2 members have 16"):
        train_committee(dataset(20), tmp_path / "m.safetensors", SETTINGS, n_members=2, report=report)
    assert not list(tmp_path.iterdir())


def test_spread_and_errors_of_every_quantity_are_compared(trained):
    committee, data = trained[0].committee, dataset(40)
    found = samples_of(committee, data)
    n_atoms, members = 4, 3
    assert {name: len(one.errors) for name, one in found.items()} == {
        "energy": members * 40 * 2,
        "gap": members * 40,
        "force": members * 40 * 2 * n_atoms * 3,
        "coupling": members * 40 * n_atoms * 3,
        "coupling_norm": members * 40,
    }
    assert set(committee.calibration.scales) == set(found)


def test_too_few_labels_do_not_calibrate(trained):
    group = dataset(40).groups[0].select([0, 1, 2])
    with pytest.raises(InputError, match=r"calibrated on 20 labels at least, .* but there are 18"):
        calibrated(trained[0].committee, Dataset((group,)))


def sample(n, sigma, seed=1):
    generator = np.random.default_rng(seed)
    spreads = np.exp(generator.normal(-6.0, 1.0, n))
    forces = np.exp(generator.normal(-4.0, 0.5, n))
    return Sample(np.abs(generator.normal(size=n)) * sigma(spreads, forces), spreads, forces)


@pytest.mark.parametrize(
    "sigma",
    [
        lambda s, f: 2.5 * s,
        lambda s, f: np.sqrt((2.0 * s) ** 2 + 0.003**2),
        lambda s, f: np.sqrt((1.5 * s) ** 2 + (0.1 * f) ** 2),
    ],
)
def test_errors_of_known_size_are_covered_in_every_third(sigma):
    scale = fitted(sample(1500, sigma))
    # On others, of the same kind: 0.7 % of each third by chance, and 2 % of the part within one from the fit.
    for within_one, within_two in coverage(sample(12000, sigma, seed=2), scale).within:
        assert within_one == pytest.approx(0.683, abs=0.07)
        assert within_two == pytest.approx(0.954, abs=0.03)


def test_a_raw_spread_that_is_right_is_hardly_changed():
    scale = fitted(sample(4000, lambda s, f: s))
    assert scale.factor == pytest.approx(1.0, abs=0.1)
    assert coverage(sample(4000, lambda s, f: s, seed=2), Scale(1.0)).within[0][0] == pytest.approx(
        0.68, abs=0.03
    )
