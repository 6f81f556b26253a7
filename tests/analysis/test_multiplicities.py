"""Populations of singlets and triplets."""

import json

import numpy as np
import pytest
from synthetic_run import write_run

from nadyn.analysis import analyse, report
from nadyn.analysis.key_numbers import key_numbers
from nadyn.analysis.multiplicities import multiplicity_name, multiplicity_populations
from nadyn.trajectory import open_run

N_TRAJ, N_FRAMES = 8, 5


def written(tmp_path, multiplicities, **options):
    diabatic = np.random.default_rng(3).dirichlet(np.ones(4), size=(N_FRAMES, N_TRAJ))
    state = np.zeros((N_FRAMES, N_TRAJ), int)
    path = write_run(
        tmp_path / "run.h5", state, n_states=6, diabatic=diabatic, multiplicities=multiplicities, **options
    )
    return path, diabatic


def test_populations_by_multiplicity_are_sums_over_the_diabatic_states(tmp_path):
    path, diabatic = written(tmp_path, (1, 1, 3, 1))
    result = analyse(path)
    triplets = diabatic[..., 2]
    singlets = diabatic.sum(-1) - triplets
    found, error = result["multiplicity_populations"], result["multiplicity_populations_error"]
    assert list(found) == ["1", "3"]
    np.testing.assert_allclose(found["1"], singlets.mean(1), atol=1e-15)
    np.testing.assert_allclose(found["3"], triplets.mean(1), atol=1e-15)
    mean = singlets.mean(1)
    squares = N_TRAJ * singlets.var(1) + 0.5 * mean**2 + 0.5 * (1 - mean) ** 2
    expected = np.sqrt(squares / (N_TRAJ * (N_TRAJ + 1)))
    # The error of a sum is that of the sums: here what one has gained the other has lost.
    np.testing.assert_allclose(error["1"], expected, rtol=1e-12)
    np.testing.assert_allclose(error["3"], error["1"], rtol=1e-9)
    last = {number.name: number for number in key_numbers(open_run(path), result)}
    assert last["Triplets at 4 fs"].value == f"{100 * triplets.mean(1)[-1]:.1f}"


def test_lifetimes_are_fitted_to_spin_free_states_only(tmp_path):
    # Enough frames for a fit, which half of the trajectories leaving state 1 gives.
    state = (np.arange(9)[:, None] < np.arange(N_TRAJ)).astype(int)
    for n_states, fitted in ((2, True), (4, False)):
        diabatic = np.full((9, N_TRAJ, 2), 0.5)
        path = write_run(
            tmp_path / f"{n_states}.h5", state, n_states=n_states, diabatic=diabatic, multiplicities=(1, 3)
        )
        assert bool(analyse(path)["lifetimes_fs"]) == fitted


def test_a_stopped_trajectory_does_not_count_after_its_end(tmp_path):
    status, last_step = np.array([4] + [0] * (N_TRAJ - 1)), np.array([1] + [N_FRAMES - 1] * (N_TRAJ - 1))
    path, diabatic = written(tmp_path, (3, 3, 1, 1), status=status, last_step=last_step)
    found = multiplicity_populations(open_run(path))
    assert found.multiplicities == (1, 3)
    np.testing.assert_allclose(found.mean[1, 1], diabatic[1, :, :2].sum(-1).mean(), atol=1e-15)
    np.testing.assert_allclose(found.mean[3, 1], diabatic[3, 1:, :2].sum(-1).mean(), atol=1e-15)


def test_states_of_one_multiplicity_have_no_such_numbers(tmp_path):
    path, _ = written(tmp_path, ())
    assert multiplicity_populations(open_run(path)) is None
    assert not {name for name in analyse(path) if name.startswith("multiplicity")}
    page = report(path, tmp_path / "page.html").read_text(encoding="utf-8")
    assert 'id="multiplicities"' not in page


def test_the_report_shows_the_multiplicities(tmp_path):
    path, _ = written(tmp_path, (1, 1, 2, 3))
    page = report(path, tmp_path / "page.html").read_text(encoding="utf-8")
    assert 'id="multiplicities"' in page and "doublets" in page and "triplets" in page
    json.dumps(analyse(path), allow_nan=False)


@pytest.mark.parametrize(("multiplicity", "name"), [(1, "singlets"), (5, "quintets"), (7, "multiplicity 7")])
def test_a_multiplicity_has_a_name(multiplicity, name):
    assert multiplicity_name(multiplicity) == name
