"""A trajectory that ended because it had settled was on its way: its geometry is no product."""

from html import unescape

import numpy as np
import pytest
from synthetic_run import carbon_chain, write_run

from nadyn.analysis.fates import ended_as_asked, has_last_geometry
from nadyn.analysis.geometry import isomerised, read_quantity
from nadyn.analysis.members_page import members_report
from nadyn.analysis.multiplicities import multiplicity_populations
from nadyn.analysis.plots import drawn_states
from nadyn.analysis.populations import populations
from nadyn.analysis.products import products, yields
from nadyn.analysis.sums import sums_of
from nadyn.cli.main import main
from nadyn.dynamics.run.loop import run as run_shard
from nadyn.interfaces.swarm.plan import make_folder, shard_config
from nadyn.trajectory import open_run
from nadyn.trajectory.swarm_folder import Swarm

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

SETTLED = 12
# Whether it falls apart, whether it has turned, how it ended.
ENDS = [
    (True, 0, 0),
    (True, 0, SETTLED),
    (False, 0, 0),
    (False, 1, 0),
    (False, 1, SETTLED),
    (False, 0, SETTLED),
]


@pytest.fixture
def run(tmp_path):
    frames, n = 5, len(ENDS)
    apart, turned, _ = np.array(ENDS).T
    turn = np.pi * 170 / 180 * np.linspace(0, 1, frames)[:, None] * turned
    positions = carbon_chain(turn, 14.0 * apart * (np.arange(frames) >= 2)[:, None])
    state = np.where(np.arange(frames)[:, None] >= 2, 0, 1) * np.ones(n, int)
    path = write_run(
        tmp_path / "run.h5",
        state,
        n_states=2,
        positions=positions,
        atomic_numbers=np.array([6, 6, 6, 6]),
        masses=np.full(4, 12 * 1822.888),
        status=np.array([status for *_, status in ENDS]),
        last_step=np.full(n, frames - 1),
    )
    return open_run(path)


def test_all_are_known_to_stay_and_half_to_have_come_somewhere(run):
    assert ended_as_asked(run).all() and has_last_geometry(run).tolist() == [
        True,
        False,
        True,
        True,
        False,
        False,
    ]
    assert (populations(run).counted == 6).all()


def test_fragments_count_whole_molecules_do_not_and_states_are_open(run):
    found = {one.fragments: one for one in yields(run)}
    apart, whole = found.pop("C3 + C"), found.pop("C4")
    assert not found
    # Of one in pieces the pieces are certain, of two that are whole nothing is.
    assert (apart.n, whole.n) == (2, 2)
    assert apart.high > 0.75 and whole.high > 0.75
    ends = {(one.fragments, one.state): one.n for one in products(run)}
    assert ends == {("C3 + C", 0): 2, ("C4", 0): 2}


def test_isomers_are_those_that_came_to_their_end(run):
    done, _, crossed = isomerised(run, read_quantity("dihedral 0 1 2 3", 4))
    assert done.tolist() == has_last_geometry(run).tolist()
    assert crossed.tolist() == [False, False, False, True, False, False]


def test_nothing_is_said_of_diabatic_populations_once_one_has_settled(tmp_path):
    """They would go on to change, and those that have not settled are no sample of all."""
    frames, last = 6, np.array([5, 5, 5, 2, 1])
    state = (np.arange(frames)[:, None] < 1) * np.ones(5, int)
    diabatic = np.stack([np.tile([0.1, 0.2, 0.3, 0.9, 0.8], (frames, 1))] * 2, axis=-1)
    diabatic[..., 1] = 1.0 - diabatic[..., 0]
    path = write_run(
        tmp_path / "run.h5",
        state,
        n_states=2,
        diabatic=diabatic,
        multiplicities=(1, 3),
        status=np.array([0, 0, 0, SETTLED, SETTLED]),
        last_step=last,
    )
    run = open_run(path)
    found, spins = populations(run), multiplicity_populations(run)
    assert found.counted.tolist() == [5] * 6 and np.isfinite(found.mean).all()
    for shown in (
        found.electronic[:, 0],
        found.diabatic[:, 0],
        found.diabatic_error[:, 0],
        spins.mean[:, 1],
        spins.error[:, 1],
    ):
        assert np.isfinite(shown).tolist() == [True, True, False, False, False, False]
    np.testing.assert_allclose(found.diabatic[:2, 0], 2.3 / 5)
    parts = sums_of(run) + sums_of(run)
    assert parts.settled.tolist() == [0, 0, 2, 4, 4, 4] and parts.unknown.tolist() == [0] * 6


def test_a_state_that_is_reached_after_the_first_has_settled_is_drawn(tmp_path):
    state = np.array([[1, 0, 0, 0, 0], [1, 1, 1, 2, 2], [1, 1, 1, 1, 0]]).T
    path = write_run(
        tmp_path / "run.h5",
        state,
        n_states=8,
        status=np.array([SETTLED, 0, 0]),
        last_step=np.array([2, 4, 4]),
    )
    assert drawn_states(populations(open_run(path))) == [0, 1, 2]


def test_a_swarm_says_it_too(tmp_path, capsys):
    content = {
        "model": {"name": "pyrazine", "variant": 4},
        "initial": {"sample": "wigner", "diabatic_state": 1},
        "method": "fssh",
        "dt_fs": 0.5,
        "time_fs": 20,
        "stop": {"lowest_state_fs": 3},
    }
    swarm = Swarm(tmp_path / "swarm", 12, 6, content)
    make_folder(swarm)
    n = sum(
        run_shard(shard_config(swarm, shard), progress=False).endings["settled"]
        for shard in range(swarm.n_shards)
    )
    with pytest.raises(SystemExit):
        main(["analyse", str(swarm.folder)])
    sentence = f"{n} of 12 trajectories ended after 3 fs on the lowest state (`stop.lowest_state_fs`)"
    assert n and sentence in " ".join(capsys.readouterr().out.split())


def test_members_of_a_committee_say_it_too(tmp_path, capsys):
    state = np.repeat([[1], [0], [0], [0]], 6, axis=1)
    keys = {"method": "fssh", "dt_fs": 1.0, "time_fs": 3.0, "seed": 3, "stop": {"lowest_state_fs": 1.5}}
    paths = [
        write_run(
            tmp_path / f"{member}.h5",
            state,
            n_states=2,
            config=keys | {"member": member},
            committee=True,
            energies=np.array([0.0, 0.1 + 0.01 * member]),
            status=np.array([12, 12, 12, 0, 0, 0]),
            last_step=np.array([2, 2, 2, 3, 3, 3]),
        )
        for member in (0, 1)
    ]
    sentence = "6 of 12 trajectories ended after 1.5 fs on the lowest state (`stop.lowest_state_fs`)"
    with pytest.raises(SystemExit):
        main(["analyse", *map(str, paths)])
    assert sentence in " ".join(capsys.readouterr().out.split())
    members_report(paths, tmp_path / "page.html")
    assert sentence in unescape((tmp_path / "page.html").read_text("utf-8"))
