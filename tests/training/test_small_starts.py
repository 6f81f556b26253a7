"""Without couplings small networks come before the training; it goes on after an interruption in any part."""

import contextlib
import io
import json
from dataclasses import replace

import pytest
import torch
import yaml
from rich.console import Console
from teacher import Stop, configuration, dataset, geometries, labelled, teacher, train_with_stops

from nadyn.checks.errors import InputError
from nadyn.cli.main import main
from nadyn.cli.training_table import TrainingTable
from nadyn.data import Dataset, split, write_dataset
from nadyn.models import load_model
from nadyn.models.model_file import digest
from nadyn.training import small_starts
from nadyn.training.build import build_network, elements_of, shortest_distances
from nadyn.training.checkpoint import existing
from nadyn.training.inheritance import learn_matrix
from nadyn.training.job import Job
from nadyn.training.loop import train_network
from nadyn.training.origin import origin
from nadyn.training.output import checkpoint_path
from nadyn.training.predictions import predict
from nadyn.training.samples import samples_from_group
from nadyn.training.schedule import Length
from nadyn.training.small_starts import called_for, gap_error, start_from_the_best
from nadyn.training.train import train
from nadyn.units import HARTREE_PER_EV

BASIS = "1x0e + 1x1o"


def _data(couplings=False, n=24):
    positions = geometries(n, spread=0.15)
    return Dataset((labelled(teacher(BASIS), positions, couplings=couplings),))


def _settings(**changes):
    # 22 training frames in batches of five: four steps an epoch, 40 of the training and 4 of each start.
    values = {"model": {"hidden": [16, 8], "basis": BASIS}, "epochs": 10, "small_starts": 3}
    values["checkpoint_every"] = 3
    return configuration(**(values | changes))


def _parts(data, settings):
    training, validation = split(data, 0.1, seed=settings.seed)
    elements, shortest = elements_of(data), shortest_distances(training, elements_of(data))
    training, validation = (tuple(map(samples_from_group, part.groups)) for part in (training, validation))

    def build(settings):
        return build_network(settings, training, shortest, elements)

    return training, validation, build


def _job(tmp_path, data, settings):
    training, validation, build = _parts(data, settings)
    origin = {"configuration": {}}
    return Job(training, validation, settings, tmp_path / "c", origin, False, lambda progress: None), build


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    path = tmp_path_factory.mktemp("undisturbed") / "model.safetensors"
    seen = []
    trained = train(
        _data(), path, _settings(), report=lambda progress: seen.append((progress.title, progress.step))
    )
    return trained, path, seen


def test_small_networks_come_first_and_take_no_epochs_from_the_training(undisturbed):
    trained, path, seen = undisturbed
    titles = list(dict.fromkeys(title for title, _ in seen))
    assert titles == [
        *(f"small network {number} of 3" for number in (1, 2, 3)),
        "learning the matrix of the best",
        "",
    ]
    assert [max(step for title, step in seen if title == one) for one in titles] == [4, 4, 4, 4, 40]
    history = json.loads(path.with_name("model.history.json").read_text(encoding="utf-8"))
    assert history["start"] == trained.learned.start == load_model(path).trained_on["start"]
    assert (
        "3 small networks (4 steps each, too few to tell) looked for where states cross"
        in trained.learned.start
    )
    assert all(entry["coupling_mae"] == [] for entry in history["history"])
    assert trained.model.potential.settings.network.hidden == (16, 8)
    assert list(path.parent.glob("*checkpoint*")) == []


@pytest.mark.parametrize("stops", [pytest.param((7,), marks=pytest.mark.slow), (2, 12, 14, 34)])
def test_stopped_in_any_part_it_ends_with_the_same_model(tmp_path, undisturbed, stops, unchecked_annotations):
    trained, undisturbed_path, _ = undisturbed
    path = tmp_path / "model.safetensors"
    again = train_with_stops(_data(), path, _settings(), stops)
    assert digest(path) == digest(undisturbed_path)
    assert again.learned.start == trained.learned.start
    assert list(tmp_path.glob("*checkpoint*")) == []


@pytest.mark.slow
def test_where_the_basis_is_open_every_assignment_has_small_networks(tmp_path, unchecked_annotations):
    settings = _settings(model={"hidden": [16, 8], "basis": "auto"})
    titles = []

    def stop(progress):
        if progress.title == "" and progress.step == 5:
            raise Stop

    whole = train(_data(), tmp_path / "a.safetensors", settings, report=lambda p: titles.append(p.title))
    small = [title for title in dict.fromkeys(titles) if title.startswith("small")]
    # Two of each of four assignments, and a third one of the best.
    assert len(small) == 9 and small[0].endswith("of 9: 2x0e + 1x1o + 1x1e (scalar, scalar)")
    assert len({title.partition(": ")[2] for title in small[:8]}) == 4
    assert whole.trials == ()
    chosen = whole.learned.start.rpartition("the best, ")[2]
    assert any(title.endswith(chosen) for title in small)
    assert chosen.startswith(whole.model.potential.settings.basis)
    with pytest.raises(Stop):
        train(_data(), tmp_path / "b.safetensors", settings, report=stop)
    train(_data(), tmp_path / "b.safetensors", settings, resume=True)
    assert digest(tmp_path / "b.safetensors") == digest(tmp_path / "a.safetensors")


@pytest.mark.parametrize("known", [False, True], ids=["switched off", "with couplings"])
def test_without_them_the_training_is_one_call_of_the_loop(tmp_path, known):
    data = _data(couplings=known)
    settings = _settings(epochs=2, small_starts=3 if known else 0)
    trained = train(data, tmp_path / "m.safetensors", settings)
    assert trained.learned.start == ""
    training, validation, build = _parts(data, settings)
    network = build(settings)
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
        assert torch.equal(weight, dict(trained.model.potential.named_parameters())[name]), name


def test_they_are_called_for_where_twenty_frames_have_a_small_gap(tmp_path):
    job, _ = _job(tmp_path, _data(), _settings())
    assert called_for(job)
    assert not called_for(replace(job, training=(job.training[0].take(torch.arange(17)),)))
    assert called_for(replace(job, training=(job.training[0].take(torch.arange(18)),)))
    wide = job.training[0].energies + torch.tensor([0.0, 1.0]) * HARTREE_PER_EV
    assert not called_for(replace(job, training=(replace(job.training[0], energies=wide),)))
    assert not called_for(_job(tmp_path, _data(couplings=True), _settings())[0])
    ground = dataset(24, basis=None, n_states=1)
    settings = _settings(model={"hidden": [16, 8]})
    training = tuple(map(samples_from_group, ground.groups))
    assert not called_for(replace(job, training=training, validation=(), configuration=settings))


def test_the_error_of_the_gap_is_the_weighted_mean_by_hand(tmp_path):
    job, build = _job(tmp_path, _data(), _settings())
    network, (group,) = build(_settings()), job.training
    missing = group.energies.clone()
    missing[3] = torch.nan
    found = predict(network, group, ()).energies.detach()
    expected = total = 0.0
    for frame in range(len(group)):
        if frame == 3:
            continue
        gap = float(group.energies[frame, 1] - group.energies[frame, 0])
        weight = 1.0 / (gap**2 + (0.3 * HARTREE_PER_EV) ** 2)
        expected += weight * abs(float(found[frame, 1] - found[frame, 0]) - gap)
        total += weight
    assert gap_error(network, (replace(group, energies=missing),)) == pytest.approx(
        expected / total, rel=1e-9
    )


def test_the_sentence_has_the_errors_of_small_gaps_in_millielectronvolts(
    tmp_path, monkeypatch, unchecked_annotations
):
    job, build = _job(tmp_path, _data(), _settings())
    # Hartree.
    errors = iter((0.002, 0.001, 0.003))
    monkeypatch.setattr(small_starts, "gap_error", lambda network, samples: next(errors))
    started = start_from_the_best(job, lambda assignment, settings: build(settings), Length(n_steps=1))
    assert "errors of small gaps from 27 to 82 meV" in started.sentence


def test_what_is_shown_of_a_matrix_is_its_error_in_parts_of_0_02_electronvolts_and_the_time_of_a_step(
    tmp_path, unchecked_annotations
):
    settings = _settings(batch_size=22)
    job, build = _job(tmp_path, _data(), settings)
    network, other = build(settings), build(settings.model_copy(update={"seed": 5}))
    with torch.no_grad():
        for number, one in enumerate((network, other)):
            one.reference.offsets.fill_(0.01 * number)
            for parameter in one.parameters():
                parameter.add_(
                    0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number))
                )
    # One batch of all frames, so that the first step sees each of them once.
    (group,) = job.training
    first, second = (
        one(group.surroundings(group.positions, one.network.cutoff, torch.float32))[0].detach()
        for one in (network, other)
    )
    shown, now = [], [0.0]

    def report(progress):
        shown.append((progress.loss, progress.seconds_a_step))
        now[0] += 2.0

    learn_matrix(network, other, replace(job, report=report, clock=lambda: now[0]), Length(n_steps=3))
    expected = float((((second - first) * 27.211386 / 0.02) ** 2).mean())
    assert shown[0][0] == pytest.approx(expected, rel=1e-4)
    # Two seconds pass after each step.
    assert [seconds for _, seconds in shown] == pytest.approx([0.0, 1.0, 4.0 / 3.0])


def test_a_network_learns_the_matrix_of_another_one_of_another_size(tmp_path, unchecked_annotations):
    settings = _settings(learning_rate=1e-2)
    job, build = _job(tmp_path, _data(), settings)
    small = settings.model_copy(
        update={"model": settings.model.model_copy(update={"hidden": (4,)}), "seed": 5}
    )
    network, other = build(settings), build(small)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))

    def apart():
        group = job.training[0]
        matrices = [
            one(group.surroundings(group.positions, one.network.cutoff, torch.float32))[0].detach()
            for one in (network, other)
        ]
        return float((matrices[0] - matrices[1]).abs().mean())

    before = apart()
    learn_matrix(network, other, job, Length(n_steps=200))
    assert apart() < 0.1 * before


def test_every_step_of_every_part_can_be_shown(tmp_path, unchecked_annotations):
    table, titles = TrainingTable(), set()

    def show(progress):
        table.show(progress)
        drawn = io.StringIO()
        Console(file=drawn, width=120).print(table)
        titles.add(progress.title)
        assert progress.title in drawn.getvalue() and f"{progress.step:,} of" in drawn.getvalue()

    train(_data(), tmp_path / "m.safetensors", _settings(epochs=2), report=show)
    assert "learning the matrix of the best" in titles and "" in titles


def test_small_networks_left_behind_are_in_the_way_of_a_new_training_only(tmp_path):
    path = tmp_path / "m[1].safetensors"

    def stop(progress):
        if progress.title.startswith("small network 2") and progress.step == 3:
            raise Stop

    with pytest.raises(Stop):
        train(_data(), path, _settings(), report=stop)
    left = [one.name.removeprefix("m[1].safetensors.checkpoint-") for one in existing(checkpoint_path(path))]
    assert left == ["start-0", "start-1"]
    with pytest.raises(InputError, match=r"an interrupted one left it.*--resume.*--overwrite"):
        train(_data(), path, _settings())
    other = replace(_data().groups[0], forces=2.0 * _data().groups[0].forces)
    with pytest.raises(InputError, match=r"the data must stay the same"):
        train(Dataset((other,)), path, _settings(), resume=True)
    train(dataset(12), path, configuration(epochs=1), overwrite=True)
    assert existing(checkpoint_path(path)) == []


def test_the_command_says_how_it_began(tmp_path, monkeypatch, unchecked_annotations):
    monkeypatch.setenv("COLUMNS", "300")
    write_dataset(tmp_path / "data.h5", _data())
    settings = _settings().model_dump(mode="json", exclude_none=True)
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    arguments = ("train", tmp_path / "data.h5", "--output", tmp_path / "m.safetensors")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), pytest.raises(SystemExit) as leaving:
        main([*map(str, arguments), "--config", str(tmp_path / "train.yaml")])
    assert leaving.value.code == 0, printed.getvalue()
    assert (
        "3 small networks (4 steps each, too few to tell) looked for where states cross" in printed.getvalue()
    )
    assert "the training began with the matrix of the best" in printed.getvalue()
