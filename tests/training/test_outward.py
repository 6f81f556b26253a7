"""A training begins with the matrix of another model where that is right, and goes outward from there."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from teacher import configuration, dataset, geometries, labelled, teacher, train_with_stops

from nadyn.checks.errors import InputError
from nadyn.cli.main import main
from nadyn.data import Dataset, write_dataset
from nadyn.models import load_model, save_model
from nadyn.models.model_file import digest
from nadyn.training import rings
from nadyn.training.checkpoint import existing
from nadyn.training.held_out import hold_out
from nadyn.training.job import Job
from nadyn.training.outward import N_RINGS, RIGHT, outward_from, with_basis_of
from nadyn.training.predictions import predict
from nadyn.training.train import checkpoint_path, train

BASIS = "1x0e + 1x1o"


def stretched(shift: torch.Tensor) -> torch.Tensor:
    """Return geometries whose last atom is farther and farther away [bohr]."""
    positions = geometries(len(shift), spread=0.05)
    positions[:, 3] += shift[:, None] * torch.tensor([0.3, -0.9, 0.0], dtype=torch.float64)
    return positions


def data(n: int = 40, *, wrong_from: float = 0.9) -> Dataset:
    """Return frames of a known model; beyond a stretch their energies are others."""
    shift = torch.linspace(0.0, 1.8, n, dtype=torch.float64)
    group = labelled(teacher(BASIS), stretched(shift))
    beyond = (shift.numpy() > wrong_from)[:, None]
    energies = group.energies + np.where(beyond, 0.1 * shift.numpy()[:, None], 0.0)
    return Dataset((replace(group, energies=energies, forces=None),))


def settings(**changes):
    return configuration(**({"model": {"hidden": [16, 8]}, "epochs": 8} | changes))


def test_frames_join_in_the_order_of_their_distance_from_where_the_model_is_right():
    frames = data()
    held_out = hold_out(frames, settings())
    outward = outward_from(teacher(BASIS), held_out)
    (distances,) = outward.training
    group = held_out.training.groups[0]
    stretch = np.linalg.norm(group.positions[:, 3] - group.positions[:, 0], axis=-1)
    inside = distances == 0.0
    assert inside.sum() >= 10 and (~inside).sum() >= 10
    assert stretch[inside].max() < stretch[~inside].max()
    order = np.argsort(distances[~inside])
    # Their other atoms tremble: the order is that of the stretch but for neighbours.
    assert np.corrcoef(np.argsort(order), np.argsort(np.argsort(stretch[~inside])))[0, 1] > 0.95
    assert outward.limits == tuple(sorted(outward.limits)) and len(outward.limits) <= N_RINGS
    assert outward.limits[-1] == distances.max()
    assert len(outward.validation[0]) == held_out.validation.groups[0].n_frames
    assert f"{inside.sum()} of {group.n_frames} training frames right" in outward.sentence


def test_rings_come_first_grow_and_take_no_epochs_from_the_training(tmp_path, monkeypatch):
    seen, taught, trained_on = [], [], []
    learn, proceed = rings.learn_matrix, Job.train

    def learn_matrix(network, teacher, job, length, **options):
        taught.append((teacher, job.training))
        learn(network, teacher, job, length, **options)

    def train_part(job, build, length, **options):
        frames = {tuple(positions.flatten().tolist()) for positions in job.training[0].positions}
        trained_on.append((frames, sum(map(len, job.validation))))
        return proceed(job, build, length, **options)

    monkeypatch.setattr(rings, "learn_matrix", learn_matrix)
    monkeypatch.setattr(Job, "train", train_part)
    model = teacher(BASIS)
    trained = train(
        data(),
        tmp_path / "model.safetensors",
        settings(),
        begin_from=model,
        report=lambda progress: seen.append(progress.title),
    )
    titles = list(dict.fromkeys(seen))
    assert titles[0] == "learning the matrix to begin from" and titles[-1] == ""
    n_rings = len(titles) - 2
    assert titles[1:-1] == [f"outward, ring {k + 1} of {n_rings}" for k in range(n_rings)] and n_rings > 2
    assert trained.outcome.progress.step == 8 * 7
    assert trained.learned.start == trained.model.trained_on["start"]
    # What is taught is what the model has right, and by itself.
    ((network, frames),) = taught
    assert network is model.network
    energies = predict(network, frames[0], ()).energies.detach()
    assert float((energies - frames[0].energies).abs().max()) < RIGHT
    parts, judged = zip(*trained_on, strict=True)
    joined = [len(set.union(*parts[: number + 1])) for number in range(len(parts))]
    assert len(frames[0]) < joined[0] < joined[n_rings // 2] < joined[-2] == 36
    assert len(parts[-1]) == 36 and len(parts) == n_rings + 1
    assert list(judged) == sorted(judged) and judged[0] < judged[-1] == 4


# In the first ring, in a later one, in the training proper.
@pytest.mark.parametrize("stops", [(4, 14, 30)])
def test_stopped_anywhere_it_ends_with_the_same_model(tmp_path, stops):
    def train_it(data, path, settings, **options):
        return train(data, path, settings, begin_from=teacher(BASIS), **options)

    train_it(data(), tmp_path / "whole.safetensors", settings())
    train_with_stops(data(), tmp_path / "stopped.safetensors", settings(), stops, train=train_it)
    assert digest(tmp_path / "whole.safetensors") == digest(tmp_path / "stopped.safetensors")
    assert not existing(checkpoint_path(tmp_path / "stopped.safetensors"))


def test_another_basis_other_states_other_elements_and_a_model_that_is_wrong_are_refused():
    model = teacher(BASIS)
    for basis in ("auto", "1x0e + 1x1o", "1x0e+1x1o"):
        chosen = with_basis_of(model, settings(model={"basis": basis}))
        assert chosen.model.basis == BASIS and chosen.model.kind == "diabatic"
    with pytest.raises(InputError, match=r"`model.basis` must be that of the model to begin from"):
        with_basis_of(model, settings(model={"basis": "2x0e"}))
    with pytest.raises(InputError, match="must be that of the model to begin from, atomic_sum"):
        with_basis_of(teacher(None, 1), settings(model={"kind": "diabatic"}))
    with pytest.raises(InputError, match="must have the 3 states of the data, but has 2"):
        outward_from(model, hold_out(dataset(n_states=3, basis="3x0e"), settings()))
    wrong = data()
    group = wrong.groups[0]
    shifted = Dataset((replace(group, energies=group.energies + 0.1),))
    with pytest.raises(InputError, match=r"of its own kind right within 0\.05 eV, but has those of 0 of 36"):
        outward_from(model, hold_out(shifted, settings()))
    foreign = Dataset((replace(group, atomic_numbers=np.array([8, 1, 1, 9])),))
    with pytest.raises(InputError, match="knows H, C, N, F and not O"):
        outward_from(model, hold_out(foreign, settings()))


def test_resumed_with_another_model_it_is_refused(tmp_path):
    class Stop(Exception):
        pass

    def stop(progress):
        if progress.title == "" and progress.step > 4:
            raise Stop

    path = tmp_path / "model.safetensors"
    with pytest.raises(Stop):
        train(data(), path, settings(), begin_from=teacher(BASIS), report=stop)
    with pytest.raises(InputError, match="the model to begin from must stay the same"):
        model = {"hidden": [16, 8], "basis": BASIS, "kind": "diabatic"}
        train(data(), path, settings(model=model), resume=True)


def test_the_command_begins_from_a_file_and_says_so(tmp_path, capsys):
    model, frames, yaml = tmp_path / "first.safetensors", tmp_path / "data.h5", tmp_path / "train.yaml"
    save_model(teacher(BASIS), model)
    write_dataset(frames, data())
    yaml.write_text(
        "{epochs: 2, batch_size: 5, model: {hidden: [8]}, "
        "encoder: {cutoff_angstrom: 3.5, n_radial: 5, n_channels: 3}}"
    )
    output = tmp_path / "second.safetensors"
    arguments = ["train", str(frames), "--config", str(yaml), "--output", str(output), "--from", str(model)]
    with pytest.raises(SystemExit) as leaving:
        main(arguments)
    assert leaving.value.code == 0
    assert "it began with the matrix of another model" in " ".join(capsys.readouterr().out.split())
    assert load_model(output).network.settings.basis == BASIS
