"""A trajectory gives the same bits alone and in a batch of a thousand."""

import math
from dataclasses import fields

import pytest
import torch
from toy_molecule import ToyMolecule, start

from nadyn.dynamics.baths.langevin import langevin
from nadyn.dynamics.electrons.local_diabatisation import local_diabatisation
from nadyn.dynamics.initial.start import start_in_diabatic_state
from nadyn.dynamics.methods.fssh import Fssh, fssh_step
from nadyn.dynamics.methods.nvt import Nvt, nvt_step
from nadyn.dynamics.state.batch import ARRAYS, select
from nadyn.dynamics.state.batch_independence import elementwise, ordered_sum
from nadyn.models.analytic.tully import tully

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

SUBSETS = ([0], [999], [5, 6, 7], list(range(3, 1000, 17)), list(range(700, 829)))


def tully_batch(n_traj):
    model = tully(1)
    generator = torch.Generator().manual_seed(1)
    positions = -2.0 + torch.rand(n_traj, 1, 1, dtype=torch.float64, generator=generator)
    momenta = 20.0 + torch.rand(n_traj, 1, 1, dtype=torch.float64, generator=generator)
    return model, positions, momenta


def molecules(n_traj, *, n_states, n_basis=4):
    return ToyMolecule(n_states=n_states, n_basis=n_basis), *start(n_traj)


def stepper(model, name):
    if name == "nvt":
        bath = langevin(dt=10.0, seed=4, masses=model.masses, temperature=0.001, friction=0.01)
        return lambda state: nvt_step(state, model, Nvt(10.0, model.masses, bath))
    options = Fssh(dt=10.0, seed=4, masses=model.masses, rescale=name, frustrated="jasper_truhlar")
    return lambda state: fssh_step(state, model, options)


@pytest.mark.parametrize(
    ("build", "method", "n_steps"),
    [
        (tully_batch, "nac", 20),
        (lambda n: molecules(n, n_states=4), "nac", 6),
        (lambda n: molecules(n, n_states=2), "gradient_difference", 6),
        (lambda n: molecules(n, n_states=4), "isotropic", 4),
        (lambda n: molecules(n, n_states=4), "nvt", 4),
        (lambda n: molecules(n, n_states=5, n_basis=5), "isotropic", 3),
    ],
)
def test_a_trajectory_does_not_depend_on_its_batch(build, method, n_steps):
    model, positions, momenta = build(1000)
    step = stepper(model, method)
    first = start_in_diabatic_state(model, positions, momenta, masses=model.masses, diabatic_state=1, seed=4)
    states, hopped = [first], 0
    for _ in range(n_steps):
        made = step(states[-1])
        hopped += len(made.hops.row)
        states.append(made.state)
    # Hops are the part of a step that is made for a few rows only: the test must contain them.
    assert method == "nvt" or hopped > 20
    for rows in SUBSETS:
        some = select(first, torch.tensor(rows))
        for expected in states[1:]:
            some = step(some).state
            for name in ARRAYS:
                assert torch.equal(getattr(some, name), getattr(expected, name)[rows]), (rows, name)


@pytest.mark.parametrize("n_states", [3, 5, 7])
@pytest.mark.parametrize("n_surplus", [0, 1, 4])
def test_the_coefficients_after_a_step_do_not_depend_on_the_batch(n_states, n_surplus):
    generator = torch.Generator().manual_seed(6)
    n_traj, n_basis = 300, n_states + n_surplus

    def random(*shape):
        return torch.randn(n_traj, *shape, dtype=torch.float64, generator=generator)

    frames = torch.linalg.qr(random(n_basis, n_basis))[0]
    turn = 0.05 * random(n_basis, n_basis)
    turned = torch.matrix_exp(turn - turn.mT) @ frames
    energies = 0.1 * random(n_states).sort(1)[0]
    arrays = (
        torch.complex(random(n_states), random(n_states)),
        energies,
        frames[:, :, :n_states].contiguous(),
        energies + 0.01 * random(n_states),
        turned[:, :, :n_states].contiguous(),
    )
    together = local_diabatisation(arrays[0], arrays[1:3], arrays[3:], dt=10.0)
    # Odd places: LAPACK sees those matrices at another alignment than the first one.
    for t in range(1, n_traj, 2):
        one = tuple(array[t : t + 1] for array in arrays)
        alone = local_diabatisation(one[0], one[1:3], one[3:], dt=10.0)
        for name in ("coefficients", "propagator", "smallest_overlap"):
            assert torch.equal(getattr(alone, name)[0], getattr(together, name)[t]), t


def test_the_start_does_not_depend_on_the_batch():
    model, positions, momenta = molecules(200, n_states=4)
    options = {"masses": model.masses, "diabatic_state": 1, "seed": 4}
    everyone = start_in_diabatic_state(model, positions, momenta, **options)
    few = start_in_diabatic_state(model, positions[:7], momenta[:7], **options)
    for name in ARRAYS:
        assert torch.equal(getattr(few, name), getattr(everyone, name)[:7]), name
    assert {field.name for field in fields(few)} == {"step", "extra", *ARRAYS}


@pytest.mark.parametrize("function", [torch.exp, torch.log, torch.sin, torch.cos])
def test_transcendental_functions_give_the_same_bits_at_every_place(function):
    generator = torch.Generator().manual_seed(2)
    values = 9.0 * torch.rand(10007, dtype=torch.float64, generator=generator)
    everywhere = elementwise(function, values)
    for start_at, length in ((0, 1), (3, 5), (1, 4096), (9990, 17), (17, 9001)):
        part = values[start_at : start_at + length]
        assert torch.equal(elementwise(function, part), everywhere[start_at : start_at + length])
    torch.testing.assert_close(everywhere, function(values))


def test_sums_have_one_order_and_are_sums():
    generator = torch.Generator().manual_seed(2)
    values = torch.randn(311, 7, 3, dtype=torch.float64, generator=generator)
    sums = ordered_sum(values)
    assert sums.tolist() == pytest.approx([math.fsum(row.flatten().tolist()) for row in values], abs=1e-13)
    assert all(torch.equal(ordered_sum(values[t : t + 1]), sums[t : t + 1]) for t in range(311))
