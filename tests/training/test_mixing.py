"""What a network cannot see must not differ within a training."""

from dataclasses import replace

import pytest
from teacher import configuration, dataset, geometries, labelled, teacher
from test_train_command import run_command

from nadyn.checks.errors import InputError
from nadyn.data import Dataset, write_dataset
from nadyn.training.mixing import about_energies, check_one_surface
from nadyn.training.train import train


def _two(**changes):
    model = teacher()
    first = labelled(model, geometries(12))
    second = labelled(model.for_atoms((7, 1, 1)), geometries(8)[:, :3], name="cation")
    return Dataset((first, replace(second, **changes)))


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("charge", 1, r"`charge` must be the same .* is 0 in 'toy' and 1 in 'cation'"),
        ("multiplicities", (3, 3), r"`multiplicities` must .* is \[1, 1\] in 'toy' and \[3, 3\] in 'cation'"),
        ("theory", "B3LYP", r"`theory` must .* is 'a network with random weights' in 'toy' and 'B3LYP' in"),
    ],
)
def test_groups_that_differ_in_what_a_network_does_not_see_are_refused_unless_told_otherwise(
    tmp_path, key, value, sentence
):
    data = _two(**{key: value})
    with pytest.raises(InputError, match=rf"{sentence}.*train one for each, or.*`mix: \[{key}\]`"):
        train(data, tmp_path / "m.safetensors", configuration())
    assert list(tmp_path.iterdir()) == []
    check_one_surface(data, (key,))
    others = tuple({"charge", "multiplicities", "theory"} - {key})
    with pytest.raises(InputError, match=sentence):
        check_one_surface(data, others)


def test_a_theory_that_is_not_given_may_be_any():
    check_one_surface(_two(theory=""), ())


def test_energies_of_the_same_atoms_far_apart_are_said():
    (group,) = dataset().groups
    assert about_energies(Dataset((group, replace(group, name="more")))) == []
    ion = replace(group, name="ion", energies=group.energies + 0.46)
    (sentence,) = about_energies(Dataset((group, ion)))
    assert sentence.startswith("toy and ion have the same atoms, but their energies are 12.5 eV apart")
    # Another molecule may lie anywhere.
    assert about_energies(_two(energies=_two().groups[1].energies + 0.46)) == []


def test_the_command_refuses_files_of_two_charges_whatever_their_groups_are_called(tmp_path):
    (group,) = dataset(12, couplings=False).groups
    files = {
        "neutral": (group,),
        "cation": (replace(group, charge=2),),
        "renamed": (replace(group, charge=2, name="cation"),),
        "both": (group, replace(group, charge=2, name="cation")),
    }
    for name, groups in files.items():
        write_dataset(tmp_path / f"{name}.h5", Dataset(groups))
    for names in (("neutral", "cation"), ("neutral", "renamed"), ("both",)):
        code, printed = run_command(
            *("train", *(tmp_path / f"{name}.h5" for name in names), "--output", tmp_path / "m.safetensors")
        )
        assert code == 2, printed
        text = " ".join(printed.split())
        assert "charge" in text
        assert "A model sees elements and positions only" in text
        assert "another name" not in text
        assert not (tmp_path / "m.safetensors").exists()


def test_two_methods_may_be_joined_where_the_training_file_says_so(tmp_path):
    (group,) = dataset(12, couplings=False).groups
    write_dataset(tmp_path / "a.h5", Dataset((group,)))
    write_dataset(tmp_path / "b.h5", Dataset((replace(group, theory="another"),)))
    arguments = ("train", tmp_path / "a.h5", tmp_path / "b.h5", "--output", tmp_path / "m.safetensors")
    code, printed = run_command(*arguments)
    assert code == 2
    assert "differ in `theory`" in " ".join(printed.split())
    (tmp_path / "t.yaml").write_text(
        "{epochs: 1, mix: [theory], small_starts: 0, model: {hidden: [4], basis: 2x0e}, "
        "encoder: {n_radial: 5, n_channels: 3, cutoff_angstrom: 3.5}}",
        encoding="utf-8",
    )
    code, printed = run_command(*arguments, "--config", tmp_path / "t.yaml", "--quiet")
    assert code == 0, printed
