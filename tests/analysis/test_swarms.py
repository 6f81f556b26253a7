"""The numbers of a swarm are those of one run of all its trajectories."""

import json
from dataclasses import replace

import jaxtyping
import numpy as np
import pytest
from synthetic_run import carbon_chain, write_run

from nadyn.analysis.coordinate_sums import coordinate_sums, followed_of
from nadyn.analysis.fates import known
from nadyn.analysis.geometry import Quantity, choose_quantities, read_quantity
from nadyn.analysis.intervals import agresti_coull
from nadyn.analysis.kinetics import Lifetime
from nadyn.analysis.occupations import occupations
from nadyn.analysis.populations import populations, populations_of
from nadyn.analysis.products import products, yields
from nadyn.analysis.summary import QUANTILES, analyse, plain, summarise
from nadyn.analysis.sums import sums_of
from nadyn.analysis.sums_of_fates import isomer_sums, isomers_of, product_sums, products_of
from nadyn.analysis.swarms import analyse_swarm
from nadyn.checks.errors import InputError
from nadyn.cli.main import main
from nadyn.dynamics.run.loop import run
from nadyn.interfaces.swarm.plan import make_folder, shard_config
from nadyn.trajectory import open_run
from nadyn.trajectory.swarm_folder import Swarm

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

CONTENT = {
    "model": {"name": "pyrazine", "variant": 4},
    "initial": {"sample": "wigner", "diabatic_state": 1},
    "method": "fssh",
    "dt_fs": 0.5,
    "time_fs": 24,
    "write_every": 6,
}


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("swarm")
    swarm = Swarm(folder / "run_swarm", 23, 9, CONTENT)
    make_folder(swarm)
    # Set up before any test switches them off.
    jaxtyping.config.update("jaxtyping_disable", True)
    for shard in range(swarm.n_shards):
        run(shard_config(swarm, shard), progress=False)
    run(
        {**CONTENT, "initial": {**CONTENT["initial"], "n": 23}, "output": str(folder / "run.h5")},
        progress=False,
    )
    jaxtyping.config.update("jaxtyping_disable", False)
    return swarm, folder / "run.h5"


def test_the_numbers_are_those_of_one_run(both, tmp_path, capsys):
    swarm, path = both
    found, expected = analyse_swarm(swarm.folder), analyse(path)
    assert expected["hops"] and expected["lifetimes_fs"]
    same_coordinates(found.pop("geometry"), expected.pop("geometry"))
    for key in set(found) - {"run", "n_shards", "n_shards_complete", "lifetimes_of"}:
        one, two = (json.dumps(each[key], sort_keys=True) for each in (found, expected))
        if one != two:
            np.testing.assert_allclose(
                np.array(found[key], float),
                np.array(expected[key], float),
                rtol=1e-10,
                atol=1e-12,
                err_msg=key,
            )
    assert (found["n_shards"], found["n_shards_complete"], found["lifetimes_of"]) == (3, 3, 23)
    with pytest.raises(SystemExit) as leaving:
        main(
            [
                "analyse",
                str(swarm.folder),
                "--json",
                str(tmp_path / "a.json"),
                "--csv",
                str(tmp_path / "a.csv"),
                "--figure",
                str(tmp_path / "a.svg"),
                "--coordinate",
                "coordinate 1",
            ]
        )
    printed = capsys.readouterr().out
    assert leaving.value.code == 0 and "trajectories" in printed
    assert "coordinate 1: mean" in printed and (tmp_path / "a.svg").stat().st_size > 10_000
    written = json.loads((tmp_path / "a.json").read_text())
    assert [one["atoms"] for one in written.pop("geometry")] == [[1]]
    assert written == found
    with pytest.raises(SystemExit) as leaving:
        main(["analyse", str(swarm.folder), "--exits", "1"])
    assert leaving.value.code == 2 and "must come alone" in capsys.readouterr().err


def same_coordinates(found, expected):
    """Means and spreads are the same; quantiles are within half a bin: of 0.05°, of 0.3 % of a length, of 1 %
    of a coordinate."""
    assert len(found) == len(expected) > 0
    for one, two in zip(found, expected, strict=True):
        assert [one[key] for key in ("kind", "atoms", "unit")] == [
            two[key] for key in ("kind", "atoms", "unit")
        ]
        for key in ("mean", "standard_deviation"):
            values = (np.array(each[key], float) for each in (one, two))
            # A spread of nothing is a rounding error of squares.
            np.testing.assert_allclose(*values, rtol=1e-9, atol=1e-5)
        for q, row in two["quantiles"].items():
            row, seen = np.array(row, float), np.array(one["quantiles"][q], float)
            assert np.array_equal(np.isnan(row), np.isnan(seen))
            width = {
                "degree": 0.05,
                "angstrom": 0.0032 * np.abs(row),
                "bohr": 0.0107 * np.abs(row) + 1e-4,
            }
            near = 0.505 * width[two["unit"]]
            assert np.nanmax(np.abs(seen - row) - near) < 0


def part(whole, rows):
    """Return some trajectories of a run."""
    behind = (
        *("active_state", "coefficients", "diabatic_populations", "populations_adiabatic"),
        *("positions", "momenta"),
    )
    first = ("weight", "status", "last_step")
    changed = {
        name: np.asarray(array)[:, rows] for name in behind if (array := getattr(whole, name)) is not None
    }
    inside = np.isin(whole.hops["traj"], np.arange(whole.n_trajectories)[rows])
    hops = {name: column[inside] for name, column in whole.hops.items()}
    hops["traj"] = hops["traj"] - (rows.start or 0)
    return replace(whole, **changed, hops=hops, **{name: getattr(whole, name)[rows] for name in first})


@pytest.fixture
def butadiene(tmp_path):
    """A chain C-C=C-C, of unlike weights: some turn about the middle, some lose an end, some stop."""
    random = np.random.default_rng(4)
    n, frames = 40, 9
    half = np.pi / 180 * np.linspace(10, 170, frames)[:, None] * (random.random(n) < 0.5)
    turn = half + random.uniform(0, 0.3, (frames, n))
    away = np.where(random.random(n) < 0.3, 14.0, 0.0) * (np.arange(frames) > 4)[:, None]
    state = np.where(np.arange(frames)[:, None] >= random.integers(1, frames + 4, n), 0, 1)
    stops = random.random(n) < 0.25
    return open_run(
        write_run(
            tmp_path / "run.h5",
            state,
            n_states=2,
            positions=carbon_chain(turn, away),
            atomic_numbers=np.array([6, 6, 6, 6]),
            masses=np.full(4, 12 * 1822.888),
            weight=random.random(n) + 0.2,
            status=np.where(stops, 4, 0),
            last_step=np.where(stops, random.integers(1, frames - 1, n), frames - 1),
        )
    )


def test_products_isomers_and_coordinates_of_parts_are_those_of_all_at_once(butadiene):
    parts = [part(butadiene, rows) for rows in (slice(0, 3), slice(3, 5), slice(5, 40))]
    # A part of which nothing is known must add up too.
    parts[1] = replace(parts[1], status=np.full(2, 4), last_step=np.full(2, 2))
    changed = replace(
        butadiene,
        status=np.concatenate([one.status for one in parts]),
        last_step=np.concatenate([one.last_step for one in parts]),
    )
    whole = summarise(changed)
    assert len(whole["products"]) == 4 and 0.1 < whole["isomerisation"]["isomerised"] < 0.9
    for by_state, expected in ((True, products(changed)), (False, yields(changed))):
        one, two, three = (product_sums(each, by_state=by_state) for each in parts)
        found = products_of(one + two + three, "C4")
        assert [(each.fragments, each.state, each.n) for each in found] == [
            (each.fragments, each.state, each.n) for each in expected
        ]
        for name in ("fraction", "low", "high"):
            assert [getattr(each, name) for each in found] == pytest.approx(
                [getattr(each, name) for each in expected], rel=1e-9
            )
    (dihedral,) = choose_quantities(changed)
    one, two, three = (isomer_sums(each, dihedral) for each in parts)
    assert isomers_of(one + two + three) == pytest.approx(whole["isomerisation"], rel=1e-9)
    chosen = [dihedral, *(read_quantity(text, 4) for text in ("distance 0 3", "angle 0 1 2"))]
    chosen += [Quantity("separation", ())]
    expected = summarise(changed, quantities=chosen)["geometry"]
    sums = [[coordinate_sums(each, quantity) for quantity in chosen] for each in parts]
    found = [followed_of(a + b + c, QUANTILES) for a, b, c in zip(*sums, strict=True)]
    same_coordinates(plain(found), expected)


def test_molecules_that_all_stay_whole_have_no_products(butadiene):
    still = replace(butadiene, positions=np.repeat(np.asarray(butadiene.positions)[:1], 9, axis=0))
    assert products(still) == products_of(product_sums(still, by_state=True), "C4") == []


@pytest.mark.parametrize("estimated", [False, True])
@pytest.mark.parametrize("most_stop", [False, True])
def test_sums_know_weights_stops_and_windows(both, estimated, most_stop):
    """Against plain averages and the populations of all at once, on a run that was made difficult."""
    whole, random = open_run(both[1]), np.random.default_rng(1)
    stops = random.random(23) < (0.7 if most_stop else 0.2)
    failed = next(code for code, name in whole.status_names.items() if name == "energy_step")
    changes = {
        "weight": random.random(23) + 0.1,
        "status": np.where(stops, failed, whole.status),
        "last_step": np.where(stops, random.integers(1, 48, 23), whole.last_step),
        "attributes": {**whole.attributes, "multiplicities": "[3, 1]"},
    }
    if estimated:
        estimates = random.normal(0.5, 0.4, (*whole.active_state.shape, whole.n_states))
        # In no window of its method.
        estimates[random.random(whole.active_state.shape) < 0.2] = np.nan
        changes["populations_adiabatic"] = estimates
    whole = replace(whole, **changes)
    parts = [part(whole, rows) for rows in (slice(0, 4), slice(4, 17), slice(17, 23))]
    sums = sums_of(parts[0]) + sums_of(parts[1]) + sums_of(parts[2])
    found, expected = populations_of(sums), populations(whole)
    for name in vars(expected):
        np.testing.assert_allclose(
            getattr(found, name), getattr(expected, name), rtol=1e-9, atol=1e-11, err_msg=name
        )
    has_value = np.isfinite(occupations(whole)).all(axis=-1)
    for frame in range(whole.committed_frames):
        rows = np.flatnonzero(known(whole)[frame] & has_value[frame])
        weight, value = whole.weight[rows], occupations(whole)[frame, rows]
        lost = whole.weight[~known(whole)[frame]].sum()
        if lost > weight.sum():
            assert np.isnan(found.mean[frame]).all()
            continue
        mean = np.average(value, axis=0, weights=weight)
        np.testing.assert_allclose(found.mean[frame], mean, rtol=1e-10, atol=1e-12)
        spins = np.asarray(whole.diabatic_populations)[frame][known(whole)[frame]]
        votes = whole.weight[known(whole)[frame]]
        np.testing.assert_allclose(
            sums.multiplicities.mean[frame], np.average(spins, axis=0, weights=votes)[::-1]
        )
        if estimated:
            n = weight.sum() ** 2 / (weight**2).sum()
            error = np.sqrt(np.average((value - mean) ** 2, axis=0, weights=weight) / (n - 1))
            own_low, own_high = agresti_coull(mean, error, n)
            unknown = lost / (lost + weight.sum())
            least = np.minimum(0.0, np.nanmin(occupations(whole)[known(whole) & has_value], axis=0))
            most = np.maximum(1.0, np.nanmax(occupations(whole)[known(whole) & has_value], axis=0))
            assert (least < 0.0).all() and (most > 1.0).all()
            low, high = (1 - unknown) * mean + unknown * least, (1 - unknown) * mean + unknown * most
            np.testing.assert_allclose(found.low[frame], low - (mean - own_low), atol=1e-6)
            np.testing.assert_allclose(found.high[frame], high + (own_high - mean), atol=1e-6)
        else:
            n = weight.sum() ** 2 / (weight**2).sum()
            middle, z2 = (mean + 1.959964**2 / (2 * n)) / (1 + 1.959964**2 / n), 1.959964**2
            reach = np.sqrt(z2 * mean * (1 - mean) / n + (z2 / (2 * n)) ** 2) / (1 + z2 / n)
            beyond = np.abs(found.held[frame] - middle) > reach
            near = np.abs(np.abs(found.held[frame] - middle) - reach) < 1e-6
            assert (near | (found.differ[frame] == beyond)).all()


def test_equal_values_have_no_spread_however_parts_are_joined(both):
    """Squares about zero would leave rounding of either sign."""
    run = open_run(both[1])
    same = np.full((*run.active_state.shape, run.n_states), 0.1 + 0.2)
    run = replace(run, populations_adiabatic=same, status=np.zeros_like(run.status))
    parts = [sums_of(part(run, rows)) for rows in (slice(0, 3), slice(3, 10), slice(10, 23))]
    joined = (parts[0] + parts[1] + parts[2]).occupation
    assert (joined.variance < 1e-31).all() and np.allclose(joined.mean, 0.3, rtol=1e-15)


def test_a_swarm_under_way_gives_what_is_complete(both, tmp_path):
    swarm, _ = both
    half = Swarm(tmp_path / "half", 23, 9, CONTENT)
    make_folder(half)
    with pytest.raises(InputError, match="must have a complete shard"):
        analyse_swarm(half.folder)
    half.path(1).write_bytes(swarm.path(1).read_bytes())
    numbers = analyse_swarm(half.folder)
    assert (numbers["n_shards_complete"], numbers["n_trajectories"]) == (1, 9)


def test_a_lifetime_without_an_upper_end_is_printed(both, monkeypatch, capsys):
    life = Lifetime(value=11.0, low=9.0, high=None, delay=0.5, reason="")
    monkeypatch.setattr("nadyn.analysis.swarms.lifetimes", lambda *arguments, **options: {1: life})
    with pytest.raises(SystemExit) as leaving:
        main(["analyse", str(both[0].folder)])
    said = " ".join(capsys.readouterr().out.split())
    assert leaving.value.code == 0 and "11 fs, 9 without an upper end, of 23" in said
