"""A run that goes on by other code says so."""

import pytest
from contracts.untrained import untrained

from nadyn.dynamics.run.resume import _other_path
from nadyn.models.analytic.tully import tully

KERNELS, TORCH = "compiled kernels (znver3, 8 lanes)", "networks of torch: NADYN_FAST_PATH is set to 0"


@pytest.mark.parametrize(("then", "off", "says"), [(KERNELS, "0", 1), (KERNELS, "1", 0), (TORCH, "1", 1)])
def test_a_run_on_another_path_says_so(monkeypatch, then, off, says):
    monkeypatch.setenv("NADYN_FAST_PATH", off)
    model = untrained("moments", "2x0e")
    notices = _other_path(then, model)
    assert len(notices) == says
    assert all(then in notice and model.evaluation in notice for notice in notices)


def test_older_files_and_analytic_models_have_one_path():
    assert _other_path("", untrained("moments", "2x0e")) == []
    assert _other_path("", tully(1)) == []
