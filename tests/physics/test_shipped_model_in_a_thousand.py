"""The shipped model, a thousand trajectories at once: any one of them has the same bits alone."""

import warnings

import pytest
import torch

import nadyn
from nadyn import shipped
from nadyn.dynamics.initial import InitialSection, sample
from nadyn.dynamics.initial.start import start_in_state
from nadyn.dynamics.methods.fssh import Fssh, fssh_step
from nadyn.dynamics.state.batch import ARRAYS, select
from nadyn.units import AU_PER_FEMTOSECOND

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unchecked_annotations")]

CHOSEN = (0, 7, 123, 500, 731, 999)
# 25 fs: the first passage through the intersection, with hundreds of hops in the batch.
N_STEPS = 50


def test_a_trajectory_among_a_thousand_has_the_bits_of_the_one_alone():
    model = nadyn.load_model(shipped.path("hexafluorobutene/hexafluorobutene.safetensors"))
    with warnings.catch_warnings():
        # Soft torsions are warned of; they do not matter here.
        warnings.simplefilter("ignore")
        initial = sample(model, InitialSection(sample="wigner", n=1000, state=1), seed=1)
    state = start_in_state(
        model,
        torch.from_numpy(initial.positions),
        torch.from_numpy(initial.momenta),
        masses=model.masses,
        active_state=1,
    )
    choices = Fssh(dt=0.5 * AU_PER_FEMTOSECOND, seed=1, masses=model.masses)
    alone = [select(state, torch.tensor([row])) for row in CHOSEN]
    n_hops = 0
    for _ in range(N_STEPS):
        step = fssh_step(state, model, choices)
        state, n_hops = step.state, n_hops + len(step.hops.row)
        alone = [fssh_step(one, model, choices).state for one in alone]
    assert n_hops > 100
    for row, one in zip(CHOSEN, alone, strict=True):
        for name in ARRAYS:
            together = getattr(state, name)[row]
            assert torch.equal(getattr(one, name)[0], together), (row, name)
