"""Without couplings a training has three stages, and goes on after an interruption in any of them."""

import contextlib
import io
import json
import time
from dataclasses import replace

import pytest
import torch
import yaml
from teacher import configuration, dataset, geometries, labelled, teacher

from nadyn.checks.errors import InputError
from nadyn.cli.main import main
from nadyn.data import Dataset, split, write_dataset
from nadyn.models import load_model
from nadyn.models.model_file import digest
from nadyn.training.build import build_network, elements_of, shortest_distances
from nadyn.training.checkpoint import existing
from nadyn.training.loop import train_network
from nadyn.training.origin import origin
from nadyn.training.samples import samples_from_group
from nadyn.training.schedule import Length
from nadyn.training.train import checkpoint_path, train

BASIS = "1x0e + 1x1o"


class Stop(Exception):
    """Raised in the middle of a training."""


def _data(couplings=False, n=24):
    positions = geometries(n, spread=0.15)
    return Dataset((labelled(teacher(BASIS), positions, couplings=couplings),))


def _settings(**changes):
    # 22 training frames in batches of five: four steps an epoch, and 12, 8 and 20 of the stages.
    values = {"model": {"hidden": [16, 8], "basis": BASIS}, "epochs": 10, "curvature_couplings": True}
    return configuration(**(values | changes))


@pytest.fixture(autouse=True, scope="module")
def _a_few_frames_are_enough():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nadyn.training.surfaces_stage.FEWEST_FRAMES", 5)
        yield


def _same_weights(one, other):
    one, other = one.network.state_dict(), other.network.state_dict()
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    path = tmp_path_factory.mktemp("undisturbed") / "model.safetensors"
    seen = []
    trained = train(
        _data(), path, _settings(), report=lambda progress: seen.append((progress.title, progress.step))
    )
    return trained, path, seen


def test_epochs_are_shared_by_three_stages(undisturbed):
    trained, path, seen = undisturbed
    titles = list(dict.fromkeys(title for title, _ in seen))
    assert [title.partition(":")[0] for title in titles] == [
        *("stage 1 of 3", "stage 2 of 3", "stage 2 of 3", "stage 3 of 3")
    ]
    steps = [max(step for title, step in seen if title == one) for one in titles]
    # The second counts frames: 40 steps allow ten of four atoms, nine of them for training.
    assert steps == [12, 10, 8, 20]
    assert [(stage.title, stage.n_steps) for stage in trained.learned.stages] == [
        (titles[0], 12),
        (titles[2], 8),
    ]
    assert "training frames labelled" in trained.learned.curvature
    history = json.loads(path.with_name("model.history.json").read_text(encoding="utf-8"))
    assert history["curvature"] == trained.learned.curvature
    assert [stage["n_steps"] for stage in history["stages"]] == [12, 8]
    assert all(entry["coupling_mae"] == [] for entry in history["history"])
    assert load_model(path).trained_on["earlier_stages"] == {titles[0]: 12, titles[2]: 8}
    assert list(path.parent.glob("*checkpoint*")) == []


@pytest.mark.parametrize("stops", [(13,), (5, 12, 17, 34)])
def test_stopped_in_any_stage_it_ends_with_the_same_model(
    tmp_path, undisturbed, stops, unchecked_annotations
):
    trained, undisturbed_path, _ = undisturbed
    path = tmp_path / "model.safetensors"
    calls = [0]

    def report(progress):
        # Steps made again count again.
        calls[0] += 1
        if calls[0] in stops:
            raise Stop

    for number in range(len(stops)):
        with pytest.raises(Stop):
            train(_data(), path, _settings(), resume=number > 0, report=report)
        assert not path.exists()
    again = train(_data(), path, _settings(), resume=True, report=report)
    assert digest(path) == digest(undisturbed_path)
    assert again.learned.stages == trained.learned.stages
    assert again.learned.curvature == trained.learned.curvature
    assert list(tmp_path.glob("*checkpoint*")) == []


def test_a_search_over_assignments_comes_before_the_second_stage(tmp_path, unchecked_annotations):
    settings = _settings(model={"hidden": [16, 8], "basis": "auto"})
    titles = []

    def stop(progress):
        titles.append(progress.title)
        if progress.title.startswith("trial 3") and progress.step == 1:
            raise Stop

    whole = train(_data(), tmp_path / "a.safetensors", settings, report=lambda p: titles.append(p.title))
    order = [title.partition(":")[0].split(" of ")[0] for title in dict.fromkeys(titles)]
    trials = [f"trial {number}" for number in (1, 2, 3, 4)] + ["longer trial 1", "longer trial 2"]
    assert order == ["stage 1", "stage 2", *trials, "stage 2", "stage 3"]
    best = min(whole.trials, key=lambda trial: trial.score).assignment
    assert whole.model.network.settings.basis == best.basis
    with pytest.raises(Stop):
        train(_data(), tmp_path / "b.safetensors", settings, report=stop)
    train(_data(), tmp_path / "b.safetensors", settings, resume=True)
    assert digest(tmp_path / "b.safetensors") == digest(tmp_path / "a.safetensors")


@pytest.mark.parametrize("known", [False, True], ids=["switched off", "with couplings"])
def test_without_the_stages_the_training_is_one_call_of_the_loop(tmp_path, known):
    data = _data(couplings=known)
    settings = _settings(epochs=2, curvature_couplings=known)
    trained = train(data, tmp_path / "m.safetensors", settings)
    assert trained.learned.stages == ()
    assert trained.learned.curvature == ""
    training, validation = (
        tuple(map(samples_from_group, part.groups)) for part in split(data, 0.1, seed=settings.seed)
    )
    elements = elements_of(data)
    shortest = shortest_distances(split(data, 0.1, seed=settings.seed)[0], elements)
    network = build_network(settings, training, shortest, elements)
    train_network(
        network,
        training,
        validation,
        settings,
        Length(n_steps=8),
        checkpoint=tmp_path / "c",
        origin=origin(settings, data),
        resume=False,
        report=lambda progress: None,
    )
    network.requires_grad_(False)
    for name, weight in network.named_parameters():
        assert torch.equal(weight, dict(trained.model.network.named_parameters())[name]), name


@pytest.mark.parametrize(
    "n, epochs, sentence",
    [
        (22, 20, "20 training frames have a gap below 2.2 eV, and 21 are needed"),
        (24, 20, "a training of 80 steps leaves time for 20 frames, and 21 are needed"),
    ],
)
def test_too_few_frames_and_too_short_a_training_say_so_and_change_nothing(
    tmp_path, monkeypatch, n, epochs, sentence, unchecked_annotations
):
    monkeypatch.setattr("nadyn.training.surfaces_stage.FEWEST_FRAMES", 21)
    # The length of the training in steps does not depend on how many are left after it was stopped.
    settings = _settings(epochs=epochs, patience_epochs=1, learning_rate=1e-30)
    off = train(
        _data(n=n), tmp_path / "a.safetensors", settings.model_copy(update={"curvature_couplings": False})
    )
    on = train(_data(n=n), tmp_path / "b.safetensors", settings)
    assert on.learned.curvature == f"no couplings from curvature: {sentence}"
    assert on.learned.stages == ()
    assert _same_weights(on.model, off.model)


def test_where_no_direction_stands_out_the_first_stage_goes_on(tmp_path, monkeypatch, unchecked_annotations):
    monkeypatch.setattr("nadyn.training.curvature_couplings._STANDS_OUT", 1e6)
    seen = []
    trained = train(
        _data(), tmp_path / "m.safetensors", _settings(), report=lambda p: seen.append((p.title, p.step))
    )
    assert "one direction of curvature stands out in 0 training frames" in trained.learned.curvature
    assert [stage.n_steps for stage in trained.learned.stages] == [12]
    # It goes on from what has been learned, with the rest of the steps.
    assert seen[-1][1] == 40 - 12
    assert trained.outcome.progress.history[0]["score"] < trained.learned.stages[0].score + 0.3


def test_stages_left_behind_are_in_the_way_of_a_new_training_only(tmp_path):
    path = tmp_path / "m[1].safetensors"

    def stop(progress):
        if progress.title.startswith("stage 2") and progress.step == 8:
            raise Stop

    with pytest.raises(Stop):
        train(_data(), path, _settings(), report=stop)
    left = [one.name.removeprefix("m[1].safetensors.checkpoint-") for one in existing(checkpoint_path(path))]
    assert left == ["couplings", "stage-1", "stage-2"]
    with pytest.raises(InputError, match=r"an interrupted one left it.*--resume.*--overwrite"):
        train(_data(), path, _settings())
    other = replace(_data().groups[0], forces=2.0 * _data().groups[0].forces)
    with pytest.raises(InputError, match=r"the data must stay the same"):
        train(Dataset((other,)), path, _settings(), resume=True)
    train(dataset(12), path, configuration(epochs=1), overwrite=True)
    assert existing(checkpoint_path(path)) == []


def test_all_stages_are_within_the_time_limit(tmp_path, monkeypatch, unchecked_annotations):
    # A clock that goes on whenever somebody looks at it; a step looks less often once the pace is known.
    now = [0.0]

    def tick():
        now[0] += 0.05
        return now[0]

    monkeypatch.setattr(time, "monotonic", tick)
    settings = _settings(epochs=None, time_limit_minutes=0.2)
    trained = train(_data(), tmp_path / "m.safetensors", settings)
    assert len(trained.learned.stages) == 2
    assert 6.0 < now[0] < 12.0


def test_the_command_says_what_was_labelled(tmp_path, monkeypatch, unchecked_annotations):
    monkeypatch.setenv("COLUMNS", "300")
    write_dataset(tmp_path / "data.h5", _data())
    settings = _settings().model_dump(mode="json", exclude_none=True)
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    arguments = ("train", tmp_path / "data.h5", "--output", tmp_path / "m.safetensors")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), pytest.raises(SystemExit) as leaving:
        main([*map(str, arguments), "--config", str(tmp_path / "train.yaml")])
    assert leaving.value.code == 0, printed.getvalue()
    assert "training frames labelled for the second of three stages" in printed.getvalue()
