"""A model that is bound to atoms which its training does not determine: said in every run and sample."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from contracts.untrained import untrained

import nadyn
from nadyn.cli.sample import _outside
from nadyn.models.molecules import Molecule
from nadyn.trajectory.initial_conditions import InitialConditions, write_initial_conditions

GEOMETRY = torch.tensor(
    [[0.1, 0.0, 0.7], [0.9, 1.5, 0.0], [-1.7, 0.2, 0.1], [0.8, -1.9, -0.1]], dtype=torch.float64
)


@pytest.fixture(params=[(True, ()), (False, (1, 1, 9))])
def model(request):
    """A model that was trained on its own molecule, or on another one alone."""
    own, other = request.param
    numbers = (7, 1, 1, 9) if own else other
    trained = (Molecule("trained", numbers, 20, None),)
    return own, replace(untrained("moments", "2x0e", atomic_numbers=(7, 1, 1, 9)), molecules=trained)


def test_a_run_says_that_the_training_does_not_determine_its_molecule(model, tmp_path):
    own, bound = model
    start = InitialConditions(
        positions=GEOMETRY[None].numpy(),
        momenta=np.zeros((1, 4, 3)),
        masses=bound.masses.numpy(),
        weight=np.ones(1),
        atomic_numbers=np.array(bound.atomic_numbers),
        state=0,
        diabatic_state=None,
        origin="by hand",
        temperature_kelvin=None,
    )
    write_initial_conditions(tmp_path / "start.h5", start)
    config = {"initial": {"file": str(tmp_path / "start.h5")}, "method": "nve", "dt_fs": 0.1, "time_fs": 0.1}
    result = nadyn.run({**config, "output": str(tmp_path / "run.h5")}, model=bound, progress=False)
    said = [notice for notice in result.notices if "must know the composition" in notice]
    assert len(said) == (0 if own else 1)


def test_a_sample_says_it_too(model):
    own, bound = model
    sentence = _outside(bound, GEOMETRY[None].numpy())
    assert (sentence is None) is own
