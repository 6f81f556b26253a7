"""A model that is no better than nothing is said to be so, in one sentence."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from teacher import configuration, dataset, errors_of, geometries, labelled, teacher

from nadyn.data import Dataset
from nadyn.models import load_model
from nadyn.training.evaluation import compare, constant_errors
from nadyn.training.nothing import about_nothing, errors_of_nothing, no_better_than_nothing
from nadyn.training.samples import samples_from_group
from nadyn.training.train import train


def _samples(data):
    return tuple(map(samples_from_group, data.groups))


def test_nothing_is_the_mean_energy_and_zero_forces_and_couplings():
    data = dataset()
    errors = errors_of_nothing(_samples(data), _samples(data))
    (group,) = data.groups
    energy = np.abs(group.energies - group.energies.mean(axis=0)).mean(axis=0)
    np.testing.assert_allclose(errors.mae["energy"], energy, rtol=1e-9)
    np.testing.assert_allclose(errors.mae["force"], np.abs(group.forces).mean(axis=(0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(errors.mae["coupling"], np.abs(group.interstate_couplings).mean(), rtol=1e-12)
    logarithms = [np.log(np.mean(values)) for values in (energy, errors.mae["force"], errors.mae["coupling"])]
    assert errors.score == pytest.approx(np.mean(logarithms), rel=1e-9)
    # The column that the table of errors shows beside those of the model.
    table = constant_errors(compare(teacher(), group))
    np.testing.assert_allclose(np.array(errors.mae["energy"]) * 27.211386, table["energy"], rtol=1e-6)


def test_nothing_knows_the_energies_of_elements():
    model = teacher()
    smaller = labelled(model.for_atoms((7, 1, 1)), geometries(9)[:, :3], name="smaller")
    data = Dataset((labelled(model, geometries(9)), smaller))
    both = _samples(data)
    # Fluorine is 100 hartree; what is left is the spread within each molecule.
    spread = torch.stack([(group.energies - group.energies.mean(dim=0)).abs().mean(dim=0) for group in both])
    np.testing.assert_allclose(errors_of_nothing(both, both).mae["energy"], spread.mean(dim=0), rtol=1e-9)
    # A molecule without training frames has the sum of its elements.
    rows = {"a": (1, 1, 7), "b": (1, 9), "c": (7, 9, 9), "d": (1, 9, 9), "e": (1, 1, 1, 7, 9)}
    energy = {1: -0.5, 7: -54.0, 9: -99.0}

    def made(name):
        total = sum(energy[number] for number in rows[name])
        energies = torch.tensor([[total, total + 0.2]] * 9, dtype=torch.float64)
        return replace(both[0], name=name, numbers=rows[name], energies=energies, forces=None, couplings=None)

    unseen = errors_of_nothing(tuple(map(made, "abcd")), (made("e"),))
    np.testing.assert_allclose(unseen.mae["energy"], 0.0, atol=1e-6)


def test_two_surfaces_in_one_training_are_worse_than_nothing():
    """Each has its own mean, which a model of elements and positions cannot have."""
    one = _samples(dataset())
    two = tuple(replace(group, name="ion", energies=group.energies + 0.46) for group in one)
    errors = errors_of_nothing((*one, *two), (*one, *two))
    np.testing.assert_allclose(errors.mae["energy"], errors_of_nothing(one, one).mae["energy"], rtol=1e-9)
    model = errors_of([0.23, 0.23], [0.001], [])
    assert no_better_than_nothing(model, errors) == ["energy"]


def test_each_quantity_is_compared_with_its_own():
    nothing = errors_of([1.0, 3.0], [2.0, 2.0], [0.5])
    assert no_better_than_nothing(errors_of([0.9, 2.9], [1.0, 1.9], [0.4]), nothing) == []
    # Better in the mean, but not for each state.
    single = no_better_than_nothing(errors_of([1.9, 1.9], [1.0, 2.9], [0.4]), nothing)
    assert single == ["energy of state 0", "force of state 1"]
    assert "energies of state 0 and forces of state 1 no better" in about_nothing(single, "held-out frames")
    assert no_better_than_nothing(errors_of([1.0, 3.0], [1.0, 1.0], [0.6]), nothing) == ["energy", "coupling"]
    assert no_better_than_nothing(errors_of([torch.inf, 0.1], [0.1, 0.1], []), nothing) == ["energy"]
    # One frame a molecule: nothing is right as well, and there is nothing to compare.
    assert no_better_than_nothing(errors_of([0.1], [], []), errors_of([0.0], [], [])) == []


def test_a_training_of_a_step_is_said_to_be_no_better_than_nothing(tmp_path, unchecked_annotations):
    poor = train(dataset(), tmp_path / "a.safetensors", configuration(epochs=1, learning_rate=1e-9))
    (note,) = [
        note for note in load_model(tmp_path / "a.safetensors").trained_on["notes"] if "nothing" in note
    ]
    assert note.startswith("on the held-out frames the model predicts energies")
    assert note in poor.model.trained_on["notes"]
    settings = configuration(epochs=9, learning_rate=1e-2, average_decay=0.9, batch_size=8)
    good = train(dataset(44, couplings=False), tmp_path / "b.safetensors", settings)
    assert good.model.trained_on["notes"] == []
