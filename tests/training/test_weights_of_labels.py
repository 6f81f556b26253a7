"""A weight of labels that a training does not learn is refused, with the reason."""

from dataclasses import replace

import numpy as np
import pytest

from nadyn.checks.errors import InputError
from nadyn.data import Dataset, group_from_arrays
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.dataset_checks import check_dataset

N = 11
RANDOM = np.random.default_rng(6)
EVERYWHERE, SLAB = (True, True, True), (True, True, False)


def _group(**more):
    shape = np.array([[0.0, 0.0, 0.0], [1.8, 0.0, 0.1], [-0.5, 1.7, 0.0], [3.0, 3.0, 3.0]])
    given = {
        "positions": shape + RANDOM.normal(scale=0.05, size=(N, 4, 3)),
        "energies": RANDOM.normal(size=(N, 1)),
        "charge": 0,
        "cell": np.tile(12.0 * np.eye(3), (N, 1, 1)),
    }
    return group_from_arrays("toy", atomic_numbers=[8, 1, 1, 2], **(given | more))


def _check(group, weights, **model):
    check_dataset(Dataset((group,)), TrainingConfiguration(weights=weights, model=model))


DIPOLES = {"dipoles": RANDOM.normal(size=(N, 1, 1, 3))}
STRESS = {"stress": np.tile(1e-4 * np.eye(3), (N, 1, 1, 1))}
TENSORS = {"polarisabilities": np.tile(9.0 * np.eye(3), (N, 1, 1, 1))}
CHARGES = {"charges": np.tile([-0.6, 0.3, 0.3, 0.0], (N, 1))}


@pytest.mark.parametrize("value", [1.0, 3.0])
def test_a_stress_weight_without_stress_is_refused_be_it_the_default(value):
    with pytest.raises(InputError, match=rf"`weights.stress` .* data without stresses, but is {value:g}\.$"):
        _check(_group(), {"stress": value})
    _check(_group(), {"energy": 1.0})
    _check(_group(**STRESS, pbc=EVERYWHERE), {"stress": value})


@pytest.mark.parametrize(
    ("quantity", "labels", "model", "why"),
    [
        ("stress", STRESS | {"pbc": SLAB}, {}, "no cell of theirs is periodic in all directions"),
        ("dipole", DIPOLES | {"pbc": EVERYWHERE}, {}, "isolated molecule, but it is in a periodic cell"),
        ("dipole", DIPOLES | {"charge": 1}, {}, r"must have a named origin, because its charge is \+1"),
        ("dipole", DIPOLES, {"properties": ()}, "`model.properties` leaves out dipole"),
        ("polarisability", TENSORS | DIPOLES, {"properties": ("dipole",)}, "leaves out polarisability"),
        ("charge", CHARGES, {}, r"where the training file has `model: \{electrostatics: \{\}\}`"),
        ("transition_dipole", DIPOLES, {}, None),
        ("dipole", {}, {}, None),
        ("coupling", {}, {}, None),
    ],
)
def test_a_weight_of_what_is_not_learned_is_refused_with_the_reason(quantity, labels, model, why):
    ending = r", but is 2\.$" if why is None else rf" that are learned, but is 2: .*{why}.*(?<!\.)\.$"
    with pytest.raises(
        InputError, match=rf"`weights.{quantity}` must be left out for data without .*{ending}"
    ):
        _check(_group(**labels), {quantity: 2.0}, **model)
    _check(_group(**labels), {}, **{key: value for key, value in model.items() if not labels})


def test_one_molecule_that_teaches_a_quantity_is_enough():
    ion = replace(_group(**DIPOLES, charge=1), name="ion")
    settings = TrainingConfiguration(weights={"dipole": 2.0}, mix=("charge",))
    check_dataset(Dataset((_group(**DIPOLES), ion)), settings)


def test_settings_with_every_weight_written_out_mean_only_those_that_differ():
    weights = TrainingConfiguration().weights
    written = {name: getattr(weights, name) for name in type(weights).model_fields}
    assert "energy" in written and "stress" in written
    _check(_group(), written)
    with pytest.raises(InputError, match=r"`weights.stress` must be left out"):
        _check(_group(), written | {"stress": written["stress"] + 1.0})
