"""A training begins with the matrices of other models, each where it is right."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from teacher import Stop, configuration, dataset, geometries, labelled, teacher, train_with_stops

from nadyn.checks.errors import InputError
from nadyn.cli.main import main
from nadyn.data import Dataset, write_dataset
from nadyn.models import load_model, save_model
from nadyn.models.model_file import digest
from nadyn.training.beginning import RIGHT, beginning, with_basis_of
from nadyn.training.checkpoint import existing
from nadyn.training.lessons import matrix_at
from nadyn.training.output import checkpoint_path
from nadyn.training.predictions import predict
from nadyn.training.samples import samples_from_group
from nadyn.training.train import train

BASIS = "1x0e + 1x1o"


def models():
    """Return two models with the same elements and basis, the second one shifted up by 0.1 hartree."""
    first, second = teacher(BASIS), teacher(BASIS)
    second.potential.reference.offsets.add_(0.1)
    return first, second


def data(n: int = 40) -> Dataset:
    """Return frames of which the first model has the first third right and the second one the last."""
    group = labelled(teacher(BASIS), geometries(n, spread=0.05))
    shift = np.repeat([0.0, 0.05, 0.1], [n // 3, n - 2 * (n // 3), n // 3])[:, None]
    return Dataset((replace(group, energies=group.energies + shift, forces=None),))


def settings(**changes):
    return configuration(**({"model": {"hidden": [16, 8]}, "epochs": 8} | changes))


def test_each_model_teaches_the_frames_where_it_is_right():
    (samples,) = map(samples_from_group, data().groups)
    begun = beginning(models(), (samples,))
    parts = (range(13), range(27, 40))
    for lesson, model, rows in zip(begun.lessons, models(), parts, strict=True):
        network, (frames,) = lesson.teacher, lesson.samples
        assert torch.equal(frames.positions, samples.positions[list(rows)])
        errors = predict(network, frames, ()).energies.detach() - frames.energies
        assert float(errors.abs().max()) < RIGHT
        assert torch.equal(network.reference.offsets, model.potential.reference.offsets)
    assert "at 26 of 40 training frames" in begun.with_matrices and "(13 frames)" in begun.with_matrices


def test_where_several_are_right_the_best_teaches_and_a_missing_label_is_never_right():
    first, second = models()
    second.potential.reference.offsets.add_(-0.0995)
    group = data().groups[0]
    energies = group.energies.copy()
    energies[3, 1] = np.nan
    (samples,) = map(samples_from_group, (replace(group, energies=energies),))
    with pytest.raises(InputError, match="but has those of 0 of 40"):
        beginning((first, second), (samples,))
    (frames,) = beginning((first,), (samples,)).lessons[0].samples
    assert len(frames) == 12 and not torch.isnan(frames.energies).any()


def flipped(model, signs):
    """Return the model with other signs of its basis functions, which no energy and no coupling knows."""
    network = copy.deepcopy(model.potential)
    original = network.forward

    def forward(surroundings):
        matrix, features = original(surroundings)
        return signs[:, None] * matrix * signs, features

    network.forward = forward
    return replace(model, potential=network)


@pytest.mark.parametrize("basis", ["1x0e + 1x1o", "2x0e + 1x1o"])
def test_signs_of_basis_functions_are_those_of_the_first_model(basis):
    model = teacher(basis)
    scalars = model.n_basis - 3
    wanted = torch.ones(model.n_basis, dtype=torch.float64)
    wanted[scalars - 1] = -1.0
    samples = samples_from_group(labelled(model, geometries(40, spread=0.05)))
    # Each is a little better than the other at half of the frames, and right at all.
    half = torch.arange(40)[:, None] < 20
    samples = replace(samples, energies=samples.energies + torch.where(half, 0.0, 1e-4))
    other = flipped(model, wanted)
    other.potential.reference.offsets.add_(1e-4)
    first, second = beginning((model, other), (samples,)).lessons
    assert first.signs is None and [len(lesson.samples[0]) for lesson in (first, second)] == [20, 20]
    # The first function is the one that keeps its sign.
    assert torch.equal(second.signs, wanted * wanted[0])
    left, right = (matrix_at(network, samples) for network in (model.potential, other.potential))
    right = second.signs[:, None] * right * second.signs
    shift = 1e-4 * torch.eye(model.n_basis, dtype=torch.float64)
    assert float((left + shift - right).abs().max()) < 1e-12


def test_outside_of_its_training_a_model_is_right_by_chance_only():
    model, _ = models()
    (samples,) = map(samples_from_group, data().groups)
    model.potential.network.highest.copy_(model.potential.network.lowest)
    with pytest.raises(InputError, match=r"frames of its own kind right within 0\.05 eV"):
        beginning((model,), (samples,))


def test_the_matrix_is_learned_first_and_takes_no_epochs_from_the_training(tmp_path):
    seen = []

    def report(progress):
        seen.append((progress.title, progress.loss))

    path = tmp_path / "model.safetensors"
    trained = train(data(), path, settings(epochs=20), begin_from=models(), report=report)
    titles = list(dict.fromkeys(title for title, _ in seen))
    assert titles == ["learning the matrices to begin from", ""]
    lessons = [loss for title, loss in seen if title]
    assert len(lessons) == 14 and lessons[-1] < lessons[0]
    assert trained.outcome.progress.step == 20 * 7
    assert trained.learned.start == trained.model.trained_on["start"]


def test_a_single_model_of_the_same_settings_hands_on_its_weights(tmp_path, monkeypatch):
    # A training of seconds is right nowhere.
    monkeypatch.setattr("nadyn.training.beginning.RIGHT", 10.0)
    first = train(data(), tmp_path / "first.safetensors", settings(), begin_from=models())
    seen = []

    def report(progress):
        seen.append(progress.title)

    slow = settings(epochs=1, learning_rate=1e-9)
    path = tmp_path / "second.safetensors"
    second = train(data(), path, slow, begin_from=(first.model,), report=report)
    assert set(seen) == {""}
    assert second.learned.start.startswith("it began with the weights of another model: toy (36 frames)")
    weights = second.model.potential.state_dict()
    for name, values in first.model.potential.state_dict().items():
        torch.testing.assert_close(weights[name], values, rtol=1e-5, atol=1e-6)
    # Atoms that come closer than before do not cost the weights.
    group = data().groups[0]
    closer = Dataset((replace(group, positions=0.99 * group.positions),))
    third = train(closer, tmp_path / "closer.safetensors", slow, begin_from=(first.model,), report=report)
    assert set(seen) == {""}
    assert third.model.potential.settings == first.model.potential.settings
    parameters = dict(third.model.potential.named_parameters())
    for name, values in first.model.potential.named_parameters():
        torch.testing.assert_close(parameters[name], values, rtol=1e-5, atol=1e-6)
    other = settings(epochs=1, model={"hidden": [8]})
    train(
        data(),
        tmp_path / "third.safetensors",
        other,
        begin_from=(first.model,),
        report=lambda p: seen.append(p.title),
    )
    assert "learning the matrices to begin from" in seen


@pytest.mark.slow
@pytest.mark.parametrize("stops", [(1, 12, 30)])
def test_stopped_anywhere_it_ends_with_the_same_model(tmp_path, stops):
    def train_it(data, path, settings, **options):
        return train(data, path, settings, begin_from=models(), **options)

    often = settings(checkpoint_every=3)
    train_it(data(), tmp_path / "whole.safetensors", often)
    train_with_stops(data(), tmp_path / "stopped.safetensors", often, stops, train=train_it)
    assert digest(tmp_path / "whole.safetensors") == digest(tmp_path / "stopped.safetensors")
    assert not existing(checkpoint_path(tmp_path / "stopped.safetensors"))


def test_another_basis_other_states_other_elements_and_a_model_that_is_wrong_are_refused():
    model, _ = models()
    for basis in ("auto", "1x0e + 1x1o", "1x0e+1x1o"):
        chosen = with_basis_of((model,), settings(model={"basis": basis}))
        assert chosen.model.basis == BASIS and chosen.model.kind == "diabatic"
    with pytest.raises(InputError, match=r"`model.basis` must be that of the model to begin from"):
        with_basis_of((model,), settings(model={"basis": "2x0e"}))
    with pytest.raises(InputError, match="must be that of the model to begin from, atomic_sum"):
        with_basis_of((teacher(None, 1),), settings(model={"kind": "diabatic"}))
    with pytest.raises(InputError, match="must have one latent basis, but have 1x0e \\+ 1x1o and 2x0e"):
        with_basis_of((model, teacher("2x0e")), settings())
    (three,) = map(samples_from_group, dataset(n_states=3, basis="3x0e").groups)
    with pytest.raises(InputError, match="must have the 3 states of the data, but has 2"):
        beginning((model,), (three,))
    group = data().groups[0]
    foreign = samples_from_group(replace(group, atomic_numbers=np.array([8, 1, 1, 9])))
    with pytest.raises(InputError, match="knows H, C, N, F and not O"):
        beginning((model,), (foreign,))


def test_resumed_with_other_models_it_is_refused(tmp_path):
    def stop(progress):
        if progress.title == "" and progress.step > 4:
            raise Stop

    path = tmp_path / "model.safetensors"
    with pytest.raises(Stop):
        train(data(), path, settings(), begin_from=models(), report=stop)
    with pytest.raises(InputError, match="the models to begin from must stay the same"):
        train(data(), path, settings(), begin_from=models()[::-1], resume=True)


def test_the_command_begins_from_files_and_says_so(tmp_path, capsys):
    frames, yaml, output = (tmp_path / name for name in ("data.h5", "train.yaml", "model.safetensors"))
    write_dataset(frames, data())
    yaml.write_text(
        "{epochs: 2, batch_size: 5, model: {hidden: [8]}, "
        "encoder: {cutoff_angstrom: 3.5, n_radial: 5, n_channels: 3}}"
    )
    arguments = ["train", str(frames), "--config", str(yaml), "--output", str(output)]
    for number, model in enumerate(models()):
        save_model(model, tmp_path / f"{number}.safetensors")
        arguments += ["--from", str(tmp_path / f"{number}.safetensors")]
    with pytest.raises(SystemExit) as leaving:
        main(arguments)
    assert leaving.value.code == 0
    assert "it began with the matrices of other models" in " ".join(capsys.readouterr().out.split())
    assert load_model(output).potential.settings.basis == BASIS
