"""Samples of initial conditions against the exact averages of their oscillators."""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch

from nadyn.checks.configuration import parse_configuration
from nadyn.checks.errors import InputError
from nadyn.dynamics.initial import InitialSection, sample
from nadyn.dynamics.initial.oscillators import oscillators
from nadyn.models.analytic import pyrazine, springs, tully
from nadyn.models.model import Evaluation
from nadyn.trajectory.initial_conditions import write_initial_conditions
from nadyn.units import ANGSTROM_PER_BOHR, HARTREE_PER_KELVIN

N = 4000
POINT = {"position_au": 1.0, "momentum_au": 1.0, "n": 3}


def _coordinates(initial, modes):
    """Mass-weighted normal coordinates and momenta."""
    root = np.sqrt(initial.masses)[:, None]
    q = np.einsum("tnx,mnx->tm", (initial.positions - modes.centre) * root, modes.vectors)
    p = np.einsum("tnx,mnx->tm", initial.momenta / root, modes.vectors)
    return q, p


def _exact(frequencies, distribution, temperature_kelvin):
    thermal = HARTREE_PER_KELVIN * temperature_kelvin
    if distribution == "thermal":
        return np.full_like(frequencies, thermal)
    occupation = 0.0 if thermal == 0 else 1 / np.expm1(frequencies / thermal)
    return frequencies * (0.5 + occupation)


def _assert_within_three_errors(values, expected):
    error = values.std(axis=0) / np.sqrt(len(values))
    np.testing.assert_array_less(np.abs(values.mean(axis=0) - expected), 3 * error)


@pytest.mark.parametrize("molecule", ["ammonia_like", "carbon_dioxide_like"])
@pytest.mark.parametrize(
    ("distribution", "temperature_kelvin"), [("wigner", 0.0), ("wigner", 900.0), ("thermal", 900.0)]
)
def test_mean_energies_are_those_of_the_oscillators(request, molecule, distribution, temperature_kelvin):
    model = request.getfixturevalue(molecule)
    section = InitialSection(sample=distribution, n=N, temperature_kelvin=temperature_kelvin)
    initial, modes = sample(model, section, seed=5), oscillators(model, section).modes
    expected = _exact(modes.frequencies, distribution, temperature_kelvin)
    q, p = _coordinates(initial, modes)
    potential = 0.5 * modes.frequencies**2 * q**2
    _assert_within_three_errors(potential, 0.5 * expected)
    _assert_within_three_errors(0.5 * p**2, 0.5 * expected)
    kinetic = 0.5 * (initial.momenta**2 / initial.masses[:, None]).sum((1, 2))
    _assert_within_three_errors(potential.sum(1) + kinetic, expected.sum())


@pytest.mark.parametrize("molecule", ["ammonia_like", "carbon_dioxide_like"])
def test_there_is_no_net_momentum_and_no_net_angular_momentum(request, molecule):
    model = request.getfixturevalue(molecule)
    initial = sample(model, InitialSection(sample="wigner", n=200), seed=2)
    size = np.abs(initial.momenta).max()
    assert np.abs(initial.momenta.sum(1)).max() < 1e-12 * size
    angular = np.cross(initial.positions, initial.momenta).sum(1)
    assert np.abs(angular).max() < 1e-10 * size
    centre = (initial.masses[:, None] * initial.positions).sum(1) / initial.masses.sum()
    assert np.abs(centre).max() < 1e-12


@pytest.mark.parametrize("distribution", ["wigner", "thermal"])
def test_a_trajectory_depends_on_the_seed_and_its_number_alone(ammonia_like, distribution):
    few, many = (
        sample(ammonia_like, InitialSection(sample=distribution, n=n, temperature_kelvin=300), seed=8)
        for n in (7, 200)
    )
    assert np.array_equal(few.positions, many.positions[:7])
    assert np.array_equal(few.momenta, many.momenta[:7])
    other = sample(ammonia_like, InitialSection(sample=distribution, n=7, temperature_kelvin=300), seed=9)
    assert not np.any(other.momenta == few.momenta)


def test_positions_and_momenta_of_a_mode_are_uncorrelated(ammonia_like):
    section = InitialSection(sample="wigner", n=N)
    q, p = _coordinates(sample(ammonia_like, section, seed=3), oscillators(ammonia_like, section).modes)
    _assert_within_three_errors(q * p, 0.0)


@pytest.mark.parametrize(("temperature_kelvin", "factor"), [(0.0, 1.0), (1500.0, None)])
def test_pyrazine_samples_its_own_oscillators(temperature_kelvin, factor):
    model = pyrazine(4)
    section = InitialSection(sample="wigner", n=N, diabatic_state=1, temperature_kelvin=temperature_kelvin)
    initial = sample(model, section, seed=1)
    assert initial.positions.shape == (N, 4, 1)
    assert (initial.state, initial.diabatic_state) == (None, 1)
    # At 0 K both widths are 1/√2 in every dimensionless coordinate.
    frequencies = model.frequencies.numpy()
    variance = _exact(frequencies, "wigner", temperature_kelvin) / frequencies
    if factor is not None:
        np.testing.assert_array_equal(variance, 0.5)
    _assert_within_three_errors(initial.positions[..., 0] ** 2, variance)
    _assert_within_three_errors(initial.momenta[..., 0] ** 2, variance)


def test_an_excited_start_is_sampled_about_the_chosen_minimum(ammonia_like, tmp_path):
    """Two uncoupled states with springs of different lengths: each has a minimum of its own."""
    positions = ammonia_like.starting_geometry
    one = torch.ones(4, 4, dtype=torch.float64)
    zero = torch.zeros(4, 4, dtype=torch.float64)
    stiffness = 0.3 * torch.stack([torch.stack([one, zero]), torch.stack([zero, one])])
    lengths = torch.stack([torch.stack([2.0 * one, one]), torch.stack([one, 2.4 * one])])
    constant = torch.diag(torch.tensor([0.0, 5.0], dtype=torch.float64))
    model = springs(positions, (7, 1, 6, 17), constant=constant, stiffness=stiffness, lengths=lengths)
    for state, length in ((0, 2.0), (1, 2.4)):
        section = InitialSection(sample="wigner", n=2, state=1, minimise_state=state)
        centre = oscillators(model, section).modes.centre
        distances = np.linalg.norm(centre[:, None] - centre[None], axis=-1)[np.triu_indices(4, 1)]
        np.testing.assert_allclose(distances, length, atol=1e-4)
        assert sample(model, section, seed=1).state == 1


def test_a_given_geometry_decides_which_minimum_is_found(ammonia_like, tmp_path):
    mirrored = ammonia_like.starting_geometry.numpy() * [1, 1, -1] * ANGSTROM_PER_BOHR
    lines = [
        f"{s} {x:.8f} {y:.8f} {z:.8f}" for s, (x, y, z) in zip("N H C Cl".split(), mirrored, strict=True)
    ]
    path = tmp_path / "mirrored.xyz"
    path.write_text("\n".join(["4", "the other hand", *lines, ""]), encoding="utf-8")
    volumes = []
    for geometry in (None, str(path)):
        found = oscillators(ammonia_like, InitialSection(sample="wigner", n=1, geometry=geometry))
        edges = found.modes.centre[1:] - found.modes.centre[0]
        volumes.append(np.linalg.det(edges))
    assert str(path) in found.origin
    assert volumes[0] == pytest.approx(-volumes[1], rel=1e-4)


def test_without_any_geometry_one_is_asked_for(ammonia_like):
    bare = dataclasses.replace(ammonia_like, starting_geometry=None)
    with pytest.raises(InputError, match=r"stores no starting geometry.*Give an \.xyz file"):
        sample(bare, InitialSection(sample="wigner", n=2), seed=1)


def test_a_soft_mode_is_noticed(ammonia_like):
    soft = springs(
        ammonia_like.starting_geometry,
        (7, 1, 6, 17),
        constant=torch.zeros(1, 1, dtype=torch.float64),
        stiffness=torch.full((1, 1, 4, 4), 1e-3, dtype=torch.float64),
        lengths=torch.full((1, 1, 4, 4), 2.5, dtype=torch.float64),
    )
    (notice,) = sample(soft, InitialSection(sample="wigner", n=2), seed=1).notices
    assert "of 6 frequencies are under 100 cm-1" in notice


def test_scattering_starts_at_one_point():
    section = InitialSection(position_au=-10, momentum_au=20, n=5, state=0)
    initial = sample(tully(1), section, seed=1)
    assert initial.positions.shape == initial.momenta.shape == (5, 1, 1)
    assert set(initial.positions.ravel()) == {-10.0}
    assert set(initial.momenta.ravel()) == {20.0}
    assert (initial.state, initial.atomic_numbers, initial.temperature_kelvin) == (0, None, None)


def test_a_packet_is_drawn_from_its_wigner_function():
    n, width, model = 4000, np.array([0.5, 2.0, 1.25, 1.0]), pyrazine(4)
    point = {"position_au": (1.0, -3.0, 0.0, 0.5), "momentum_au": (0.0, 4.0, -2.0, 7.0)}
    point["width_au"] = tuple(width)
    drawn = sample(model, InitialSection(n=n, **point), seed=6)
    x, p = drawn.positions[:, :, 0], drawn.momenta[:, :, 0]
    for values, centre, spread in (
        (x, point["position_au"], width / np.sqrt(2)),
        (p, point["momentum_au"], 1 / (np.sqrt(2) * width)),
    ):
        assert (np.abs(values.mean(0) - centre) < 3 * spread / np.sqrt(n)).all()
        assert (np.abs(values.std(0) / spread - 1) < 3 / np.sqrt(2 * n)).all()
    # Positions and momenta of all coordinates are independent.
    correlation = np.corrcoef(np.concatenate([x, p], axis=1).T) - np.eye(8)
    assert np.abs(correlation).max() < 4 / np.sqrt(n)
    few = sample(model, InitialSection(n=7, **point), seed=6)
    np.testing.assert_array_equal(few.positions, drawn.positions[:7])
    np.testing.assert_array_equal(few.momenta, drawn.momenta[:7])


def test_a_packet_has_the_energy_of_the_quantum_state():
    # The ground state of an oscillator has width 1 in dimensionless coordinates.
    model = pyrazine(4)
    section = InitialSection(position_au=(0.0,) * 4, momentum_au=(0.0,) * 4, width_au=(1.0,) * 4, n=4000)
    drawn = sample(model, section, seed=2)
    wigner = sample(model, InitialSection(sample="wigner", n=4000), seed=3)
    for one, other in ((drawn.positions, wigner.positions), (drawn.momenta, wigner.momenta)):
        np.testing.assert_allclose(one.std(0), other.std(0), rtol=0.05)


def test_a_file_gives_what_was_sampled_and_a_run_may_choose_number_and_state(ammonia_like, tmp_path):
    path = tmp_path / "initial.h5"
    whole = sample(ammonia_like, InitialSection(sample="wigner", n=7, temperature_kelvin=300), seed=4)
    write_initial_conditions(path, whole)
    again = sample(ammonia_like, InitialSection(file=str(path)), seed=99)
    assert np.array_equal(again.positions, whole.positions)
    assert np.array_equal(again.momenta, whole.momenta)
    assert (again.state, again.temperature_kelvin, again.origin) == (0, 300.0, whole.origin)
    assert len(sample(ammonia_like, InitialSection(file=str(path), n=5), seed=1).weight) == 5
    with pytest.raises(InputError, match="`n` must be at most 7"):
        sample(ammonia_like, InitialSection(file=str(path), n=8), seed=1)
    with pytest.raises(InputError, match="must be for the atoms and masses of model tully-1"):
        sample(tully(1), InitialSection(file=str(path)), seed=1)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({}, "must have one of `sample`, `position_au`, `structure`, `file` or `run`, but has none"),
        ({"sample": "wigner", "file": "a.h5"}, "has `file` and `sample`"),
        ({"sample": "wigner"}, "`n` must be the number of trajectories"),
        ({"sample": "wigner", "n": 0}, "`n` must"),
        ({"sample": "boltzmann", "n": 3}, "sample"),
        ({"sample": "thermal", "n": 3}, "must be above 0 for a thermal sample"),
        ({"sample": "wigner", "n": 3, "momentum_au": 1.0}, "must not stand beside `sample`"),
        ({"position_au": 1.0, "n": 3}, "`momentum_au` must be given"),
        ({"sample": "wigner", "n": 3, "width_au": 1.0}, "must not stand beside `sample`"),
        ({"position_au": 1.0, "momentum_au": 1.0, "n": 3, "geometry": "a.xyz"}, "must not stand beside"),
        ({"sample": "wigner", "n": 3, "state": 0, "diabatic_state": 0}, "but has both"),
        ({"sample": "wigner", "n": 3, "temperature": 4.0}, "Did you mean `temperature_kelvin`"),
        ({"sample": "wigner", "n": 3, "temperature_kelvin": -4.0}, "temperature_kelvin"),
    ],
)
def test_a_section_that_makes_no_sense_is_refused_in_one_sentence(content, sentence):
    with pytest.raises(InputError, match=sentence):
        parse_configuration(content, InitialSection, where="run.yaml")


@pytest.mark.parametrize(
    ("model", "content", "sentence"),
    [
        (tully(1), {"sample": "wigner", "n": 3}, "neither. Give `position_au`"),
        (tully(1), {"position_au": (1.0, 2.0), "momentum_au": 1.0, "n": 3}, "must be 1 finite numbers"),
        (tully(1), {**POINT, "width_au": 0.0}, "`width_au` must be above 0"),
        (tully(1), {**POINT, "width_au": (1.0, 1.0)}, "`width_au` must be 1 finite numbers"),
        (tully(1), {"position_au": 1.0, "momentum_au": 1.0, "n": 3, "state": 2}, "from 0 to 1 .* but is 2"),
        (pyrazine(4), {"sample": "wigner", "n": 3, "diabatic_state": 2}, "from 0 to 1 .* but is 2"),
        (pyrazine(4), {"sample": "wigner", "n": 3, "geometry": "a.xyz"}, "samples its own oscillators"),
    ],
)
def test_a_section_that_does_not_fit_the_model_is_refused(model, content, sentence):
    with pytest.raises(InputError, match=sentence):
        sample(model, InitialSection(**content), seed=1)


def test_a_molecule_is_refused_for_scattering_and_for_a_state_it_has_not(ammonia_like, tmp_path):
    with pytest.raises(InputError, match=r"is a molecule\. Use `sample: wigner`"):
        sample(ammonia_like, InitialSection(position_au=1.0, momentum_au=1.0, n=3), seed=1)
    with pytest.raises(InputError, match="`minimise_state` must be from 0 to 0"):
        sample(ammonia_like, InitialSection(sample="wigner", n=3, minimise_state=1), seed=1)
    path = tmp_path / "water.xyz"
    path.write_text("3\n\nO 0 0 0\nH 0 0 1\nH 0 1 0\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"must have the atoms of model springs in their order"):
        sample(ammonia_like, InitialSection(sample="wigner", n=3, geometry=str(path)), seed=1)


@dataclass(frozen=True)
class DoubleWell:
    """One atom in a double well along x, harmonic along y and z; its stored geometry is the top between."""

    name: ClassVar[str] = "double well"
    coordinates: ClassVar[str] = "cartesian"
    laws: ClassVar[frozenset[str]] = frozenset()
    n_states: ClassVar[int] = 1
    n_basis: ClassVar[int] = 1
    atomic_numbers: ClassVar[tuple[int, ...]] = (1,)
    fixed_diabatic_basis: ClassVar[bool] = True
    block_width: ClassVar[int] = 32
    shortest_distances: ClassVar[None] = None
    masses: ClassVar[torch.Tensor] = torch.tensor([1837.0], dtype=torch.float64)
    starting_geometry: ClassVar[torch.Tensor] = torch.zeros(1, 3, dtype=torch.float64)

    def evaluate(self, positions):
        x, y, z = positions[:, 0].unbind(-1)
        energy = 0.01 * (x * x - 1.0) ** 2 + 0.02 * y * y + 0.03 * z * z
        return Evaluation(energy[:, None, None], torch.zeros_like(x))


def test_a_search_that_ends_on_a_saddle_goes_on_to_a_minimum():
    found = oscillators(DoubleWell(), InitialSection(sample="wigner", n=2)).modes
    np.testing.assert_allclose(np.abs(found.centre), [[1.0, 0.0, 0.0]], rtol=0, atol=1e-4)
    # Along x the second derivative at the bottom is 8 times 0.01.
    curvatures = np.sort([0.08, 0.04, 0.06])
    np.testing.assert_allclose(found.frequencies, np.sqrt(curvatures / 1837.0), rtol=1e-4)
