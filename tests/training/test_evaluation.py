"""Errors of a model, against sums written out here."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
from teacher import dataset, teacher, without_labels

from nadyn.checks.errors import InputError
from nadyn.data.rigid_couplings import rigid_fraction, without_rigid_couplings
from nadyn.training.evaluation import Comparison, compare, constant_errors, coupling_outlier, metrics
from nadyn.training.figures import learning_curves, parity

N_FRAMES, N_STATES, N_ATOMS = 8, 4, 5
PAIRS = list(itertools.combinations(range(N_STATES), 2))
KEYS = {
    "n_frames",
    "energy_mae_ev",
    "energy_rmse_ev",
    "force_mae_ev_per_angstrom",
    "force_rmse_ev_per_angstrom",
    "gap_mae_ev",
    "coupling_mae_ev_per_angstrom",
    "coupling_rmse_ev_per_angstrom",
    "coupling_relative_error",
    "near",
    "surplus_gap_min_ev",
}
NEAR_KEYS = {"gap_below_ev", "n_frames", "gap_mae_ev", "gap_mae_se_ev"}


@pytest.fixture
def toy() -> Comparison:
    """Random numbers with missing labels: forces of frame 2, state 1; couplings of frames 3 and 6."""
    random = np.random.default_rng(7)
    reference = np.cumsum(random.uniform(0.05, 0.9, size=(N_FRAMES, N_STATES)), axis=1)
    forces = random.normal(size=(N_FRAMES, N_STATES, N_ATOMS, 3))
    couplings = random.normal(size=(N_FRAMES, len(PAIRS), N_ATOMS, 3))
    labels, h = forces + 0.1 * random.normal(size=forces.shape), couplings + 0.2
    labels[2, 1] = np.nan
    h[[3, 6]] = np.nan
    return Comparison(
        "toy",
        reference + 0.03 * random.normal(size=reference.shape),
        reference,
        forces,
        labels,
        couplings,
        h,
        random.uniform(0.4, 2.0, size=N_FRAMES),
    )


def test_the_file_has_the_documented_keys(toy):
    result = metrics(toy)
    assert set(result) == KEYS
    assert set(result["near"]) == NEAR_KEYS
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    bare = metrics(replace(toy, reference_forces=None, reference_couplings=None))
    assert set(bare) == {key for key in KEYS if "force" not in key and "coupling" not in key}


def test_errors_of_energies_and_forces_are_means_a_state_over_what_is_labelled(toy):
    result = metrics(toy)
    for state in range(N_STATES):
        energy = [toy.energies[f, state] - toy.reference_energies[f, state] for f in range(N_FRAMES)]
        assert result["energy_mae_ev"][state] == pytest.approx(sum(map(abs, energy)) / N_FRAMES)
        assert result["energy_rmse_ev"][state] ** 2 == pytest.approx(sum(e * e for e in energy) / N_FRAMES)
        frames = [f for f in range(N_FRAMES) if not (state == 1 and f == 2)]
        force = np.concatenate(
            [(toy.forces[f, state] - toy.reference_forces[f, state]).ravel() for f in frames]
        )
        assert len(force) == len(frames) * N_ATOMS * 3
        assert result["force_mae_ev_per_angstrom"][state] == pytest.approx(abs(force).mean())
        assert result["force_rmse_ev_per_angstrom"][state] == pytest.approx((force**2).mean() ** 0.5)


def test_errors_of_couplings_are_means_a_pair_and_relative_over_all(toy):
    result = metrics(toy)
    frames = [0, 1, 2, 4, 5, 7]
    difference = toy.couplings[frames] - toy.reference_couplings[frames]
    for pair in range(len(PAIRS)):
        assert result["coupling_mae_ev_per_angstrom"][pair] == pytest.approx(abs(difference[:, pair]).mean())
        assert result["coupling_rmse_ev_per_angstrom"][pair] == pytest.approx(
            (difference[:, pair] ** 2).mean() ** 0.5
        )
    relative = np.linalg.norm(difference) / np.linalg.norm(toy.reference_couplings[frames])
    assert result["coupling_relative_error"] == pytest.approx(relative)


def test_gaps_are_those_between_the_neighbours_that_lie_closest_in_the_reference(toy):
    errors, near = [], []
    for predicted, reference in zip(toy.energies, toy.reference_energies, strict=True):
        gaps = [reference[k + 1] - reference[k] for k in range(N_STATES - 1)]
        k = gaps.index(min(gaps))
        errors.append(abs(predicted[k + 1] - predicted[k] - gaps[k]))
        if gaps[k] < 0.3:
            near.append(errors[-1])
    assert 2 < len(near) < N_FRAMES
    result = metrics(toy)
    assert result["gap_mae_ev"] == pytest.approx(np.mean(errors))
    assert result["near"]["gap_below_ev"] == 0.3
    assert result["near"]["n_frames"] == len(near)
    assert result["near"]["gap_mae_ev"] == pytest.approx(np.mean(near))
    variance = sum((e - np.mean(near)) ** 2 for e in near) / (len(near) - 1)
    assert result["near"]["gap_mae_se_ev"] == pytest.approx((variance / len(near)) ** 0.5)


@pytest.mark.parametrize("n_near", [0, 1])
def test_too_few_near_frames_give_no_error_bar(toy, n_near):
    reference = np.arange(N_STATES) + np.zeros((N_FRAMES, 1))
    reference[:n_near, 1] = 0.1
    near = metrics(replace(toy, reference_energies=reference))["near"]
    assert near["n_frames"] == n_near
    assert (near["gap_mae_ev"] is None) == (n_near == 0)
    assert near["gap_mae_se_ev"] is None


def test_the_surplus_gap_is_the_smallest_one_or_none(toy):
    assert metrics(toy)["surplus_gap_min_ev"] == toy.surplus_gap.min()
    assert metrics(replace(toy, surplus_gap=np.full(N_FRAMES, np.inf)))["surplus_gap_min_ev"] is None


def test_a_prediction_that_is_not_a_number_is_an_infinite_error_and_no_missing_label(toy):
    forces = toy.forces.copy()
    forces[4, 2] = np.nan
    result = metrics(replace(toy, forces=forces))
    assert np.isinf(result["force_mae_ev_per_angstrom"]).tolist() == [False, False, True, False]


def test_predicting_nothing_is_the_mean_energy_and_no_forces(toy):
    nothing = constant_errors(toy)
    reference = toy.reference_energies
    np.testing.assert_allclose(nothing["energy"], abs(reference - reference.mean(axis=0)).mean(axis=0))
    known = np.delete(toy.reference_forces[:, 1], 2, axis=0)
    assert nothing["force"][1] == pytest.approx(abs(known).mean())
    known = np.delete(toy.reference_couplings, [3, 6], axis=0)
    np.testing.assert_allclose(nothing["coupling"], abs(known).mean(axis=(0, 2, 3)))


def test_the_frame_of_the_largest_coupling_is_named_with_the_mean_that_it_spoils(toy):
    h = toy.reference_couplings.copy()
    h[5] *= 100
    outlier = coupling_outlier(replace(toy, reference_couplings=h))
    assert outlier["largest_frame"] == 5
    assert outlier["largest_norm"] == pytest.approx(np.linalg.norm(h[5]))
    others = [abs(toy.couplings[f] - h[f]).mean() for f in (0, 1, 2, 4, 7)]
    assert outlier["mean_without_it"] == pytest.approx(np.mean(others))
    assert outlier["median"] == pytest.approx(np.median([*others, abs(toy.couplings[5] - h[5]).mean()]))


def test_a_model_judged_on_its_own_labels_has_no_errors_whatever_the_signs():
    group = dataset(9, basis="3x0e", n_states=3).groups[0]
    result = metrics(compare(teacher("3x0e", n_states=3), group))
    assert max(result["energy_mae_ev"]) < 1e-9
    assert max(result["force_mae_ev_per_angstrom"]) < 1e-9
    assert max(result["coupling_mae_ev_per_angstrom"]) < 1e-9
    assert result["coupling_relative_error"] < 1e-9
    # A sign for each pair would be one choice too many: this set of signs belongs to no states.
    wrong = replace(
        group, interstate_couplings=group.interstate_couplings * np.array([1, 1, -1])[:, None, None]
    )
    assert metrics(compare(teacher("3x0e", n_states=3), wrong))["coupling_relative_error"] > 0.01


@pytest.mark.parametrize(
    "arrays", [("forces",), ("interstate_couplings",), ("forces", "interstate_couplings")]
)
def test_a_group_without_any_label_of_a_kind_is_judged_on_the_others(tmp_path, arrays):
    group = without_labels(dataset(6).groups[0], list(range(6)), **dict.fromkeys(arrays))
    comparison = compare(teacher(), group)
    result = metrics(comparison)
    assert ("force_mae_ev_per_angstrom" in result) == ("forces" not in arrays)
    assert ("coupling_relative_error" in result) == ("interstate_couplings" not in arrays)
    assert set(constant_errors(comparison)) == {
        "energy",
        *(() if "forces" in arrays else ("force",)),
        *(() if "interstate_couplings" in arrays else ("coupling",)),
    }
    parity([comparison], tmp_path / "parity.png")
    assert (tmp_path / "parity.png").stat().st_size > 5000


def test_a_state_without_forces_is_left_out_of_the_picture_and_of_the_errors(tmp_path):
    group = dataset(6).groups[0]
    group.forces[:, 1] = np.nan
    comparison = compare(teacher(), group)
    result = metrics(comparison)
    assert np.isnan(result["force_mae_ev_per_angstrom"]).tolist() == [False, True]
    parity([comparison], tmp_path / "parity.png")
    history = [
        {
            "step": step,
            "energy_mae": [0.1, 0.2],
            "force_mae": [0.1, float("nan")],
            "coupling_mae": [float("nan")],
        }
        for step in (4, 8)
    ]
    learning_curves(history, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 5000


def test_pictures_name_pairs_and_units_and_show_the_differences(tmp_path):
    """A picture in SVG holds its texts as comments."""
    group = dataset(6).groups[0]
    parity([compare(teacher(), group)], tmp_path / "parity.svg")
    text = (tmp_path / "parity.svg").read_text(encoding="utf-8")
    for words in ("<!-- 0-1: MAE", "<!-- difference (eV/Å) -->", "<!-- state 1: MAE", "<!-- couplings h -->"):
        assert words in text
    errors = {"energy_mae": [0.003, 0.004], "force_mae": [0.02, 0.03], "coupling_mae": [0.01, 0.02, 0.03]}
    history = [{"step": step, "loss": -1.0 * step, **errors} for step in (100, 200, 300)]
    learning_curves(history, tmp_path / "curves.svg")
    text = (tmp_path / "curves.svg").read_text(encoding="utf-8")
    for words in ("<!-- training loss -->", "<!-- 0-2 -->", "<!-- 0.5 -->", "<!-- 200 -->"):
        assert words in text


def test_a_group_with_another_number_of_states_is_refused():
    with pytest.raises(InputError, match=r"group 'toy' must have the model's 3 states, but has 2"):
        compare(teacher("3x0e", n_states=3), dataset(3).groups[0])


def test_the_rigid_part_of_couplings_is_told_where_the_labels_are_free_of_it():
    group, student = dataset(6, basis="2x0e + 1x1o").groups[0], teacher("2x0e + 1x1o")
    # The teacher's own couplings hold rotations, and are no measure.
    assert rigid_fraction(group) > 5e-3
    assert "coupling_rigid_part" not in metrics(compare(student, group))
    found = metrics(compare(student, without_rigid_couplings(group)))
    assert found["coupling_rigid_part"] == pytest.approx(rigid_fraction(group), rel=1e-5)
    # And it is what is wrong with them.
    assert found["coupling_relative_error"] == pytest.approx(
        rigid_fraction(group) / np.sqrt(1.0 - rigid_fraction(group) ** 2), rel=1e-4
    )
