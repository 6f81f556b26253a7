"""Spin-orbit coupling between models of several spins is learned from matrices with any signs of states."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from contracts.spin_coupled import GEOMETRY, SPINS, labelled_group, spin_coupled

from nadyn.checks.errors import InputError
from nadyn.data import Dataset
from nadyn.data.one_spin import with_one_multiplicity
from nadyn.dynamics.spins.hamiltonian import spin_energies_and_eigenvectors
from nadyn.dynamics.spins.projected import projected_spin_hamiltonian
from nadyn.models import load_model, save_model
from nadyn.models.model_description import describe
from nadyn.models.spin_coupled import SpinCoupled
from nadyn.models.spin_states import spin_states
from nadyn.training.spin_orbit import learn_spin_orbit, spin_orbit_errors
from nadyn.training.spin_orbit_frames import frames_of, label_vectors, signed_labels


@pytest.mark.parametrize("couplings", [True, False])
def test_a_model_predicts_its_own_labels_whatever_the_signs_of_the_states(couplings):
    model = spin_coupled()
    errors = spin_orbit_errors(model, labelled_group(model, couplings=couplings))
    assert errors.relative_error < 1e-9
    assert 10.0 < errors.zero_mae_cm1 < 3000.0 and errors.mae_cm1 < 1e-6 * errors.zero_mae_cm1


def test_signs_are_one_a_state_for_vectors_and_couplings_together():
    """A sign that the vectors alone would take, and the couplings forbid, is none."""
    model = spin_coupled()
    group = labelled_group(model)
    turned = group.spin_orbit.copy()
    # Of T1 (states 2 of 0 to 4) all elements with singlets: rows 0, 1 and its columns in each M_S.
    own = torch.nonzero(spin_states(SPINS).row == 2)[:, 0].numpy()
    turned[:, :2, own] *= -1
    turned[:, own, :2] *= -1
    assert spin_orbit_errors(model, replace(group, spin_orbit=turned)).relative_error > 0.05
    # Every element of the state is the same coupling in another phase.
    others = np.setdiff1d(np.arange(11), own)
    whole = group.spin_orbit.copy()
    whole[np.ix_(range(len(whole)), others, own)] *= -1
    whole[np.ix_(range(len(whole)), own, others)] *= -1
    alone = replace(group, spin_orbit=whole, interstate_couplings=None)
    assert spin_orbit_errors(model, alone).relative_error < 1e-9
    frames = frames_of(model, replace(group, spin_orbit=whole))
    signed = signed_labels(torch.ones_like(frames.labels), frames, SPINS)
    assert signed.shape == frames.labels.shape == (12, 9, 3)


def test_frames_without_labels_do_not_count():
    model = spin_coupled()
    group = labelled_group(model)
    some = group.spin_orbit.copy()
    some[3:] = np.nan
    errors = spin_orbit_errors(model, replace(group, spin_orbit=some))
    assert errors.n_frames == 3 and errors.relative_error < 1e-9


def test_matrices_of_real_spin_functions_and_missing_ones_are_refused():
    model = spin_coupled()
    group = labelled_group(model)
    real = group.spin_orbit[..., ::-1].copy()
    with pytest.raises(InputError, match="Condon and Shortley"):
        label_vectors(replace(group, spin_orbit=real))
    norms = np.ones((12, 5, 5))
    with pytest.raises(InputError, match="`spin_orbit_norms` tell sizes only"):
        label_vectors(replace(group, spin_orbit=None, spin_orbit_norms=norms))
    energies = group.spin_orbit.copy()
    energies[:, range(11), range(11), 0] += 3.0
    torch.testing.assert_close(
        label_vectors(replace(group, spin_orbit=energies)), label_vectors(group), rtol=0, atol=1e-15
    )


def test_other_atoms_states_and_too_few_frames_are_refused():
    model = spin_coupled()
    group = labelled_group(model)
    for changed, sentence in (
        (replace(group, atomic_numbers=group.atomic_numbers[::-1].copy()), "atoms of the models"),
        (replace(group, multiplicities=(1, 1, 1, 3, 3)), "states of the models"),
        (replace(group, pbc=np.ones(3, dtype=bool)), "periodic cell"),
        (group.select(range(5)), "at least 10 frames"),
    ):
        with pytest.raises(InputError, match=sentence):
            learn_spin_orbit(model.blocks, Dataset((changed,)), steps=2)


def test_a_file_holds_all_blocks_and_the_head(tmp_path):
    model = replace(spin_coupled(), trained_on={"spin_orbit_frames": 7})
    path = tmp_path / "model.safetensors"
    save_model(model, path)
    loaded = load_model(path)
    assert isinstance(loaded, SpinCoupled) and loaded.multiplicities == SPINS
    assert loaded.trained_on == {"spin_orbit_frames": 7}
    before, after = (
        spin_energies_and_eigenvectors(one, projected_spin_hamiltonian(one), GEOMETRY[None])[0]
        for one in (model, loaded.double())
    )
    torch.testing.assert_close(after, before, rtol=0, atol=1e-6)
    told = describe(path)
    assert (told["states"], told["multiplicities"]) == ("2 + 3", "1 1 3 3 3")
    content = path.read_bytes()
    path.write_bytes(content[:-5] + bytes([content[-5] ^ 1]) + content[-4:])
    with pytest.raises(InputError, match="checksum"):
        load_model(path)


def test_states_of_one_multiplicity_are_data_of_their_own():
    group = labelled_group(spin_coupled())
    triplets = with_one_multiplicity(Dataset((group,)), 3).groups[0]
    assert triplets.multiplicities == (3, 3, 3) and triplets.spin_orbit is None
    np.testing.assert_array_equal(triplets.energies, group.energies[:, 2:])
    np.testing.assert_array_equal(triplets.interstate_couplings, group.interstate_couplings[:, [7, 8, 9]])
    with pytest.raises(InputError, match="`--multiplicity` must be one"):
        with_one_multiplicity(Dataset((group,)), 5)


@pytest.mark.slow
def test_a_coupling_is_learned_from_labels_of_any_signs():
    teacher = spin_coupled(seed=5)
    dataset = Dataset((labelled_group(teacher, 80),))
    model, errors = learn_spin_orbit(teacher.blocks, dataset, steps=400, validation_fraction=0.2)
    assert errors.n_frames == 16
    assert errors.relative_error < 0.3
    assert model.trained_on["spin_orbit_frames"] == 64
