"""Dipoles and polarisabilities are learned beside W: signs, missing labels, origins, refusals."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from contracts.untrained import untrained
from teacher import configuration, geometries, labelled

from nadyn.checks.errors import InputError
from nadyn.data import Dataset, group_from_arrays, load_dataset, write_dataset
from nadyn.data.dipole_origin import dipoles_of_coordinates
from nadyn.data.not_learned import about_not_learned
from nadyn.electronic.surfaces import surfaces
from nadyn.models.heads.dipole import DipoleSettings
from nadyn.models.heads.polarisability import PolarisabilitySettings
from nadyn.structures import masses
from nadyn.training.build import build_network, shortest_distances
from nadyn.training.evaluation import compare, constant_errors, metrics
from nadyn.training.losses import residuals
from nadyn.training.notices import about_judged
from nadyn.training.predictions import label_pairs, predict
from nadyn.training.samples import samples_from_group, samples_together
from nadyn.training.train import train
from nadyn.units import CUBIC_ANGSTROM_PER_AU, DEBYE_PER_AU

N_FRAMES, N_STATES = 7, 3


def _teacher(charge=0):
    model = untrained(
        "moments",
        "2x0e + 1x1o",
        n_states=N_STATES,
        seed=5,
        heads=(DipoleSettings(charge), PolarisabilitySettings()),
    )
    return model.double()


def _group(model, n=N_FRAMES, **changes):
    """Labels with random signs of the states, the same for couplings and dipoles of a frame."""
    positions = geometries(n)
    plain = labelled(model, positions, couplings=True)
    result = surfaces(model, positions)
    signs = np.random.default_rng(3).choice([-1.0, 1.0], size=(n, N_STATES))
    dipoles = result.dipoles.numpy() * (signs[:, :, None] * signs[:, None])[..., None]
    known = {
        "dipoles": dipoles,
        "polarisabilities": result.polarisabilities.numpy(),
        "charge": model.charge_of_dipole,
        "dipole_origin": "coordinates",
    }
    return replace(plain, **(known | changes))


def _residuals(model, group):
    batch = samples_from_group(group)
    found = residuals((predict(model.potential, batch, label_pairs((batch,), N_STATES)),), (batch,))
    return {name: squares.detach() for name, squares in found.items()}


def test_a_model_predicts_its_own_labels_whatever_the_signs_of_the_states():
    model = _teacher()
    found = _residuals(model, _group(model))
    assert set(found) == {"energy", "force", "coupling", "dipole", "transition_dipole", "polarisability"}
    for name, squares in found.items():
        assert float(squares.max()) < 1e-20, name


def test_couplings_and_transition_dipoles_have_one_sign_a_state():
    """Signs that fit the dipoles alone, but not together with the couplings, are no choice."""
    model = _teacher()
    group = _group(model)
    turned = group.dipoles.copy()
    turned[:, 0, 1] *= -1
    turned[:, 1, 0] *= -1
    found = _residuals(model, replace(group, dipoles=turned))
    assert float(found["transition_dipole"].min()) > 1e-6
    # Without couplings, and of one pair only, any sign is one.
    alone = np.full_like(turned, np.nan)
    alone[:, 0, 1] = turned[:, 0, 1]
    free = _residuals(model, replace(group, dipoles=alone, interstate_couplings=None))
    assert float(free["transition_dipole"].max()) < 1e-20


def test_missing_labels_count_for_nothing():
    model = _teacher()
    group = _group(model)
    dipoles, tensors = group.dipoles.copy(), group.polarisabilities.copy()
    dipoles[2], dipoles[4, 1, 2], dipoles[4, 2, 1] = np.nan, np.nan, np.nan
    tensors[3, 1:] = np.nan
    found = _residuals(model, replace(group, dipoles=dipoles, polarisabilities=tensors))
    assert torch.isnan(found["dipole"]).nonzero().flatten().tolist() == [2]
    assert torch.isnan(found["transition_dipole"]).nonzero().flatten().tolist() == [2]
    assert float(found["polarisability"].max()) < 1e-20


def test_the_gradient_of_properties_is_that_of_finite_differences():
    model = _teacher()
    model.potential.requires_grad_(True)
    group = _group(_teacher())
    batch = samples_from_group(
        replace(group, dipoles=group.dipoles + 0.1, forces=None, interstate_couplings=None)
    )

    def loss():
        found = residuals((predict(model.potential, batch, ()),), (batch,))
        return sum(found[name].mean() for name in ("dipole", "transition_dipole", "polarisability"))

    # W acts on dipoles through the eigenvectors, the encoder on everything.
    for name in ("matrix.vector_mixing", "network.encoder.mixing", "heads.dipole.sums.tensor_mixing"):
        parameter = model.potential.get_parameter(name)
        (gradient,) = torch.autograd.grad(loss(), parameter)
        index = np.unravel_index(int(gradient.abs().argmax()), tuple(gradient.shape))
        with torch.no_grad():
            values = []
            for step in (1e-5, -2e-5):
                parameter[index] += step
                values.append(float(loss().detach()))
            parameter[index] += 1e-5
        assert float(gradient[index]) == pytest.approx((values[0] - values[1]) / 2e-5, rel=5e-3), name


def test_an_untrained_network_has_the_scales_of_the_labels():
    group = _group(_teacher(charge=1), n=12)
    shifted = replace(
        group,
        positions=group.positions + 100.0,
        dipoles=group.dipoles + 100.0 * np.eye(N_STATES)[:, :, None],
    )
    for one in (group, shifted):
        samples = (samples_from_group(one),)
        shortest = shortest_distances(Dataset((one,)), (1, 7, 9))
        settings = configuration(model={"hidden": [16, 8], "basis": "2x0e + 1x1o"})
        network = build_network(settings, samples, shortest, (1, 7, 9))
        assert network.settings.heads == (DipoleSettings(1), PolarisabilitySettings())
        # Not the size of a charge far from the origin.
        assert 0.01 < float(network.heads["dipole"].scale) < 5.0
        counts = torch.tensor([2.0, 1.0, 1.0], dtype=torch.float64)
        mean = float(counts @ network.heads["polarisability"].per_element)
        assert mean == pytest.approx(np.trace(one.polarisabilities, axis1=2, axis2=3).mean() / 3, rel=0.2)


@pytest.mark.slow
def test_a_training_learns_properties(tmp_path):
    group = _group(_teacher(), n=60)
    settings = configuration(
        model={"hidden": [16, 8], "basis": "2x0e + 1x1o"}, epochs=None, steps=150, batch_size=10
    )
    trained = train(Dataset((group,)), tmp_path / "model.safetensors", settings)
    assert trained.model.operators == ("dipole", "polarisability")
    comparison = compare(trained.model, trained.validation.groups[0])
    errors, nothing = metrics(comparison), constant_errors(comparison)
    for name, unit in (
        ("dipole", "debye"),
        ("transition_dipole", "debye"),
        ("polarisability", "angstrom3"),
    ):
        own = np.mean(errors[f"{name}_mae_{unit}"])
        assert own < 0.7 * np.mean(nothing[name]), name


def test_errors_are_told_in_debye_and_cubic_angstrom():
    model = _teacher()
    group = _group(model)
    shifted = replace(group, dipoles=group.dipoles + 0.01, polarisabilities=group.polarisabilities + 0.5)
    found = metrics(compare(model, shifted))
    np.testing.assert_allclose(found["dipole_mae_debye"], 0.01 * DEBYE_PER_AU)
    np.testing.assert_allclose(found["polarisability_rmse_angstrom3"], 0.5 * CUBIC_ANGSTROM_PER_AU)
    assert len(found["transition_dipole_mae_debye"]) == N_STATES * (N_STATES - 1) // 2
    exact = metrics(compare(model, group))
    np.testing.assert_allclose(exact["transition_dipole_mae_debye"], 0.0, atol=1e-10)
    np.testing.assert_allclose(exact["coupling_mae_ev_per_angstrom"], 0.0, atol=1e-8)


@pytest.mark.parametrize("properties", [(), ("dipole",), ("polarisability",)])
def test_a_file_says_what_is_learned(properties):
    group = _group(_teacher())
    settings = _settings(*properties)
    samples = samples_together((group,), settings.model.learned_properties)
    shortest = shortest_distances(Dataset((group,)), (1, 7, 9))
    assert tuple(build_network(settings, samples, shortest, (1, 7, 9)).heads) == properties


@pytest.mark.parametrize("origin", ["center_of_mass", "center_of_charge"])
def test_dipoles_of_an_ion_are_moved_from_their_named_origin(origin):
    model = _teacher(charge=-2)
    group = _group(model)
    weights = masses((7, 1, 1, 9)) if origin == "center_of_mass" else np.array([7.0, 1.0, 1.0, 9.0])
    centre = np.einsum("n,fnx->fx", weights, group.positions) / weights.sum()
    about = group.dipoles + 2.0 * np.eye(N_STATES)[:, :, None] * centre[:, None, None]
    named = replace(group, dipoles=about, dipole_origin=origin)
    np.testing.assert_allclose(dipoles_of_coordinates(named), group.dipoles, atol=1e-12)
    assert float(_residuals(model, named)["dipole"].max()) < 1e-20


def test_the_centre_of_an_ion_is_that_of_its_own_isotopes():
    group = _group(_teacher(charge=-2), dipole_origin="center_of_mass")
    heavy = masses((7, 1, 1, 9)) * np.array([1.0, 2.0, 1.0, 1.0])
    centre = np.einsum("n,fnx->fx", heavy, group.positions) / heavy.sum()
    found = dipoles_of_coordinates(replace(group, masses=heavy)) - group.dipoles
    expected = -2.0 * np.eye(N_STATES)[:, :, None] * centre[:, None, None]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_files_keep_polarisabilities_and_the_origin(tmp_path):
    group = _group(_teacher(charge=1), dipole_origin="center_of_mass")
    write_dataset(tmp_path / "data.h5", Dataset((group,)))
    (read,) = load_dataset(tmp_path / "data.h5").groups
    assert read.dipole_origin == "center_of_mass"
    np.testing.assert_allclose(read.polarisabilities, group.polarisabilities, rtol=0, atol=1e-15)


def _arrays(group, **changes):
    names = ("atomic_numbers", "positions", "energies", "dipoles", "polarisabilities")
    values = {name: getattr(group, name) for name in names} | {"multiplicities": (1,) * N_STATES}
    return values | changes


def _settings(*properties):
    return configuration(model={"hidden": [4], "basis": "3x0e", "properties": list(properties)})


def test_a_polarisability_that_is_not_symmetric_is_refused():
    group = _group(_teacher())
    tensors = group.polarisabilities.copy()
    tensors[4, 1, 0, 2] += 1.0
    with pytest.raises(InputError, match=r"must be symmetric .* frame 4 .* differ by 1 bohr"):
        group_from_arrays("toy", **_arrays(group, polarisabilities=tensors))
    with pytest.raises(InputError, match="`dipole_origin` must be one of coordinates, center_of_mass"):
        group_from_arrays("toy", **_arrays(group, dipole_origin="middle"))
    # Rounding and finite differences leave less.
    tensors[4, 1, 0, 2] += 1e-4 - 1.0
    kept = group_from_arrays("toy", **_arrays(group, polarisabilities=tensors)).polarisabilities
    np.testing.assert_array_equal(kept, kept.swapaxes(2, 3))


def test_what_cannot_be_learned_is_said_in_a_sentence(tmp_path):
    group = _group(_teacher(), n=12)
    cell = np.broadcast_to(20.0 * np.eye(3), (12, 3, 3))
    periodic = replace(group, cell=cell, pbc=np.array([True, False, False]))
    ion = replace(_group(_teacher(charge=1), n=12), dipole_origin="")
    for bad, sentence in ((periodic, "isolated molecule, but it is in a periodic"), (ion, "named origin")):
        with pytest.raises(InputError, match=sentence):
            train(Dataset((bad,)), tmp_path / "model.safetensors", _settings("dipole"))
        assert sentence in about_not_learned(Dataset((bad,)))
        assert samples_from_group(bad).dipoles is None
        (notice,) = about_judged({}, bad)
        assert notice.startswith("dipoles are not compared: ") and sentence in notice
    assert about_judged({}, group) == []
    bare = replace(group, polarisabilities=None)
    with pytest.raises(InputError, match=r"no polarisabilities\. Leave polarisability out"):
        train(Dataset((bare,)), tmp_path / "model.safetensors", _settings("polarisability"))
    other = replace(_group(_teacher(charge=1), n=12), name="other")
    both = configuration(mix=["charge"], model={"hidden": [4], "basis": "3x0e"})
    with pytest.raises(InputError, match=r"must have one charge, but have \+0 and \+1"):
        train(Dataset((group, other)), tmp_path / "model.safetensors", both)
