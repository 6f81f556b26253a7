"""Hops of MASH, decay of mixing and windows: the parts of a step made for a few rows do not mix them."""

import pytest
import torch
from toy_molecule import ToyMolecule, start

from nadyn.checks.configuration import parse_configuration
from nadyn.dynamics.initial.start import start_in_diabatic_state
from nadyn.dynamics.methods.table import METHODS, motion_of
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.dynamics.state.batch import ARRAYS, select
from nadyn.models.analytic.tully import tully

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

SUBSETS = ([0], [119], [5, 6, 7], list(range(3, 120, 17)))


def molecules(n_states, n_basis, n_traj=120):
    return ToyMolecule(n_states=n_states, n_basis=n_basis), *start(n_traj, momentum=20.0)


def scattered(n_traj=120):
    shift = 0.008 * torch.arange(n_traj, dtype=torch.float64)[:, None, None]
    return tully(1), shift - 1.0, 10.0 + shift


@pytest.mark.parametrize(
    ("name", "build", "options"),
    [
        ("mash", scattered, {}),
        ("multistate_mash", lambda: molecules(4, 4), {"sampling": "cap"}),
        ("csdm", lambda: molecules(4, 4), {}),
        ("sqc", lambda: molecules(3, 3), {"zero_point": "adjusted"}),
    ],
)
def test_a_trajectory_with_hops_does_not_depend_on_its_batch(name, build, options):
    model, positions, momenta = build()
    content = {"initial": {"sample": "wigner", "n": 3}, "method": name, "dt_fs": 0.4, "time_fs": 3}
    config = parse_configuration({**content, "options": options, "seed": 5}, RunConfiguration, where="run")
    motion = motion_of(config, model, model.masses)
    started = start_in_diabatic_state(
        model, positions, momenta, masses=model.masses, diabatic_state=1, seed=5
    )
    states, hopped = [motion.begin(started, model)], 0
    for _ in range(3):
        made = motion.step(states[-1], model)
        hopped += len(made.hops.row)
        states.append(made.state)
    # Steps that are made for a few rows only must be among them.
    assert hopped > 1 or "mash" not in name
    for rows in SUBSETS:
        some = motion.begin(select(started, torch.tensor(rows)), model)
        for number, expected in enumerate(states):
            some = motion.step(some, model).state if number else some
            for array in ARRAYS:
                assert torch.equal(getattr(some, array), getattr(expected, array)[rows]), (rows, array)
            assert some.extra.keys() == expected.extra.keys()
            for array, values in some.extra.items():
                assert torch.equal(values, expected.extra[array][rows]), (rows, array)
            for estimator in (METHODS[name].adiabatic, METHODS[name].diabatic):
                together = estimator.values(expected)[rows]
                assert torch.equal(estimator.values(some).nan_to_num(9.0), together.nan_to_num(9.0))
