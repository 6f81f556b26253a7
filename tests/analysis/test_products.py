"""Fragments and the states they are on, from runs whose ends are known."""

import json

import numpy as np
import pytest

from nadyn.analysis import analyse, report
from nadyn.analysis.intervals import wilson
from nadyn.analysis.key_numbers import key_numbers
from nadyn.analysis.products import products, yields
from nadyn.structures.fragments import fragments
from nadyn.trajectory import open_run
from nadyn.units import BOHR_PER_ANGSTROM, ELECTRON_MASS_PER_DALTON
from tests.analysis.synthetic_run import write_run

METHYLAMINE = np.array([6, 7, 1, 1, 1, 1, 1])
SHAPE = BOHR_PER_ANGSTROM * np.array(
    [
        [0.0, 0.0, 0.0],
        [1.47, 0.0, 0.0],
        [-0.4, 1.0, 0.0],
        [-0.4, -0.5, 0.9],
        [-0.4, -0.5, -0.9],
        [1.8, 0.9, 0.4],
        [1.8, -0.9, 0.4],
    ]
)


def _pulled(atoms: list[int], angstrom: float) -> np.ndarray:
    moved = SHAPE.copy()
    moved[atoms, 0] += angstrom * BOHR_PER_ANGSTROM
    return moved


HYDROGEN_LOST, SPLIT = _pulled([5], 5.0), _pulled([1, 5, 6], 5.0)


def _run(path, ends, states, **options):
    positions = np.stack([np.stack([SHAPE] * len(ends))] * 3 + [np.stack(ends)])
    state = np.ones((4, len(ends)), int)
    state[2:] = states
    return write_run(
        path / "run.h5", state, n_states=2, positions=positions, atomic_numbers=METHYLAMINE, **options
    )


def test_products_are_fragments_on_a_state(tmp_path):
    ends = [HYDROGEN_LOST, HYDROGEN_LOST, HYDROGEN_LOST, SPLIT, SHAPE, SHAPE, SPLIT, HYDROGEN_LOST]
    run = open_run(_run(tmp_path, ends, [0, 0, 1, 1, 0, 0, 1, 0]))
    found = {(one.fragments, one.state): one for one in products(run)}
    assert {key: one.n for key, one in found.items()} == {
        ("CH4N + H", 0): 3,
        ("CH4N + H", 1): 1,
        ("CH3 + NH2", 1): 2,
        ("CH5N", 0): 2,
    }
    one = found["CH4N + H", 0]
    assert one.fraction == pytest.approx(3 / 8)
    assert (one.low, one.high) == pytest.approx(tuple(end[0] for end in wilson(np.array([3 / 8]), 8.0)))
    assert products(run)[0] == one


def test_the_loss_of_one_isotope_is_another_product_than_that_of_another(tmp_path):
    masses = np.array([13.00335, 14.00307, 2.01410, 1.00783, 1.00783, 2.01410, 1.00783])
    masses *= ELECTRON_MASS_PER_DALTON
    ends = [HYDROGEN_LOST, HYDROGEN_LOST, _pulled([6], 5.0), SPLIT, SHAPE]
    path = _run(tmp_path, ends, [0, 0, 0, 0, 0], masses=masses)
    found = {one.fragments: one.n for one in products(open_run(path))}
    assert found == {
        "[13]CH3DN + D": 2,
        "[13]CH2D2N + H": 1,
        "[13]CH2D + NHD": 1,
        "[13]CH3D2N": 1,
    }
    page = report(path, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<h1>synthetic (¹³CH₃D₂N)" in page and "[13]CH3D2N, whole, state 0" in page


def test_a_trajectory_stopped_in_pieces_is_decided_and_one_stopped_whole_is_not(tmp_path):
    ends = [HYDROGEN_LOST, HYDROGEN_LOST, SHAPE, SPLIT, SHAPE]
    run = open_run(_run(tmp_path, ends, [0, 0, 0, 0, 0], status=np.array([0, 4, 4, 4, 0])))
    found = {one.fragments: one for one in products(run)}
    assert {name: one.n for name, one in found.items()} == {"CH4N + H": 2, "CH3 + NH2": 1, "CH5N": 1}
    lost = found["CH4N + H"]
    # Whatever the later state of the one that was stopped.
    assert lost.low == pytest.approx(wilson(np.array([1 / 5]), 5.0)[0][0])
    assert lost.high == pytest.approx(wilson(np.array([3 / 5]), 5.0)[1][0])
    both = {one.fragments: one for one in yields(run)}
    assert {name: one.n for name, one in both.items()} == {"CH4N + H": 2, "CH3 + NH2": 1, "CH5N": 1}
    assert both["CH4N + H"].low == pytest.approx(wilson(np.array([2 / 5]), 5.0)[0][0])
    assert both["CH4N + H"].high == pytest.approx(wilson(np.array([3 / 5]), 5.0)[1][0])


def test_a_fragment_that_fell_apart_for_good_keeps_its_state_and_one_that_was_stopped_may_change_it(tmp_path):
    ends, states = [HYDROGEN_LOST] * 4 + [SHAPE], [0, 1, 1, 0, 0]
    status, last = np.array([8, 8, 4, 8, 0]), np.array([2, 2, 2, 2, 3])
    positions = np.stack([np.stack([SHAPE] * 5)] * 2 + [np.stack(ends)] * 2)
    state = np.ones((4, 5), int)
    state[2:] = states
    path = write_run(
        tmp_path / "run.h5",
        state,
        n_states=2,
        positions=positions,
        atomic_numbers=METHYLAMINE,
        status=status,
        last_step=last,
    )
    numbers = analyse(path)
    assert numbers["endings"] == {"finished": 1, "left_region": 0, "dissociated": 3, "settled": 0}
    (ended,) = (one for one in key_numbers(open_run(path), numbers) if one.name == "Finished")
    assert (ended.value, ended.detail) == ("4", "of 5; 3 dissociated, 1 stopped early, 0 running")
    assert (numbers["n_finished"], numbers["n_stopped"], numbers["n_running"]) == (4, {"close_atoms": 1}, 0)
    # At the last frame, after their end, dissociated ones still count where they are.
    assert numbers["populations"][-1] == pytest.approx([3 / 4, 1 / 4])
    assert numbers["populations_counted"][-1] == 4
    run = open_run(path)
    (upper,) = (one for one in products(run) if (one.fragments, one.state) == ("CH4N + H", 1))
    (lower,) = (one for one in products(run) if (one.fragments, one.state) == ("CH4N + H", 0))
    assert (upper.n, lower.n) == (2, 2)
    assert upper.low == pytest.approx(wilson(np.array([1 / 5]), 5.0)[0][0])
    # The stopped one may be on either.
    assert upper.high == pytest.approx(wilson(np.array([2 / 5]), 5.0)[1][0])
    assert lower.high == pytest.approx(wilson(np.array([3 / 5]), 5.0)[1][0])
    assert numbers["yields"][0]["n"] == 4 and "state" not in numbers["yields"][0]


def test_the_end_is_the_last_valid_frame_and_the_hops_after_it(tmp_path):
    # The second trajectory ended at frame 2, before it fell apart, and only the first hop is its own.
    ends = [HYDROGEN_LOST, HYDROGEN_LOST, SHAPE, SHAPE, SHAPE]
    status, last = np.array([0, 4, 0, 0, 0]), np.array([3, 2, 3, 3, 3])
    run = open_run(_run(tmp_path, ends, [0, 0, 1, 1, 1], status=status, last_step=last))
    assert {(one.fragments, one.state): one.n for one in products(run)} == {
        ("CH4N + H", 0): 1,
        ("CH5N", 1): 3,
    }


def test_weights_count(tmp_path):
    weight = np.array([2.0, 1.0, 1.0, 0.0, 4.0])
    run = open_run(_run(tmp_path, [SPLIT, SPLIT, SHAPE, SHAPE, SHAPE], [0] * 5, weight=weight))
    assert {one.fragments: one.fraction for one in products(run)} == pytest.approx(
        {"CH3 + NH2": 3 / 8, "CH5N": 5 / 8}
    )


def test_the_mean_field_has_products_on_no_single_state(tmp_path):
    path = _run(tmp_path, [SPLIT, SPLIT, SHAPE, SHAPE, SHAPE], [0, 1, 0, 1, 1], estimator="mean |c|^2")
    assert [(one.fragments, one.state, one.n) for one in products(open_run(path))] == [
        ("CH5N", None, 3),
        ("CH3 + NH2", None, 2),
    ]


def test_products_stand_in_the_numbers_only_where_something_fell_apart(tmp_path):
    path = _run(tmp_path, [SPLIT, SHAPE, SHAPE, SHAPE, SHAPE], [0] * 5)
    numbers = analyse(path)
    assert json.loads(json.dumps(numbers))["products"][1] == {
        "fragments": "CH3 + NH2",
        "state": 0,
        "n": 1,
        **{name: pytest.approx(numbers["products"][1][name]) for name in ("fraction", "low", "high")},
    }
    names = [one.name for one in key_numbers(open_run(path), numbers)]
    assert "CH3 + NH2, state 0" in names and "CH5N, state 0" in names
    whole = tmp_path / "whole"
    whole.mkdir()
    assert "products" not in analyse(_run(whole, [SHAPE] * 5, [0] * 5))


def test_molecules_side_by_side_are_no_product(tmp_path):
    positions = np.stack([np.stack([SPLIT] * 5)] * 4)
    path = write_run(
        tmp_path / "run.h5",
        np.zeros((4, 5), int),
        n_states=2,
        positions=positions,
        atomic_numbers=METHYLAMINE,
    )
    assert products(open_run(path)) == []


def test_a_chain_of_neighbours_holds_a_fragment_together():
    line = np.zeros((4, 3))
    line[:, 0] = np.array([0.0, 3.7, 7.4, 11.3]) * BOHR_PER_ANGSTROM
    (member,) = fragments(np.array([6, 6, 6, 6]), line[None])
    assert member[0] == member[1] == member[2] != member[3]
