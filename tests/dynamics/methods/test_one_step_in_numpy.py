"""Surface hopping beside an independent program: every propagation, decoherence and change of momentum."""

import itertools
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import reference_step as numpy_program
import torch
from slow_cases import slow_where

from nadyn.checks.configuration import parse_configuration
from nadyn.dynamics.initial.start import start_in_state
from nadyn.dynamics.methods.table import motion_of
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.dynamics.state.random_numbers import Stream, uniform
from nadyn.models.model import CARTESIAN_LAWS, Coordinates, Evaluation

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

N_TRAJ, N_STEPS, DT_FS, SEED, WIDTH = 36, 3, 0.4, 7, 0.15

PROPAGATIONS = ("local_diabatisation", "npi", "state_reordering", "tdc", "curvature")
DECOHERENCES = {
    "none": "none",
    "edc": {"name": "edc"},
    "edc of amplitudes": {"name": "edc", "damps": "amplitudes"},
    "sdm": {"name": "sdm"},
    "instantaneous": {"name": "instantaneous"},
    "attempt": {"name": "instantaneous", "after": "attempt"},
    "afssh": {"name": "afssh"},
    "shxf": {"name": "shxf", "width_bohr": WIDTH},
}
RESCALES = ("nac", "nac_unprojected", "gradient_difference", "isotropic")
# What a correction remembers, here and in the other program.
MEMORIES = {
    "afssh": {"moments.positions": "moved", "moments.momenta": "kicked"},
    "shxf": {
        "auxiliaries.positions": "aux_r",
        "auxiliaries.momenta": "aux_p",
        "auxiliaries.phase": "aux_f",
    },
}
FRUSTRATED = ("keep", "reverse", "jasper_truhlar")


@dataclass(frozen=True)
class Molecule:
    """The molecule of `reference_step`, differentiated by torch."""

    name: ClassVar[str] = "reference"
    coordinates: ClassVar[Coordinates] = "cartesian"
    laws: ClassVar[frozenset[str]] = CARTESIAN_LAWS - {"permutation"}
    atomic_numbers: ClassVar[tuple[int, ...]] = (6, 1, 5)
    fixed_diabatic_basis: ClassVar[bool] = True
    block_width: ClassVar[int] = N_TRAJ
    shortest_distances: ClassVar[None] = None
    n_states: ClassVar[int] = 3
    n_basis: ClassVar[int] = 3
    masses: ClassVar[torch.Tensor] = torch.from_numpy(numpy_program.MASSES)

    def evaluate(self, positions):
        r = [torch.linalg.norm(positions[:, i] - positions[:, j], dim=1) for i, j in numpy_program.PAIRS]
        found = numpy_program.elements(r, torch.exp)
        rows = [torch.stack([found[min(a, b), max(a, b)] for b in range(3)], 1) for a in range(3)]
        return Evaluation(torch.stack(rows, 1), torch.zeros_like(r[0]))


def begun(motion):
    """Trajectories in all states, fast enough to hop often and slow enough to be refused sometimes."""
    model, generator = Molecule(), np.random.default_rng(1)
    positions = numpy_program.GEOMETRY + 0.15 * generator.standard_normal((N_TRAJ, 3, 3))
    size = np.where(np.arange(N_TRAJ) % 2, 4.0, 16.0)[:, None, None]
    momenta = (
        size * generator.standard_normal((N_TRAJ, 3, 3)) * np.sqrt(numpy_program.MASSES / 1822.9)[:, None]
    )
    c = generator.standard_normal((N_TRAJ, 3)) + 1j * generator.standard_normal((N_TRAJ, 3))
    c /= np.linalg.norm(c, axis=1)[:, None]
    active = np.arange(N_TRAJ) % 3
    states = [
        start_in_state(
            model,
            torch.from_numpy(positions),
            torch.from_numpy(momenta),
            masses=model.masses,
            active_state=a,
        )
        for a in range(3)
    ]
    force = torch.stack([s.force for s in states], 1)[torch.arange(N_TRAJ), torch.from_numpy(active)]
    state = replace(
        states[0], coefficients=torch.from_numpy(c), active_state=torch.from_numpy(active), force=force
    )
    return motion.begin(state, model)


# By default all kinds of decoherence with one propagation, and all propagations with one decoherence.
@pytest.mark.parametrize(
    "propagation, decoherence",
    slow_where(
        lambda propagation, decoherence: propagation != PROPAGATIONS[0] and decoherence != "edc",
        itertools.product(PROPAGATIONS, DECOHERENCES),
    ),
)
def test_steps_are_those_of_an_independent_program(propagation, decoherence):
    attempts = refused = 0
    for number, rescale in enumerate(RESCALES):
        frustrated = FRUSTRATED[(number + len(decoherence)) % 3]
        content = {
            "initial": {"position_au": 0, "momentum_au": 1, "n": 1},
            "method": "fssh",
            "time_fs": 10,
            "dt_fs": DT_FS,
            "seed": SEED,
            "propagation": propagation,
            "decoherence": DECOHERENCES[decoherence],
            "rescale": rescale,
            "frustrated": frustrated,
        }
        config = parse_configuration(content, RunConfiguration, where="test")
        model = Molecule()
        motion = motion_of(config, model, model.masses)
        state = begun(motion)
        options = {
            "dt": DT_FS * 41.341373335,
            "propagation": propagation,
            "decoherence": decoherence.split(" ")[0],
            "damps": "amplitudes" if "amplitudes" in decoherence else "populations",
            "width": WIDTH,
            "rescale": rescale,
            "frustrated": frustrated,
        }
        other = numpy_program.Trajectories(
            state.positions.numpy(),
            state.momenta.numpy(),
            state.eigenvectors.numpy(),
            state.coefficients.numpy(),
            state.active_state.numpy(),
            options,
        )
        # Curvature needs a step of its own before it couples anything.
        for step in range(1, N_STEPS + 1 + 2 * (propagation == "curvature")):
            state = motion.step(state, model).state
            zeta = uniform(SEED, state.trajectory, step, Stream.HOP, (1,))[:, 0].numpy()
            other.step(zeta, uniform(SEED, state.trajectory, step, Stream.COLLAPSE, (3,)).numpy())
            amplitudes = torch.einsum("tak,tk->ta", state.eigenvectors + 0j, state.coefficients)
            where = f"{rescale}, {frustrated}, step {step}"
            assert np.array_equal(state.active_state.numpy(), other.a), where
            assert np.abs(state.positions.numpy() - other.r).max() < 1e-9, where
            assert np.abs(state.momenta.numpy() - other.p).max() < 1e-7, where
            assert np.abs(amplitudes.numpy() - other.amplitudes).max() < 1e-7, where
            assert np.abs(state.force.numpy() - other.force).max() < 1e-9, where
            for key, expected in MEMORIES.get(decoherence, {}).items():
                found = state.extra[key].numpy()
                assert np.abs(found - getattr(other, expected)).max() < 1e-7, (key, where)
        attempts, refused = attempts + other.attempts, refused + other.refused
    assert refused >= 2 and attempts - refused >= (4 if propagation == "curvature" else 12)


def test_every_choice_of_a_run_file_is_there():
    fields = RunConfiguration.model_fields
    for name, known in (("propagation", PROPAGATIONS), ("rescale", RESCALES), ("frustrated", FRUSTRATED)):
        assert set(fields[name].annotation.__args__) == set(known)
    # Each way to treat refused hops stands beside each change of momentum.
    met = {(number, (number + len(name)) % 3) for name in DECOHERENCES for number in range(4)}
    assert met == set(itertools.product(range(4), range(3)))
