"""What errors are of: frames that were held out, how new they are, or said to be of none."""

import numpy as np
import pytest
from teacher import NUMBERS, configuration, dataset, geometries, labelled, teacher
from test_train_command import run_command

from nadyn.checks.errors import InputError
from nadyn.data import Dataset, group_from_arrays, write_dataset
from nadyn.models import load_model
from nadyn.training.committee import _of_member
from nadyn.training.held_out import hold_out
from nadyn.training.train import train

_LATTICE = 2.0 * np.stack(np.meshgrid(*[np.arange(3)] * 3), axis=-1).reshape(27, 3)


def _walk(n=600):
    """Frames of a molecule that vibrates, and labels from the teacher."""
    generator = np.random.default_rng(4)
    phases, frequencies = 2 * np.pi * generator.random((4, 3)), generator.uniform(0.02, 0.04, (4, 3))
    waves = np.sin(frequencies * np.arange(n)[:, None, None] + phases)
    positions = geometries(1).numpy() + 0.15 * waves
    return Dataset((labelled(teacher(), geometries(1).new_tensor(positions)),))


def _one_frame_each(n=12):
    """Molecules of different size with one frame each."""
    model, groups = teacher(None, 1), []
    for number in range(n):
        atoms = (NUMBERS * 5)[: 3 + number]
        noise = 0.3 * np.random.default_rng(number).random((1, len(atoms), 3))
        positions = geometries(1).new_tensor(_LATTICE[None, : len(atoms)] + noise)
        groups.append(labelled(model.for_atoms(atoms), positions, name=f"m{number}"))
    return Dataset(tuple(groups))


def test_frames_of_trajectories_are_held_out_in_blocks_unless_the_training_file_says_otherwise():
    auto = hold_out(_walk(), configuration())
    assert auto.how == "blocks"
    assert "come from trajectories: blocks of them are held out" in auto.sentences[0]
    given = hold_out(_walk(), configuration(split="random"))
    assert given.how == "random"
    assert not any("trajectories" in sentence for sentence in given.sentences)
    # What blocks are for: fewer of their frames have a neighbour among the training frames.
    assert 2 * auto.n_neighbours < given.n_neighbours == given.n_compared == 60
    assert "try `split: blocks`" in given.sentences[-1]
    independent = hold_out(dataset(), configuration())
    assert (independent.how, independent.sentences, independent.n_compared) == ("random", [], 2)


def test_copies_of_training_frames_are_counted_and_said():
    (group,) = dataset(30).groups
    doubled = group.select([*range(30), *range(30)])
    found = hold_out(Dataset((doubled,)), configuration())
    energies = [set(part.groups[0].energies[:, 0]) for part in (found.validation, found.training)]
    assert found.n_copies == len(energies[0] & energies[1]) > 0
    assert f"{found.n_copies} of 6 held-out frames are copies of training frames" in found.sentences[0]


def test_copies_are_found_in_another_group_of_the_same_atoms():
    (group,) = dataset(30).groups
    turned = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    order = [3, 2, 1, 0]
    other = group_from_arrays(
        "other",
        atomic_numbers=group.atomic_numbers[order],
        positions=(group.positions @ turned)[:, order],
        energies=group.energies,
    )
    found = hold_out(Dataset((group, other)), configuration())
    # Three of each group are held out, and nearly all have their copy in the training part of the other.
    assert found.n_compared == 6
    assert found.n_copies >= 4


def test_with_one_frame_a_molecule_whole_molecules_are_held_out_and_said(tmp_path):
    data = _one_frame_each()
    settings = configuration(epochs=1, model={"hidden": [8]})
    trained = train(data, tmp_path / "m.safetensors", settings)
    (name,) = trained.validation.names
    assert name not in trained.model.trained_on["groups"]
    record = load_model(tmp_path / "m.safetensors").trained_on["held_out"]
    assert (record["how"], record["n_frames"], record["whole_molecules"]) == ("random", 1, [name])
    assert trained.held_out.sentences[0].endswith(f"whole ones are held out: 1 molecule ({name})")


def test_where_nothing_can_be_held_out_it_is_said_wherever_errors_are(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    # Ten atoms apart: each is the only molecule with its element.
    groups = tuple(
        group_from_arrays(
            f"atom {number}",
            atomic_numbers=np.array([number]),
            positions=np.zeros((1, 1, 3)),
            energies=np.array([[-0.5 * number]]),
        )
        for number in range(1, 11)
    )
    write_dataset(tmp_path / "atoms.h5", Dataset(groups))
    (tmp_path / "t.yaml").write_text(
        "{epochs: 1, encoder: {name: acsf}, model: {hidden: [4]}}", encoding="utf-8"
    )
    output = tmp_path / "m.safetensors"
    code, printed = run_command(
        *("train", tmp_path / "atoms.h5", "--output", output, "--config", tmp_path / "t.yaml")
    )
    assert code == 0, printed
    assert "nothing was held out: the best weights are chosen by the training frames" in printed
    assert "training frames of atom 3 (1 frame)" in printed
    assert "valid" not in printed
    assert "held-out" not in printed
    record = load_model(output).trained_on["held_out"]
    assert (record["how"], record["n_frames"]) == ("nothing", 0)


@pytest.mark.parametrize("how", ["blocks", "random"])
def test_the_training_file_decides_what_is_held_out(tmp_path, how):
    trained = train(dataset(), tmp_path / "m.safetensors", configuration(epochs=1, split=how))
    assert trained.model.trained_on["held_out"]["how"] == how
    frames = [
        int(np.flatnonzero((dataset().groups[0].positions == position).all(axis=(1, 2)))[0])
        for position in trained.validation.groups[0].positions
    ]
    # Two blocks of one, one in each half.
    assert len(frames) == 2
    if how == "blocks":
        assert frames[0] < 12 <= frames[1]


def test_a_seed_of_the_split_holds_out_the_same_frames_whatever_the_seed_is():
    def held(**keys):
        return hold_out(_walk(), configuration(split="stable", **keys)).validation.groups[0].positions

    np.testing.assert_array_equal(held(seed=3, split_seed=7), held(seed=4, split_seed=7))
    np.testing.assert_array_equal(held(seed=7), held(seed=4, split_seed=7))
    assert held(seed=3).shape != held(seed=4).shape or (held(seed=3) != held(seed=4)).any()


def test_members_of_a_committee_split_by_seeds_of_their_own():
    shared = configuration(split="stable", seed=3, split_seed=7)
    seeds = [
        [_of_member(one, number, 2, None).seed_of_split for number in range(2)]
        for one in (shared, configuration(seed=7))
    ]
    assert seeds[0] == seeds[1]
    assert seeds[0][0] == 7 != seeds[0][1]


def test_frames_to_judge_by_can_be_given(tmp_path):
    data = dataset(20)
    own = Dataset((labelled(teacher(), geometries(7, seed=5), name="mine"),))
    held_out = hold_out(data, configuration(), own)
    assert (held_out.training, held_out.validation, held_out.how) == (data, own, "given")
    assert held_out.n_compared == 7 and held_out.n_copies == 0
    # Of the training itself: said, not refused.
    copies = hold_out(data, configuration(), Dataset((data.groups[0].select([3, 4, 5]),)))
    assert copies.n_copies == 3 and "copies of training frames" in copies.sentences[0]
    for number, one in (("data", data), ("mine", own)):
        write_dataset(tmp_path / f"{number}.h5", one)
    settings = tmp_path / "train.yaml"
    settings.write_text(
        "{steps: 3, threads: 1, model: {basis: 2x0e, hidden: [8, 8]}, encoder: {n_radial: 4}}"
    )
    common = ("train", tmp_path / "data.h5", "--config", settings, "--quiet", "--output")
    code, printed = run_command(*common, tmp_path / "model.safetensors", "--validation", tmp_path / "mine.h5")
    assert code == 0, printed
    record = load_model(tmp_path / "model.safetensors").trained_on
    assert record["training_frames"] == 20 and record["held_out"]["how"] == "given"
    assert "held-out frames of mine (7 frames)" in printed


def test_frames_to_judge_by_must_fit():
    data = dataset(20)
    one_state = Dataset((labelled(teacher(None, 1), geometries(3)),))
    with pytest.raises(InputError, match="must have 2 states as those to learn from, but have 1"):
        hold_out(data, configuration(), one_state)
    carbon = Dataset((labelled(teacher().for_atoms((6, 1, 1, 9)), geometries(3)),))
    with pytest.raises(InputError, match="must be of elements of those to learn from, but hold C too"):
        hold_out(data, configuration(), carbon)


def test_a_resumed_training_is_judged_by_the_same_frames(tmp_path):
    data, settings = dataset(20), configuration(epochs=1)
    own, other = (Dataset((labelled(teacher(), geometries(7, seed=seed)),)) for seed in (5, 6))

    def stop(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(data, tmp_path / "m.safetensors", settings, validation=own, report=stop)
    with pytest.raises(InputError, match="`--validation`"):
        train(data, tmp_path / "m.safetensors", settings, validation=other, resume=True)
    assert train(data, tmp_path / "m.safetensors", settings, validation=own, resume=True).validation is own
