"""Labels of one level laid on older ones."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from nadyn.checks.errors import InputError, InputWarning
from nadyn.data import Dataset, group_from_arrays, load_dataset, write_dataset
from nadyn.data.level_shift import fit_shift, shared_frames, shifted

N_FRAMES, N_ATOMS, N_STATES = 6, 5, 2
RANDOM = np.random.default_rng(2)
NUMBERS = [6, 8, 1, 1, 1]
SHIFT = np.array([0.3, -0.2])


def _group(frames=range(N_FRAMES), energies=0.0, **changes):
    random = np.random.default_rng(7)
    positions = random.normal(size=(N_FRAMES, N_ATOMS, 3)) * 4.0
    values = np.sort(random.normal(size=(N_FRAMES, N_STATES)), axis=1) + np.array([0.0, 5.0])
    given = {"positions": positions[list(frames)], "energies": values[list(frames)] + energies} | changes
    return group_from_arrays("molecule", atomic_numbers=NUMBERS, theory="old level", **given)


def test_the_shift_of_each_state_is_found_on_the_geometries_that_both_have_in_any_orientation():
    older = _group((0, 1, 2, 3))
    new = _group((3, 4, 1), energies=-SHIFT)
    turned = np.stack([x @ Rotation.random(random_state=3).as_matrix() + 1.0 for x in new.positions])
    new = replace(new, positions=turned)
    assert shared_frames(new, older).tolist() == [[0, 3], [2, 1]]
    shift = fit_shift(new, older)
    np.testing.assert_allclose(shift.energies, SHIFT, atol=1e-12)
    assert shift.n_shared == 2
    np.testing.assert_allclose(shifted(new, shift).energies, _group((3, 4, 1)).energies, atol=1e-12)


def test_a_mirror_image_is_another_geometry():
    older = _group((0, 1))
    mirrored = replace(older, positions=older.positions * [1.0, 1.0, -1.0])
    assert len(shared_frames(mirrored, older)) == 0


def test_the_shift_stands_in_the_note_of_the_dataset(tmp_path):
    older, noise = _group(), 1e-4 * RANDOM.normal(size=(N_FRAMES, N_STATES))
    new = replace(_group(energies=noise - SHIFT), theory="new level", note="twenty frames")
    shift = fit_shift(new, older)
    write_dataset(tmp_path / "data.h5", Dataset((shifted(new, shift),)))
    note = load_dataset(tmp_path / "data.h5").groups[0].note
    assert note.startswith("twenty frames; energies were shifted by +0.299958")
    assert "onto old level, fitted to 6 shared geometries" in note
    np.testing.assert_allclose(shift.left, 1e-4, rtol=0.7)


def test_levels_that_differ_by_more_than_a_constant_are_warned_of():
    new = _group(energies=0.01 * np.arange(N_FRAMES)[:, None] + np.zeros(N_STATES))
    with pytest.warns(InputWarning, match="different surfaces"):
        fit_shift(new, _group())


def test_groups_that_cannot_be_laid_on_each_other_are_refused():
    with pytest.raises(InputError, match="share a geometry with the older labels"):
        fit_shift(_group((4, 5)), _group((0, 1)))
    with pytest.raises(InputError, match="the same states and charge"):
        fit_shift(_group(charge=1), _group())
    other = replace(_group(), atomic_numbers=np.array([6, 8, 1, 1, 9]))
    with pytest.raises(InputError, match="the same atoms"):
        fit_shift(other, _group())
