"""Kinetic schemes: exact populations, fits of swarms that follow one, refusals, what is not determined."""

import json
import re

import numpy as np
import pytest
from synthetic_run import write_run
from typer.testing import CliRunner

from nadyn.analysis.run_schemes import run_schemes, simplest, species_of_run
from nadyn.analysis.scheme_draws import drawn_members
from nadyn.analysis.scheme_fits import fit_scheme, resampled
from nadyn.analysis.schemes import named_scheme, read_scheme, scheme_populations
from nadyn.analysis.species import Moves, fractions, transition_rates
from nadyn.checks.errors import InputError
from nadyn.cli.main import build_app
from nadyn.trajectory import open_run

TIME = np.arange(0.0, 301.0, 6.0)
THREE = ("2", "1", "0")


def scheme_of(text, species=THREE, start=0):
    return read_scheme(text, species, start=start, products=[len(species) - 1])


def data_of(text, rates, *, n=300, seed=1, species=THREE):
    scheme = scheme_of(text, species)
    rng = np.random.default_rng(seed)
    member = drawn_members(scheme, np.array(rates), TIME, start=np.zeros(n, int), rng=rng)
    return resampled(Moves(TIME, member, np.ones(n), species), np.ones(n), seed=seed)


def test_populations_of_a_chain_are_batemans_and_a_delay_shifts_them():
    """P1 = k1 / (k2 - k1) (e^-k1 t - e^-k2 t): H. Bateman, Proc. Camb. Phil. Soc. 15, 423 (1910)."""
    k1, k2, delay = 1 / 20, 1 / 70, 7.5
    found, _ = scheme_populations(
        scheme_of("2>1, 1>0"), np.array([k1, k2]), TIME, np.array([1.0, 0, 0]), delay
    )
    late = np.maximum(TIME - delay, 0)
    middle = k1 / (k2 - k1) * (np.exp(-k1 * late) - np.exp(-k2 * late))
    assert np.allclose(found[:, 0], np.exp(-k1 * late), atol=1e-12)
    assert np.allclose(found[:, 1], middle, atol=1e-12)
    assert np.allclose(found.sum(axis=1), 1.0, atol=1e-12)


def test_derivatives_agree_with_differences():
    scheme, start = scheme_of("2<>1, 1>0, 2>0"), np.array([0.7, 0.3, 0.0])
    rates, delay, step = np.array([0.05, 0.02, 0.03, 0.01]), 9.5, 1e-5
    _, slopes = scheme_populations(scheme, rates, TIME, start, delay)
    for number in range(5):
        shift = np.exp(step * (np.arange(4) == number)), step * (number == 4)
        up = scheme_populations(scheme, rates * shift[0], TIME, start, delay + shift[1])[0]
        down = scheme_populations(scheme, rates / shift[0], TIME, start, delay - shift[1])[0]
        assert np.allclose(slopes[number], (up - down) / (2 * step), atol=2e-9)


def test_names_stand_for_steps():
    four = ("2", "1", "0 (A)", "0 (B)")
    words = {
        name: named_scheme(name, four, start=0, products=(2, 3)).words
        for name in ("sequential", "parallel", "reversible")
    }
    assert words == {
        "sequential": "2→1, 1→0 (A), 1→0 (B)",
        "parallel": "2→1, 2→0 (A), 2→0 (B)",
        "reversible": "2→1, 1→0 (A), 1→0 (B), 1→2",
    }
    assert named_scheme("reversible", ("1", "0"), start=0, products=(1,)).words == "1→0, 0→1"
    assert named_scheme("sequential", THREE, start=1, products=(2,)).words == "1→0"
    assert scheme_of("2<>1; 1 → 0").words == "2→1, 1→2, 1→0"


@pytest.mark.parametrize("text", ["quadratic", "2>2", "2>1, 2>1", "2>7", "2>1, <0", "2>1,"])
def test_what_is_no_scheme_is_refused_in_a_sentence(text):
    with pytest.raises(InputError, match=r"^`--scheme` must .*\.$"):
        scheme_of(text)


def test_drawn_trajectories_have_the_populations_of_their_scheme():
    scheme, rates = scheme_of("2<>1, 1>0"), np.array([1 / 15, 1 / 45, 1 / 60])
    n = 20_000
    start = np.where(np.arange(n) < n // 4, 1, 0)
    member = drawn_members(scheme, rates, TIME, start=start, rng=np.random.default_rng(2))
    found = (member[..., None] == np.arange(3)).mean(axis=1)
    exact = scheme_populations(scheme, rates, TIME, np.array([0.75, 0.25, 0.0]))[0]
    # 3.9 standard errors of 150 numbers.
    assert np.abs(found - exact).max() < 3.9 * 0.5 / np.sqrt(n)


@pytest.mark.parametrize(
    ("truth", "constants", "wrong"),
    [
        ("2>1, 1>0", [20, 60], "parallel"),
        ("2>1, 2>0", [20, 60], "sequential"),
        ("2<>1, 1>0", [15, 45, 45], "sequential"),
    ],
)
def test_a_right_scheme_gives_its_constants_and_a_wrong_one_is_refused(truth, constants, wrong):
    data = data_of(truth, 1 / np.array(constants, float), n=600)
    right = fit_scheme(scheme_of(truth), data)
    assert right.reason == "" and right.delay_fs == 0 and right.notes == ()
    for step, constant in zip(right.steps, constants, strict=True):
        error = np.log(step.high / step.low) / (2 * 1.96)
        assert abs(np.log(step.value / constant)) < 3 * error
        # That of counting: at most about 600 events.
        assert 0.9 / np.sqrt(600) < error < 0.35
    refused = fit_scheme(named_scheme(wrong, THREE, start=0, products=(2,)), data)
    assert re.fullmatch(
        r"it does not fit: it misses the population of \d by 0\.\d+ at [\d.]+ fs, and chance alone "
        r"makes a misfit like that of all populations in .*",
        refused.reason,
    )
    assert refused.misfit > 2 * right.misfit
    assert np.abs(refused.populations - refused.curves).max() == pytest.approx(refused.misfit)


def test_the_error_of_one_rate_is_that_of_the_best_estimate_within_a_third(unchecked_annotations):
    """A count of n decays knows ln k within 1 / sqrt(n); least squares on populations know it a bit worse."""
    fit = fit_scheme(scheme_of("1>0", ("1", "0")), data_of("1>0", [1 / 40], n=900, species=("1", "0")))
    error = np.log(fit.steps[0].high / fit.steps[0].low) / (2 * 1.96)
    assert 0.95 / 30 < error < 1.34 / 30
    assert fit.steps[0].low < fit.steps[0].value < fit.steps[0].high


def test_a_delay_is_fitted_where_populations_ask_for_one():
    rng = np.random.default_rng(4)
    moment = 25 + rng.exponential(30.0, 500)
    member = (TIME[:, None] >= moment).astype(int)
    data = resampled(Moves(TIME, member, np.ones(500), ("1", "0")), np.ones(500), seed=1)
    fit = fit_scheme(scheme_of("1>0", ("1", "0")), data)
    assert fit.reason == ""
    assert fit.delay_fs == pytest.approx(25, abs=3)
    assert fit.steps[0].low < 30 < fit.steps[0].high


def test_a_step_that_does_not_happen_is_not_determined_and_two_that_do_the_same_are_not_told_apart():
    data = data_of("2>1, 1>0", [1 / 20, 1 / 60])
    fit = fit_scheme(scheme_of("2<>1, 1>0"), data)
    back = fit.steps[1]
    assert not fit.reason and not back.is_determined and back.high is None and back.low > 60
    assert any(note.startswith("1→2 is not determined: it takes") for note in fit.notes)
    # Nothing is ever in the species 3.
    four = ("3", "2", "1", "0")
    moved = Moves(TIME, data.moves.member + 1, data.moves.part, four)
    fit = fit_scheme(scheme_of("2>1, 1>0, 3>0", four, start=1), resampled(moved, data.weight, seed=1))
    assert fit.steps[2].high is None
    assert any(note.startswith("3→0 cannot be told") for note in fit.notes)


def test_stops_that_follow_a_decay_do_not_shift_the_populations():
    """Those in the lowest state are stopped soon; the rest is as if nothing had been stopped, in 3 errors."""
    rng = np.random.default_rng(6)
    n = 3000
    scheme, rates = scheme_of("2>1, 1>0"), np.array([1 / 20, 1 / 60])
    member = drawn_members(scheme, rates, TIME, start=np.zeros(n, int), rng=rng)
    arrival = np.where((member == 2).any(axis=0), (member == 2).argmax(axis=0), len(TIME))
    last = np.minimum(arrival + rng.integers(1, 5, n), rng.integers(5, 80, n))
    member[np.arange(len(TIME))[:, None] > last] = -1
    moves = Moves(TIME, member, np.ones(n), THREE)
    found = fractions(moves, np.ones((1, n)))[0]
    exact = scheme_populations(scheme, rates, TIME, np.array([1.0, 0, 0]))[0]
    early = TIME < 150
    assert np.abs(found - exact)[early].max() < 0.05
    naive = np.stack([((member == k) & (member >= 0)).sum(axis=1) for k in range(3)], axis=1)
    naive = naive / naive.sum(axis=1, keepdims=True)
    assert np.abs(naive - exact)[early].max() > 0.1
    # Of all trajectories known, both ways are the same.
    whole = drawn_members(scheme, rates, TIME, start=np.zeros(7, int), rng=rng)
    weight = rng.uniform(0.5, 2, (2, 7))
    plain = fractions(Moves(TIME, whole, np.ones(7), THREE), weight)
    nearly = fractions(Moves(TIME, whole, np.full(7, 1 - 1e-13), THREE), weight)
    assert np.allclose(plain, nearly, atol=1e-9)
    assert np.allclose(plain.sum(axis=-1), 1)


def test_one_that_was_stopped_between_frames_counts_for_the_part_that_it_was_there():
    """One of four leaves and is stopped, one is stopped half way without: 1 of 3 1/2 left."""
    member = np.array([[0, 0, 0, 0], [1, 0, 0, 0], [-1, -1, 0, 0]])
    moves = Moves(np.array([0.0, 1.0, 2.0]), member, np.array([0.5, 0.5, 1.0, 1.0]), ("1", "0"))
    found = fractions(moves, np.ones((1, 4)))[0]
    assert found[:, 1] == pytest.approx([0, 1 / 3.5, 1 / 3.5])
    assert found.sum(axis=1) == pytest.approx([1, 1, 1])


def test_rates_counted_from_trajectories_are_where_a_fit_begins():
    data = data_of("2>1, 1>0", [1 / 20, 1 / 60], n=4000)
    found = transition_rates(data.moves, data.weight)
    # Seen every 6 fs, a step is seen late, and 2→0 where two were made in between.
    assert found[1, 0] + found[2, 0] == pytest.approx((1 - np.exp(-6 / 20)) / 6, rel=0.05)
    assert found[2, 1] == pytest.approx((1 - np.exp(-6 / 60)) / 6, rel=0.05)
    assert found[0, 1] == found[1, 2] == 0


@pytest.fixture
def run(tmp_path):
    rng = np.random.default_rng(8)
    time = np.arange(0.0, 200.0, 2.0)
    scheme = scheme_of("2>1, 1>0")
    state = 2 - drawn_members(scheme, np.array([1 / 15, 1 / 50]), time, start=np.zeros(250, int), rng=rng)
    # A state that is hardly ever populated.
    state[3:5, :2] = 3
    return write_run(tmp_path / "run.h5", state, n_states=4, dt_fs=2.0)


def test_the_schemes_of_a_run_and_the_simplest_that_fits(run):
    species = species_of_run(open_run(run))
    assert species.moves.names == THREE and species.start == 0 and species.products == (2,)
    assert species.notes == ("State 3, hardly populated, counted with the next lower one.",)
    fits, _ = run_schemes(open_run(run))
    assert [fit.scheme.name for fit in fits] == ["sequential", "parallel", "reversible"]
    assert fits[1].reason
    assert simplest(fits) is fits[0]


def test_a_run_that_ends_before_anybody_is_on_the_lowest_state_has_species_too(tmp_path):
    rng = np.random.default_rng(5)
    time = np.arange(0.0, 60.0, 2.0)
    state = 1 + (time[:, None] < rng.exponential(20.0, 100)).astype(int)
    path = write_run(tmp_path / "run.h5", state, n_states=3, dt_fs=2.0)
    species = species_of_run(open_run(path))
    assert species.moves.names == ("2", "1") and species.products == (1,)


def test_where_most_trajectories_were_stopped_before_they_decayed_no_scheme_is_fitted(tmp_path):
    """From some frame on nobody is known, and populations that stay as they are are no measurement."""
    rng = np.random.default_rng(6)
    time, n = np.arange(0.0, 100.0, 0.5), 200
    state = 1 + (time[:, None] < rng.exponential(8.0, n)).astype(int)
    for still_on_2, fits in ((0.4, True), (0.6, False)):
        last_step = np.where(rng.random(n) < still_on_2, 1, len(time) - 1)
        stopped = np.where(last_step == 1, 4, 0)
        path = tmp_path / f"{still_on_2}.h5"
        write_run(path, state, n_states=3, dt_fs=0.5, status=stopped, last_step=last_step)
        assert bool(run_schemes(open_run(path))[0]) == fits
    with pytest.raises(InputError, match="at least half was followed to a product"):
        run_schemes(open_run(path), ["sequential"])


def test_the_command_line_prints_schemes_and_writes_them(run, tmp_path):
    app = build_app(("analyse",))
    found = CliRunner().invoke(
        app, ["analyse", str(run), "--scheme", "all", "--scheme", "2>1", "--json", str(tmp_path / "run.json")]
    )
    assert found.exit_code == 0, found.output
    assert "Kinetic schemes" in found.output and "refused: it does not fit" in found.output
    schemes = json.loads((tmp_path / "run.json").read_text())["schemes"]
    assert [one["scheme"] for one in schemes] == ["sequential", "parallel", "reversible"]
    assert schemes[0]["refused"] is None and schemes[1]["refused"]
    assert schemes[0]["steps"][0]["low"] < 15 < schemes[0]["steps"][0]["high"]
    bad = CliRunner().invoke(app, ["analyse", str(run), "--scheme", "9>1"])
    assert isinstance(bad.exception, InputError) and "9" in str(bad.exception)


def test_products_part_the_ground_state(tmp_path):
    """NHO falls apart to H + NO or not: the ground state is two species, and sequential has two exits."""
    rng = np.random.default_rng(3)
    time, n = np.arange(0.0, 121.0, 2.0), 200
    moment = rng.exponential(30.0, n)
    state = (time[:, None] < moment).astype(int)
    positions = np.zeros((len(time), n, 3, 3))
    positions[:, :, 1, 0], positions[:, :, 2, 0], positions[:, :, 2, 1] = 2.2, -0.6, 1.8
    apart = np.arange(n) % 4 == 0
    positions[-1, apart, 2, 1] = 25.0
    path = write_run(
        tmp_path / "run.h5",
        state,
        n_states=2,
        dt_fs=2.0,
        positions=positions,
        atomic_numbers=np.array([7, 8, 1]),
        masses=np.array([25526.0, 29156.0, 1837.0]),
    )
    species = species_of_run(open_run(path))
    assert species.moves.names == ("1", "0 (NHO)", "0 (NO + H)")
    fits, _ = run_schemes(open_run(path), ["sequential"])
    whole, broken = fits[0].steps
    assert [one.name for one in fits[0].steps] == ["1→0 (NHO)", "1→0 (NO + H)"]
    # Three of four stay whole: 30 fs is shared out as 40 and 120 fs.
    for one, constant in ((whole, 40), (broken, 120)):
        assert abs(np.log(one.value / constant)) < 3 * np.log(one.high / one.low) / (2 * 1.96)
