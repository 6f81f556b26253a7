"""NaN and infinities from a model end the trajectories that meet them, and change no bit of the others."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from contracts.in_place_of import InPlaceOf
from contracts.methods import METHOD_CASES, MethodCase, motion
from slow_cases import slow_where

from nadyn.dynamics.electrons.ways import assignment
from nadyn.dynamics.hops.attempts import HopRules, along, attempt_hops
from nadyn.dynamics.hops.representation import SpinFree
from nadyn.dynamics.initial.start import start_in_diabatic_state, start_in_state
from nadyn.dynamics.run.ensemble import after_step, finished, start_ensemble
from nadyn.dynamics.run.stopping import Limits, Status, start_statuses, statuses
from nadyn.dynamics.state.batch import to_arrays
from nadyn.dynamics.state.step import Step, no_hops
from nadyn.electronic.eigen import aligned_eigh, levels, singular_parts

sys.path.append(str(Path(__file__).parents[1] / "dynamics"))
from gas_in_a_box import GasInABox, gas_at_rest
from spin_models import SpinMolecule
from toy_molecule import ToyMolecule, start

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

# What is wrong at trajectory 1, 2, …; the others, 0 and the last, are sound. Each stands `APART` from the one
# before, by which the model knows it.
FAULTS = (
    *("energy nan", "energy inf", "element -inf", "force nan", "force inf"),
    *("stress nan", "coupling nan", "other inf", "vector nan"),
)
# What every method asks for.
ALWAYS_MET = ("energy", "element", "force")
APART = 100.0
N_TRAJ = len(FAULTS) + 2
WIDE = Limits(max_energy_step=1.0)
# In the default run one variant of a method stands for the others.
VARIANTS = ("each", "with", "after", "sdm", "gfsh", "dish", "state_reordering", "curvature", "adaptive")
every_method = pytest.mark.parametrize(
    "name",
    slow_where(lambda name: name not in ("dish", "gfsh") and any(v in name for v in VARIANTS), METHOD_CASES),
)


class _TornSlope(torch.autograd.Function):
    """A matrix as it is, with a derivative that is not finite in some elements between its eigenvectors."""

    @staticmethod
    def forward(ctx, hamiltonian, rows, value, part):
        ctx.save_for_backward(torch.linalg.eigh(hamiltonian.detach().nan_to_num())[1], rows)
        ctx.value, ctx.part = value, part
        return hamiltonian.clone()

    @staticmethod
    def backward(ctx, cotangent):
        vectors, rows = ctx.saved_tensors
        weights = (vectors.mT @ cotangent @ vectors).abs()
        own = weights.diagonal(dim1=1, dim2=2)
        match ctx.part:
            case "coupling":
                met = (weights - torch.diag_embed(own)).amax((1, 2)) > 1e-9 * weights.amax((1, 2))
            case "other":
                met = own[:, -1] > 1e-9 * weights.amax((1, 2))
            case _:
                met = torch.ones_like(rows)
        return torch.where((rows & met)[:, None, None], ctx.value, cotangent), None, None, None


class Broken(InPlaceOf):
    """A model that is broken in its own way at each of the places of `FAULTS`."""

    def evaluate(self, positions, *, cells=None):
        place = (positions.detach().mean((1, 2)) * (3 / APART)).round().long()
        if cells is None:
            found = self.inner.evaluate(positions)
        else:
            rows = place == FAULTS.index("stress nan") + 1
            found = self.inner.evaluate(positions, cells=_TornSlope.apply(cells, rows, torch.nan, "stress"))
        hamiltonian, torn = found.hamiltonian, None
        for number, fault in enumerate(FAULTS, start=1):
            part, value = fault.split()
            rows, value = place == number, float(value)
            added = torch.where(rows, value, 0.0)[:, None, None]
            match part:
                case "energy":
                    hamiltonian = hamiltonian + added
                case "element":
                    corner = torch.zeros_like(hamiltonian[0])
                    corner[-1, -1] = 1.0
                    hamiltonian = hamiltonian + torch.where(corner == 1.0, added, 0.0)
                case "vector":
                    torn = rows
                case "stress":
                    pass
                case _:
                    hamiltonian = _TornSlope.apply(hamiltonian, rows, value, part)
        found = replace(found, hamiltonian=hamiltonian)
        if torn.any():
            energies, vectors = levels(found)
            vectors = torch.where(torn[:, None, None], torch.nan, vectors)
            found = replace(found, levels=(energies, vectors))
        return found


def molecules(case):
    model = ToyMolecule(n_states=2, n_basis=2) if case.two_states_only else ToyMolecule()
    model = SpinMolecule() if case.spins else model
    positions, momenta = start(N_TRAJ, momentum=25.0)
    positions[:, :, 0] += APART * torch.arange(N_TRAJ)[:, None]
    return model, positions, momenta


def begin(case, model, positions, momenta):
    state = start_in_diabatic_state(model, positions, momenta, masses=model.masses, diabatic_state=1, seed=4)
    return motion(case, model).begin(state, model)


def advance(ensemble, ready, model, n_steps):
    for _ in range(n_steps):
        step = ready.step(ensemble.running, model)
        ensemble, _ = after_step(ensemble, step, statuses(ensemble.running, step, model, WIDE))
    return ensemble


def bits(ensemble, row):
    return {name: array[row].tobytes() for name, array in to_arrays(ensemble.everyone).items()}


def fault_of(row):
    return FAULTS[row - 1].split()[0] if 0 < row <= len(FAULTS) else "none"


def check(found, expected, *, always_met=ALWAYS_MET, last_step=0):
    """Each trajectory has ended for a reason, or has never met its fault and has the bits of a sound run."""
    for row in range(N_TRAJ):
        if found.status[row] == Status.NOT_FINITE:
            assert fault_of(row) != "none" and found.last_step[row] >= last_step
        else:
            assert fault_of(row) not in always_met and found.status[row] == expected.status[row], fault_of(
                row
            )
            assert bits(found, row) == bits(expected, row), fault_of(row)


def check_numbers(found):
    for name, array in to_arrays(found.everyone).items():
        assert name == "surplus_gap" or torch.isfinite(torch.from_numpy(array)).all(), name


@every_method
def test_numbers_that_are_none_end_their_trajectory_and_leave_the_others_alone(name):
    case = METHOD_CASES[name]
    model, positions, momenta = molecules(case)
    ready, broken = motion(case, model), Broken(model)
    halfway = advance(start_ensemble(begin(case, model, positions, momenta)), ready, model, 2)
    expected = finished(advance(halfway, ready, model, 3), 5)
    found = finished(advance(halfway, ready, broken, 3), 5)
    assert (expected.status == Status.FINISHED).all()
    check(found, expected, last_step=2)
    check_numbers(found)


@every_method
def test_who_cannot_start_is_counted_and_the_others_go_on(name):
    case = METHOD_CASES[name]
    model, positions, momenta = molecules(case)
    ready, broken = motion(case, model), Broken(model)
    states = [begin(case, one, positions, momenta) for one in (model, broken)]
    expected, found = (start_ensemble(state, start_statuses(state, model)) for state in states)
    assert {fault_of(row) for row in range(N_TRAJ) if found.status[row] == Status.NOT_FINITE} >= set(
        ALWAYS_MET
    )
    check(finished(advance(found, ready, broken, 1), 1), finished(advance(expected, ready, model, 1), 1))


def test_so_do_those_in_a_cell_that_moves():
    cell = torch.tensor([[9.0, 0.4, -0.3], [0.0, 10.0, 0.6], [0.5, 0.0, 11.0]], dtype=torch.float64)
    model = GasInABox(5, cell, first=1e-3, second=1e-3)
    baths = {
        "thermostat": {"name": "velocity_rescaling", "temperature_kelvin": 300, "relaxation_fs": 20},
        "barostat": {"pressure_gpa": 1, "relaxation_ps": 1, "compressibility_per_gpa": 0.01, "cell": "full"},
    }
    ready = motion(MethodCase("npt", baths), model)
    state = gas_at_rest(model, N_TRAJ)
    away = torch.zeros_like(state.positions)
    away[:, :, 0] = APART * torch.arange(N_TRAJ)[:, None]
    # All atoms of one at one place, so that its mean is known whatever the cell does.
    start = start_ensemble(ready.begin(replace(state, positions=away), model))
    expected = finished(advance(start, ready, model, 3), 3)
    found = finished(advance(start, ready, Broken(model), 3), 3)
    check(found, expected, always_met=(*ALWAYS_MET, "stress"))
    check_numbers(found)


@pytest.mark.parametrize("frustrated", ["keep", "reverse", "jasper_truhlar"])
@pytest.mark.parametrize("fault", ["coupling nan", "other inf"])
def test_a_hop_along_no_direction_is_no_frustrated_one(frustrated, fault):
    model, positions, momenta = molecules(METHOD_CASES["fssh"])
    # To the highest state, which none can pay or most can, and to the lowest.
    for target, scale in ((3, 0.1), (3, 1.0), (0, 1.0)):
        state = start_in_state(model, positions, scale * momenta, masses=model.masses, active_state=1)
        after, hops = attempt_hops(
            state,
            Broken(model),
            model.masses,
            torch.full_like(state.active_state, target),
            HopRules(SpinFree(), along("nac"), frustrated),
            zeta=state.heat,
            probability=state.weight,
        )
        none = torch.zeros_like(state.active_state, dtype=torch.bool)
        status = statuses(state, Step(after, hops, none), model, WIDE)
        ended = status == int(Status.NOT_FINITE)
        met = fault == "coupling nan" or target == 3
        assert bool(ended[FAULTS.index(fault) + 1]) == met
        assert not bool(ended[[0, -1]].any())


def test_a_decoherence_that_has_met_an_infinite_force_decides_nothing():
    case = METHOD_CASES["afssh"]
    model, positions, momenta = molecules(case)
    ready = motion(case, model)
    state = start_in_state(model, positions, momenta, masses=model.masses, active_state=0)
    found = advance(start_ensemble(ready.begin(state, model)), ready, Broken(model), 1)
    assert found.status[FAULTS.index("other inf") + 1] == Status.NOT_FINITE
    assert found.status[0] == found.status[-1] == Status.RUNNING


@pytest.mark.parametrize("name", ["total_energy", "force", "positions", "coefficients", "memory"])
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_every_number_of_a_step_is_looked_at(name, value):
    case = METHOD_CASES["afssh"]
    model, positions, momenta = molecules(case)
    state = begin(case, model, positions, momenta)
    key = next(iter(state.extra))
    array = (state.extra[key] if name == "memory" else getattr(state, name)).clone()
    array[4].reshape(-1)[-1] = value
    changed = {"extra": {**state.extra, key: array}} if name == "memory" else {name: array}
    none = torch.zeros_like(state.active_state, dtype=torch.bool)
    step = Step(replace(state, **changed), no_hops(state.positions.device), none)
    expected = [int(Status.NOT_FINITE) if row == 4 else int(Status.RUNNING) for row in range(N_TRAJ)]
    assert statuses(state, step, model, WIDE).tolist() == expected


def test_one_matrix_of_none_leaves_the_bits_of_the_others():
    generator = torch.Generator().manual_seed(1)
    for n in (2, 3, 5):
        matrix = torch.randn(4, n, n, dtype=torch.float64, generator=generator)
        matrix = matrix + matrix.mT
        for value in (torch.nan, torch.inf):
            torn = matrix.clone()
            torn[2, 0, -1] = torn[2, -1, 0] = value
            rest = torch.tensor([0, 1, 3])
            for function in (aligned_eigh, singular_parts):
                for one, other in zip(function(matrix), function(torn), strict=True):
                    assert torch.equal(one[rest], other[rest])
            assert (
                torch.isnan(aligned_eigh(torn)[0][2]).all() and torch.isnan(singular_parts(torn)[1][2]).all()
            )
            assert torch.equal(assignment(torn)[rest], assignment(matrix)[rest])
