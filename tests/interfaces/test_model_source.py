"""Models as label sources: forces, couplings in any orientation, random signs, what is not to be trusted."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from nadyn import shipped
from nadyn.checks.errors import InputError
from nadyn.electronic.labels import HasOverlaps, Known, LabelSource, Quality
from nadyn.electronic.surfaces import surfaces
from nadyn.interfaces.model_section import ModelSection
from nadyn.interfaces.model_source import model_source
from nadyn.models import load_model
from nadyn.models.analytic import analytic_model

TURN = Rotation.random(random_state=2).as_matrix()
AMMONIA = load_model(shipped.path("ammonia/ammonia.safetensors"))


def _so2(variant="singlets"):
    return analytic_model({"name": "sulfur_dioxide", "variant": variant})


def _bent(model, seed=1):
    """A geometry off every symmetry, and far enough from the reference that the rotation responds."""
    return model.frame.reference.numpy() + 0.15 * np.random.default_rng(seed).normal(size=(3, 3))


def _derivative(function, positions, step=1e-4):
    """Return ∂f/∂R by central differences, the coordinates first."""
    rows = []
    for atom in range(len(positions)):
        for axis in range(3):
            moved = np.zeros_like(positions)
            moved[atom, axis] = step
            rows.append((function(positions + moved) - function(positions - moved)) / (2 * step))
    return np.array(rows).reshape(*positions.shape, *np.shape(rows[0]))


@pytest.mark.parametrize("variant", ["singlets", "triplets"])
def test_forces_of_a_template_are_minus_the_derivative_of_its_energies_where_atoms_are(variant):
    model = _so2(variant)
    source, positions = model_source(model), _bent(model)
    slope = _derivative(lambda x: source.label(x).energies, positions)
    np.testing.assert_allclose(source.label(positions).forces, -slope.transpose(2, 0, 1), atol=1e-7)


def test_couplings_of_a_template_are_those_of_its_states_where_atoms_are():
    model = _so2()
    source, positions = model_source(model), _bent(model)
    here = source.label(positions)

    def overlap(x):
        found = source.overlaps(Known(positions, here), Known(x, source.label(x)))
        return found * np.sign(np.diag(found))

    d = _derivative(overlap, positions)[..., 1, 2]
    h = d * (here.energies[2] - here.energies[1])
    np.testing.assert_allclose(here.interstate_couplings[2], h, atol=1e-6)
    assert np.abs(h).max() > 0.05


@pytest.mark.parametrize("variant", ["singlets", "triplets"])
def test_a_template_turns_with_the_molecule(variant):
    model = _so2(variant)
    source, positions = model_source(model), _bent(model)
    here, there = source.label(positions), source.label(positions @ TURN.T + 3.0)
    np.testing.assert_allclose(there.energies, here.energies, atol=1e-14)
    np.testing.assert_allclose(there.forces, here.forces @ TURN.T, atol=1e-13)
    for name in ("interstate_couplings", "dipoles"):
        one = np.abs(getattr(there, name))
        two = np.abs(getattr(here, name) @ TURN.T)
        np.testing.assert_allclose(one, two, atol=1e-13, err_msg=name)


def test_what_a_template_says_has_no_net_force_and_no_torque():
    model = _so2()
    positions = _bent(model)
    label = model_source(model).label(positions)
    for vectors in (label.forces, label.interstate_couplings):
        assert np.abs(vectors.sum(axis=1)).max() < 1e-14
        assert np.abs(np.cross(positions, vectors).sum(axis=1)).max() < 1e-14


def test_triplets_stand_behind_singlets_and_have_the_energies_of_singlets_alone():
    positions = _bent(_so2())
    singlets = model_source(_so2()).label(positions)
    both = model_source(_so2("triplets"))
    label = both.label(positions)
    assert both.multiplicities == (1, 1, 1, 3, 3, 3)
    np.testing.assert_allclose(label.energies[:3], singlets.energies, atol=1e-6)
    assert (np.diff(label.energies[3:]) > 0).all()
    known = np.isfinite(label.interstate_couplings).all(axis=(1, 2))
    assert known.sum() == 6


def test_a_line_of_atoms_has_no_orientation_and_a_failed_label():
    line = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 2.7], [0.0, 0.0, -2.7]])
    label = model_source(_so2()).label(line)
    assert label.quality == Quality.FAILED
    assert "one orientation" in label.reason


def test_a_learned_model_labels_as_its_surfaces_do_up_to_signs():
    source = model_source(AMMONIA)
    positions = AMMONIA.starting_geometry.numpy() + 0.1 * np.random.default_rng(5).normal(size=(4, 3))
    label, found = source.label(positions), surfaces(AMMONIA, torch.from_numpy(positions)[None])
    np.testing.assert_array_equal(label.energies, found.energies[0].numpy())
    np.testing.assert_array_equal(label.forces, found.forces[0].numpy())
    h = found.interstate_coupling[0, 0, 1].numpy()
    np.testing.assert_array_equal(np.abs(label.interstate_couplings[0]), np.abs(h))
    assert label.quality == Quality.TRUSTED
    assert isinstance(source, LabelSource)
    assert isinstance(source, HasOverlaps)


def test_signs_of_states_are_random_and_the_same_at_the_same_geometry():
    model = _so2()
    source = model_source(model)
    first = []
    for seed in range(20):
        positions = _bent(model, seed)
        label, again = source.label(positions), source.label(positions)
        np.testing.assert_array_equal(label.interstate_couplings, again.interstate_couplings)
        # The states of a sign come with it: the overlap with themselves is 1.
        own = source.overlaps(Known(positions, label), Known(positions, again))
        np.testing.assert_allclose(own, np.eye(3), atol=1e-14)
        first.append(label.memory["eigenvectors"][0, 0] > 0)
    assert 2 < sum(first) < 18


def test_where_a_model_was_not_trained_it_is_doubtful():
    source = model_source(AMMONIA)
    positions = AMMONIA.starting_geometry.numpy()
    label = source.label(positions * 2.5)
    assert label.quality == Quality.DOUBTFUL
    assert "not trained on such geometries" in label.reason
    assert label.checks["novelty"] > 0.03


def test_a_model_file_is_named_with_its_digest_and_the_atoms_are_compared():
    folder = shipped.path("ammonia/ammonia.safetensors").parent
    section = ModelSection(model="ammonia.safetensors").beside(folder)
    source = section.source(AMMONIA.atomic_numbers)
    assert source.theory.startswith(f"model {AMMONIA.name} (")
    with pytest.raises(InputError, match=r"must have the atoms of model sulfur-dioxide-singlets"):
        ModelSection(model={"name": "sulfur_dioxide", "variant": "singlets"}).source((8, 16, 8))


def test_a_model_of_coordinates_without_a_molecule_is_refused():
    with pytest.raises(InputError, match="know what its own mean in a molecule"):
        model_source(analytic_model({"name": "pyrazine", "variant": 4}))
    with pytest.raises(InputError, match="know what its own mean in a molecule"):
        model_source(replace(_so2(), frame=None))
