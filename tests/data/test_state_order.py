"""States out of the order of their energies are sorted with all their labels, or refused."""

from dataclasses import replace

import numpy as np
import pytest

from nadyn.checks.errors import InputError, InputWarning
from nadyn.data import group_from_arrays, load_dataset, write_dataset
from nadyn.data.dataset import Dataset
from nadyn.data.state_order import ordered


def whole_matrix(group):
    """Return interstate couplings as a symmetric matrix (frame state state atom 3)."""
    matrix = np.zeros((group.n_frames, group.n_states, group.n_states, group.n_atoms, 3))
    for pair, (k, l) in enumerate(group.pairs):
        matrix[:, k, l] = matrix[:, l, k] = group.interstate_couplings[:, pair]
    return matrix


def shuffled(arrays, attributes, order):
    """Return arrays whose state k is that of `order[k]` of the right ones, by plain loops."""
    right = group_from_arrays("made up", **arrays, **attributes)
    couplings = whole_matrix(right)
    # Spin components stand by multiplicity, M_S and state: two singlets, then three times two triplets.
    components = [order[0], order[1]] + [2 + 2 * m + order[k] - 2 for m in range(3) for k in (2, 3)]
    wrong = dict(arrays)
    for name in ("energies", "forces", "stress"):
        wrong[name] = arrays[name][:, order]
    wrong["dipoles"] = arrays["dipoles"][:, order][:, :, order]
    wrong["spin_orbit"] = arrays["spin_orbit"][:, components][:, :, components]
    wrong["interstate_couplings"] = np.stack(
        [couplings[:, order[k], order[l]] for k, l in right.pairs], axis=1
    )
    return right, wrong


@pytest.mark.parametrize("order", [[1, 0, 2, 3], [0, 1, 3, 2], [1, 0, 3, 2]])
def test_all_labels_go_with_their_state(arrays, attributes, order):
    right, wrong = shuffled(arrays, attributes, order)
    with pytest.warns(InputWarning, match="sorted there, each with all its labels"):
        found = group_from_arrays("made up", **wrong, **attributes)
    for name, array in right.frame_arrays().items():
        np.testing.assert_array_equal(getattr(found, name), array, err_msg=name)


def test_only_the_frames_that_are_out_of_order_change(arrays, attributes):
    right, wrong = shuffled(arrays, attributes, [1, 0, 2, 3])
    mixed = {name: array.copy() for name, array in arrays.items()}
    for name in right.frame_arrays():
        mixed[name][2] = wrong[name][2]
    with pytest.warns(InputWarning, match=r"in 1 of 7 frames \(2\)"):
        found = group_from_arrays("made up", **mixed, **attributes)
    for name, array in right.frame_arrays().items():
        np.testing.assert_array_equal(getattr(found, name), array, err_msg=name)


def test_three_states_that_change_places_in_a_ring_come_back(arrays, attributes):
    right = group_from_arrays(
        "made up",
        atomic_numbers=arrays["atomic_numbers"],
        positions=arrays["positions"],
        energies=np.sort(arrays["energies"][:, :3], axis=1),
        interstate_couplings=arrays["interstate_couplings"][:, :3],
        multiplicities=(1, 1, 1),
    )
    ring, couplings = [2, 0, 1], whole_matrix(right)
    wrong = {
        "energies": right.energies[:, ring],
        "interstate_couplings": np.stack([couplings[:, ring[k], ring[l]] for k, l in right.pairs], axis=1),
    }
    found = ordered(wrong, (1, 1, 1), np.ones(right.n_frames, dtype=bool))
    np.testing.assert_array_equal(found["energies"], right.energies)
    np.testing.assert_array_equal(found["interstate_couplings"], right.interstate_couplings)


def test_a_second_multiplicity_that_nobody_names_is_refused(arrays, attributes):
    """Two singlets and two triplets are no four singlets."""
    spread = np.array([0.0, 0.2, 0.1, 0.25])
    plain = {key: arrays[key] for key in ("atomic_numbers", "positions")}
    energies = spread + 0.01 * np.sort(arrays["energies"], axis=1)
    with pytest.raises(InputError, match=r"state 2 lies below state 1 in most frames .* such as 1 1 3 3"):
        group_from_arrays("made up", **plain, energies=energies)
    assert group_from_arrays("made up", **plain, energies=energies, multiplicities=(1, 1, 3, 3)).n_states == 4


def test_rounding_of_single_precision_is_no_wrong_order(arrays, attributes):
    energies = arrays["energies"].copy()
    energies[3, 1] = energies[3, 0] - 1e-4
    found = group_from_arrays("made up", **{**arrays, "energies": energies}, **attributes)
    np.testing.assert_array_equal(found.energies, energies)


@pytest.mark.parametrize("name", ["a/b", "", ".", "/"])
def test_a_name_that_a_file_cannot_hold_is_refused(dataset, arrays, attributes, tmp_path, name):
    with pytest.raises(InputError, match="must be a word without `/`"):
        group_from_arrays(name, **arrays, **attributes)
    with pytest.raises(InputError, match="must be a word without `/`"):
        write_dataset(tmp_path / "a.h5", Dataset((replace(dataset.groups[0], name=name),)))
    assert not (tmp_path / "a.h5").exists()


def test_any_other_name_is_read_back(dataset, tmp_path):
    named = Dataset((replace(dataset.groups[0], name="CH₂NH₂⁺ (a b) 1.0"),))
    write_dataset(tmp_path / "a.h5", named)
    assert load_dataset(tmp_path / "a.h5").names == named.names


@pytest.mark.usefixtures("unchecked_annotations")
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.5])
@pytest.mark.parametrize("key", ["charge", "multiplicities"])
def test_a_charge_or_multiplicity_that_is_no_whole_number_is_refused(arrays, attributes, key, value):
    wrong = value if key == "charge" else [1, 1, 3, value]
    with pytest.raises(InputError, match=f"`{key}` must"):
        group_from_arrays("made up", **arrays, **{**attributes, key: wrong})
