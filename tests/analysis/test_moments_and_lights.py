"""Points of hops lead to their moments, and lights name the trajectories behind them."""

import re

import numpy as np
import pytest
from synthetic_run import decaying_states, write_run

from nadyn.analysis.lights import Light, lights_html
from nadyn.analysis.page_parts import svg
from nadyn.analysis.plots_hops import hops_figure
from nadyn.trajectory import open_run


@pytest.mark.parametrize("n_traj", [1, 40])
def test_every_point_of_a_gap_leads_to_its_hop(tmp_path, n_traj):
    time = np.arange(0.0, 41.0)
    state = decaying_states(np.random.default_rng(2), n_traj=n_traj, time=time, lifetimes=[9.0])
    run = open_run(write_run(tmp_path / "run.h5", state, n_states=2, write_every=3))
    drawn = svg(hops_figure(run))
    found = re.findall(r'<a xlink:href="#t(\d+)s(\d+)"', drawn)
    assert sorted((int(t), int(s)) for t, s in found) == sorted(
        zip(run.hops["traj"].tolist(), run.hops["step"].tolist(), strict=True)
    )
    assert len(found) > 0
    assert "target=" not in drawn


def test_lights_are_escaped_and_name_the_trajectories_behind_them():
    many = Light("Energy <window>", "bad", "a & b over 0.2 eV", tuple(range(40, 55)))
    text = lights_html([many, Light("Norm", "good", "kept to 1e-12")])
    assert "Energy &lt;window&gt;" in text
    assert "a &amp; b" in text
    assert '<a href="#t40">40</a>, <a href="#t41">41</a>' in text
    assert "#t52" not in text
    assert "and 3 more" in text
    assert lights_html([]) == ""
