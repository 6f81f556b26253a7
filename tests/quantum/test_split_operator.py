"""The split operator against wave packets with a formula."""

import math

import numpy as np
import pytest
import torch
from oscillators import FlatSurfaces, oscillators

from nadyn.checks.errors import InputError, InputWarning
from nadyn.models.analytic import springs, tully
from nadyn.quantum import Absorber, Grid, Packet, split_operator

NO_FORCE = torch.diag(torch.tensor([0.0, 0.01], dtype=torch.float64))
SQUARE = Grid((-7.0, -6.0), (7.0, 6.0), (32, 30))


def test_a_displaced_ground_state_swings_like_the_classical_oscillator():
    model = oscillators((0.01, 0.02))
    packet = Packet((2.0, -1.0), (0.5, 0.0), (1.0, 1.0), 0)
    run = split_operator(model, SQUARE, packet, dt=1.0, time=600.0, write_every=60)
    t = run.times
    first = 2.0 * np.cos(0.01 * t) + 0.5 * np.sin(0.01 * t)
    np.testing.assert_allclose(run.positions[:, 0], first, atol=2e-4)
    np.testing.assert_allclose(run.positions[:, 1], -np.cos(0.02 * t), atol=2e-4)
    # Of the zero-point energy and the classical one each oscillator has its own.
    expected = 0.01 * (0.5 + (2.0**2 + 0.5**2) / 2) + 0.02 * (0.5 + 0.5)
    np.testing.assert_allclose(run.energy, expected, rtol=2e-4)
    np.testing.assert_allclose(run.norm, 1.0, atol=1e-12)


def test_a_ground_state_only_turns_its_phase():
    run = split_operator(
        oscillators((0.01, 0.02)),
        SQUARE,
        Packet((0.0, 0.0), (0.0, 0.0), (1.0, 1.0), 0),
        dt=0.5,
        time=100.0,
        write_every=200,
    )
    start = Packet((0.0, 0.0), (0.0, 0.0), (1.0, 1.0), 0).on(SQUARE).numpy()
    overlap = (start * run.wave[0]).sum() * SQUARE.cell
    assert abs(overlap - np.exp(-1j * 100.0 * 0.015)) < 1e-5


def test_equal_surfaces_with_a_constant_coupling_exchange_all_density_at_the_rate_of_the_coupling():
    model = oscillators((0.01,), energies=(0.0, 0.0, 0.3), constant={(0, 1): 0.004})
    packet = Packet((1.0,), (0.0,), (1.0,), 1, "diabatic")
    run = split_operator(model, Grid((-7.0,), (7.0,), (40,)), packet, dt=5.0, time=500.0)
    np.testing.assert_allclose(run.diabatic_populations[:, 0], np.sin(0.004 * run.times) ** 2, atol=1e-10)
    np.testing.assert_allclose(run.diabatic_populations[:, 2], 0.0, atol=1e-20)
    # The lower and the upper adiabatic state have half each at all times.
    np.testing.assert_allclose(run.adiabatic_populations[:, :2], 0.5, atol=1e-10)


def test_a_free_packet_spreads_by_the_formula():
    grid = Grid((-20.0,), (20.0,), (160,))
    packet = Packet((-3.0,), (4.0,), (1.0,), 0)
    run = split_operator(FlatSurfaces(NO_FORCE), grid, packet, dt=300.0, time=3000.0, write_every=10)
    x, density = grid.axes()[0].numpy(), (np.abs(run.wave[0]) ** 2) * grid.cell
    mean = (x * density).sum()
    assert mean == pytest.approx(-3.0 + 4.0 * 1.5, abs=1e-9)
    assert ((x - mean) ** 2 * density).sum() == pytest.approx(0.5 * (1 + 1.5**2), rel=1e-9)


def test_the_error_falls_with_the_square_of_the_time_step():
    model = oscillators((0.01,), energies=(0.0, 0.02), linear={(0, 1, 0): 0.006, (1, 1, 0): 0.01})
    packet = Packet((1.0,), (0.0,), (1.0,), 1, "diabatic")
    grid = Grid((-8.0,), (8.0,), (48,))
    waves = [
        split_operator(model, grid, packet, dt=dt, time=240.0, write_every=round(240 / dt)).wave
        for dt in (1.0, 12.0, 24.0)
    ]
    errors = [np.linalg.norm(wave - waves[0]) for wave in waves[1:]]
    assert errors[1] / errors[0] == pytest.approx(4.0, rel=0.05)


def test_an_adiabatic_start_is_on_its_state_and_has_no_jump_of_sign():
    model = tully(1)
    packet = Packet((-1.0,), (15.0,), (0.8,), 1)
    run = split_operator(model, Grid((-12.0,), (12.0,), (512,)), packet, dt=1.0, time=1.0)
    assert run.adiabatic_populations[0] == pytest.approx([0.0, 1.0], abs=1e-12)
    # A jump of sign would hold large momenta, and so energy.
    assert run.energy[0] < 15.0**2 / 4000 + 0.02
    assert run.edge_density < 1e-8


def test_what_an_absorber_takes_is_counted_by_side_and_state():
    grid = Grid((-20.0,), (20.0,), (160,))
    packet = Packet((-2.0,), (-4.0,), (2.0,), 1)
    absorber = Absorber(width=8.0, strength=0.004)
    run = split_operator(FlatSurfaces(NO_FORCE), grid, packet, dt=50.0, time=12000.0, absorber=absorber)
    taken = run.absorbed[-1]
    assert taken[0, 1] > 0.999
    np.testing.assert_allclose(run.norm + run.absorbed.sum((1, 2)), 1.0, atol=1e-10)
    assert taken[1].sum() + taken[0, 0] < 1e-4


def test_three_coordinates_are_the_product_of_one():
    model = oscillators((0.01, 0.02, 0.015))
    packet = Packet((1.0, 0.0, -1.0), (0.0, 0.5, 0.0), (1.0, 1.0, 1.0), 0)
    grid = Grid((-6.0, -5.0, -5.5), (6.0, 5.0, 5.5), (20, 18, 24))
    run = split_operator(model, grid, packet, dt=4.0, time=120.0, write_every=10)
    single = split_operator(
        oscillators((0.015,)),
        Grid((-5.5,), (5.5,), (24,)),
        Packet((-1.0,), (0.0,), (1.0,), 0),
        dt=4.0,
        time=120.0,
        write_every=10,
    )
    np.testing.assert_allclose(run.positions[:, 2], single.positions[:, 0], atol=1e-9)


def test_density_at_the_edge_is_reported_and_warned_of():
    model = oscillators((0.01,))
    packet = Packet((2.0,), (0.0,), (1.0,), 0)
    with pytest.warns(InputWarning, match="at an edge of the grid"):
        run = split_operator(model, Grid((-1.5,), (5.5,), (32,)), packet, dt=5.0, time=300.0)
    assert run.edge_density > 0.01


def test_the_whole_time_is_covered():
    packet = Packet((0.0,), (0.0,), (1.0,), 0)
    run = split_operator(
        oscillators((0.01,)), Grid((-6.0,), (6.0,), (24,)), packet, dt=3.0, time=10.0, write_every=2
    )
    np.testing.assert_allclose(run.times, [0.0, 6.0, 12.0])
    np.testing.assert_allclose(run.times_fs, run.times * 0.024188843, rtol=1e-7)


GOOD = Packet((0.0,), (0.0,), (1.0,), 0)
LINE = Grid((-6.0,), (6.0,), (24,))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"grid": SQUARE}, "`grid` must have 1 coordinates for this model, but has 2"),
        ({"packet": Packet((4.0,), (0.0,), (1.0,), 0)}, "must lie inside the grid"),
        ({"packet": Packet((0.0,), (9.0,), (1.0,), 0)}, "above the largest, 6.28"),
        ({"packet": Packet((0.0, 0.0), (0.0, 0.0), (1.0, 1.0), 0)}, "must have 1 coordinates like the grid"),
        ({"packet": Packet((0.0,), (0.0,), (1.0,), 2)}, "must be from 0 to 0, but is 2"),
        ({"dt": 0.0}, "must be positive"),
        ({"grid": Grid((-6.0,), (6.0,), (2**27,))}, "must have at most 67108864 points"),
        ({"absorber": Absorber(width=7.0, strength=1.0)}, "less than half the grid"),
        ({"absorber": Absorber(width=1.0, strength=1.0, coordinate=1)}, "must be from 0 to 0, but is 1"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(change, sentence):
    arguments = {"grid": LINE, "packet": GOOD, "dt": 1.0, "absorber": None} | change
    with pytest.raises(InputError, match=sentence):
        split_operator(oscillators((0.01,)), time=10.0, **arguments)


def test_grids_and_packets_that_are_none_are_refused():
    with pytest.raises(InputError, match="one entry a coordinate, but have 1, 2 and 1"):
        Grid((0.0,), (1.0, 2.0), (8,))
    with pytest.raises(InputError, match="must be less than `upper`"):
        Grid((1.0,), (1.0,), (8,))
    with pytest.raises(InputError, match="at least 4"):
        Grid((0.0,), (1.0,), (3,))
    with pytest.raises(InputError, match="one entry a coordinate, but have 1, 2 and 1"):
        Packet((0.0,), (1.0, 2.0), (1.0,), 0)
    with pytest.raises(InputError, match="must be positive"):
        Packet((0.0,), (1.0,), (0.0,), 0)


def test_a_molecule_is_refused():
    one = torch.ones(1, 1, dtype=torch.float64)
    four = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    molecule = springs(
        torch.eye(2, 3, dtype=torch.float64), (1, 1), constant=one, stiffness=four, lengths=four
    )
    with pytest.raises(InputError, match="springs is a molecule"):
        split_operator(molecule, LINE, GOOD, dt=1.0, time=1.0)


def test_a_grid_starts_at_its_lower_end_and_stops_one_step_before_its_upper():
    x = Grid((-1.0,), (1.0,), (8,)).axes()[0]
    assert float(x[0]) == -1.0
    assert float(x[-1]) == 0.75
    momenta = Grid((-1.0,), (1.0,), (8,)).wave_numbers()[0]
    assert float(momenta.abs().max()) == pytest.approx(math.pi / 0.25)
