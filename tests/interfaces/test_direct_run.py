"""Runs whose model is a label source named in the run file, asked in processes of their own."""

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

import nadyn
from nadyn.checks.errors import InputError
from nadyn.cli import main as program
from nadyn.interfaces.label_desk import PoolDesk
from nadyn.interfaces.swarm.plan import make_folder, plan_swarm
from nadyn.interfaces.swarm.shard import run_shard
from nadyn.structures import masses
from nadyn.trajectory import digest_by_trajectory, open_run
from nadyn.trajectory.initial_conditions import InitialConditions, write_initial_conditions
from nadyn.trajectory.swarm_folder import open_swarm

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

# Two states of three atoms: springs, and a coupling that grows with one distance.
SURFACES = """
import os, time
import numpy as np

def label(positions, trouble="none"):
    i, j = [0, 0, 1], [1, 2, 2]
    apart = positions[i] - positions[j]
    r = np.linalg.norm(apart, axis=1)
    bad = r[0] > 2.9
    if bad and trouble == "hangs":
        time.sleep(600)
    if bad and trouble == "dies":
        os._exit(3)
    if bad and trouble == "raises":
        raise RuntimeError("no convergence in 50 cycles")
    w = np.diag([0.1 * ((r - 2.5) ** 2).sum(), 0.1 * ((r - 2.7) ** 2).sum() + 0.01])
    w[0, 1] = w[1, 0] = 0.02 * (r[1] - r[2])
    dw = np.zeros((3, 2, 2))
    dw[:, 0, 0], dw[:, 1, 1] = 0.2 * (r - 2.5), 0.2 * (r - 2.7)
    dw[1, 0, 1] = dw[1, 1, 0] = 0.02
    dw[2, 0, 1] = dw[2, 1, 0] = -0.02
    energies, u = np.linalg.eigh(w)
    if positions[0, 0] % 0.02 > 0.01:
        u[:, 1] *= -1
    h = np.einsum("ak,pab,bl->klp", u, dw, u)
    gradient = np.zeros((2, 2, 3, 3))
    for p in range(3):
        along = apart[p] / r[p]
        gradient[:, :, i[p]] += h[:, :, p, None] * along
        gradient[:, :, j[p]] -= h[:, :, p, None] * along
    if bad and trouble == "nan":
        energies = energies * np.nan
    answer = {"energies": energies, "forces": -gradient[[0, 1], [0, 1]],
              "interstate_couplings": gradient[0, 1][None]}
    if bad and trouble == "doubt":
        answer["doubt"] = "two orbitals have changed places."
    return answer
"""
TRIANGLE = np.array([[0.0, 0.0, 0.0], [2.5, 0.0, 0.0], [1.25, 2.2, 0.0]])


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "surfaces.py").write_text(SURFACES)
    numbers = np.array([8, 8, 8])
    rng = np.random.default_rng(5)
    positions = TRIANGLE + 0.02 * rng.normal(size=(3, 3, 3))
    momenta = 4.0 * rng.normal(size=(3, 3, 3))
    # The first one is pulled apart between its first two atoms.
    momenta[0, :2, 0] += (-40.0, 40.0)
    conditions = InitialConditions(
        positions, momenta, np.ones(3), masses(numbers), numbers, 1, None, "test", None
    )
    write_initial_conditions(tmp_path / "initial.h5", conditions)
    return tmp_path


def content(trouble="none", **keys):
    source = {
        "function": "surfaces.py:label",
        "theory": "springs",
        "multiplicities": [1, 1],
        "gives": ["forces", "interstate_couplings"],
        "options": {"trouble": trouble},
    }
    return {
        "model": {"python": source},
        "initial": {"file": "initial.h5"},
        "method": "fssh",
        "propagation": "tdc",
        "dt_fs": 0.5,
        "time_fs": 6,
        "write_every": 1,
        "labels": {"processes": 0},
        **keys,
    }


def written(folder, name="run.yaml", **keys):
    path = folder / name
    path.write_text(yaml.safe_dump(content(output=name.replace("yaml", "h5"), **keys)))
    return path


@pytest.mark.parametrize(
    "trouble, status, said",
    [
        ("raises", "source_failed", "RuntimeError: no convergence in 50 cycles"),
        ("nan", "source_failed", "`energies` must be finite"),
        ("dies", "source_failed", "the process of the source ended"),
        ("doubt", "outside_method", "two orbitals have changed places"),
    ],
)
def test_trouble_with_one_label_ends_one_trajectory(folder, trouble, status, said):
    """The others are the same to the last bit, also by a process of their own, which died in between."""
    labels = {"processes": 1 if trouble == "dies" else 0}
    result = nadyn.run(written(folder, trouble=trouble, labels=labels), progress=False)
    assert result.n_stopped == {status: 1} and result.n_finished == 2
    assert any(said in notice for notice in result.notices)
    untroubled = nadyn.run(written(folder, "whole.yaml"), progress=False)
    others = [np.array(open_run(one.path).positions)[:, 1:] for one in (result, untroubled)]
    assert np.array_equal(*others)


@pytest.mark.slow
def test_a_label_that_takes_too_long_has_failed(folder):
    labels = {"processes": 2, "timeout_minutes": 0.1}
    result = nadyn.run(written(folder, trouble="hangs", labels=labels), progress=False)
    assert result.n_stopped == {"source_failed": 1} and result.n_finished == 2
    assert any("longer than" in notice for notice in result.notices)


def test_the_command_says_what_labels_cost_and_what_to_do(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    path = written(folder, trouble="doubt")
    monkeypatch.setattr("sys.argv", ["nadyn", "run", str(path)])
    with pytest.raises(SystemExit) as left:
        program.main()
    out = capsys.readouterr().out
    assert "labels of source python" in out
    assert not left.value.code
    assert "1 stopped: outside_method. The level of theory itself does not hold there" in out
    assert "1 label not trusted: two orbitals have changed places." in out


def test_another_source_is_not_gone_on_with(folder):
    nadyn.run(written(folder), progress=False)
    changed = content()
    changed["model"]["python"]["theory"] = "other springs"
    (folder / "run.yaml").write_text(yaml.safe_dump({**changed, "output": "run.h5"}))
    with pytest.raises(InputError, match="`model` must be"):
        nadyn.run(folder / "run.yaml", resume=True, progress=False)


def test_a_source_without_atoms_is_refused(folder):
    keys = {"initial": {"sample": "wigner", "n": 3}}
    with pytest.raises(InputError, match="`initial` must say which atoms a label source is asked about"):
        nadyn.run(written(folder, **keys), progress=False)


def test_a_source_whose_function_is_missing_stops_the_run_at_once(folder):
    (folder / "surfaces.py").write_text("def other(): pass\n")
    with pytest.raises(InputError, match="'label' is not there"):
        nadyn.run(written(folder), progress=False)
    assert not (folder / "run.h5").exists()


def test_a_run_of_which_no_label_is_trusted_says_so(folder):
    source = SURFACES.replace("bad = r[0] > 2.9", "bad = True")
    (folder / "surfaces.py").write_text(source)
    result = nadyn.run(written(folder, trouble="raises"), progress=False)
    assert result.n_finished == 0 and result.n_stopped == {"source_failed": 3}


def test_a_sample_begins_at_the_minimum_of_the_source(folder):
    lines = [f"O {x} {y} {z}" for x, y, z in TRIANGLE * 0.529177]
    (folder / "start.xyz").write_text("3\n\n" + "\n".join(lines) + "\n")
    initial = {"sample": "wigner", "n": 2, "geometry": "start.xyz", "state": 1}
    result = nadyn.run(written(folder, initial=initial), progress=False)
    assert result.n_finished == 2
    start = np.array(open_run(result.path).positions[0])
    bonds = np.linalg.norm(start[:, [0, 0, 1]] - start[:, [1, 2, 2]], axis=-1)
    assert np.abs(bonds - 2.5).max() < 0.3


@pytest.fixture
def lithium_hydride(tmp_path):
    numbers = np.array([3, 1])
    positions, momenta = np.zeros((1, 2, 3)), np.zeros((1, 2, 3))
    positions[0, 1, 2], momenta[0, :, 2], momenta[0, 1, 0] = 3.4, (-5.0, 5.0), 2.0
    conditions = InitialConditions(
        positions, momenta, np.ones(1), masses(numbers), numbers, 1, None, "test", None
    )
    write_initial_conditions(tmp_path / "initial.h5", conditions)
    return {
        "model": {"pyscf": {"method": "sa2-casscf(2,2)/sto-3g"}},
        "initial": {"file": str(tmp_path / "initial.h5")},
        "method": "fssh",
        "dt_fs": 0.25,
        "write_every": 1,
        "labels": {"processes": 0},
        "output": str(tmp_path / "a.h5"),
    }


def test_lithium_hydride_by_pyscf_keeps_its_energy(lithium_hydride):
    result = nadyn.run({**lithium_hydride, "time_fs": 2.5}, progress=False)
    assert result.n_finished == 1 and result.energy_error_max_ev < 1e-3


@pytest.mark.slow
def test_casscf_goes_on_with_the_same_bits(lithium_hydride, tmp_path):
    nadyn.run({**lithium_hydride, "time_fs": 2.5}, progress=False)
    parts = {**lithium_hydride, "output": str(tmp_path / "b.h5")}
    nadyn.run({**parts, "time_fs": 1.25}, progress=False)
    nadyn.run({**parts, "time_fs": 2.5}, resume=True, progress=False)
    ends = [open_run(tmp_path / name) for name in ("a.h5", "b.h5")]
    assert np.array_equal(*(np.array(run.positions[-1]) for run in ends))
    assert np.array_equal(*(np.array(run.coefficients[-1]) for run in ends))


def test_a_sample_of_a_source_is_a_start_for_runs_on_it(folder, monkeypatch):
    monkeypatch.chdir(folder)
    lines = [f"O {x} {y} {z}" for x, y, z in TRIANGLE * 0.529177]
    (folder / "start.xyz").write_text("3\n\n" + "\n".join(lines) + "\n")
    initial = {"sample": "wigner", "n": 2, "geometry": "start.xyz", "state": 1}
    path = written(folder, initial=initial)
    arguments = ["sample", str(path), "--n", "2", "--seed", "1", "--output", "sampled.h5"]
    said = CliRunner().invoke(program.build_app(), arguments)
    assert said.exit_code == 0, said.output
    assert "the minimum of state 0" in " ".join(said.output.split())
    at_once = nadyn.run(path, progress=False)
    (folder / "later.yaml").write_text(
        yaml.safe_dump(content(initial={"file": "sampled.h5"}, output="later.h5"))
    )
    later = nadyn.run(folder / "later.yaml", progress=False)
    assert np.array_equal(*(np.array(open_run(one.path).positions) for one in (at_once, later)))


def test_an_unknown_source_is_answered_with_the_nearest(folder):
    with pytest.raises(InputError, match=r"names 'pyscff'. Did you mean pyscf\?"):
        nadyn.run({**content(), "model": {"pyscff": {"method": "casscf"}}}, progress=False)


def test_isotopes_of_a_source_are_chosen_as_of_a_learned_model(folder):
    usual = nadyn.run(written(folder), progress=False)
    with pytest.raises(InputError, match="must be for the atoms and masses"):
        nadyn.run(written(folder, "heavy.yaml", isotopes={"O": 18}), progress=False)
    assert np.allclose(np.array(open_run(usual.path).masses), masses(np.array([8, 8, 8])))


def test_shards_of_a_swarm_find_the_source_from_any_folder_and_label_by_themselves(folder, monkeypatch):
    """Paths of a source begin at the run file, wherever a worker was started; a worker has one processor."""
    whole = nadyn.run(written(folder, labels=None), progress=False)
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    make_folder(plan_swarm(folder / "run.yaml", n=3, width=2, folder=folder / "run_swarm"))
    swarm, asked = open_swarm(folder / "run_swarm"), []

    class Counted(PoolDesk):
        def __init__(self, *arguments, processes, **options):
            asked.append(processes)
            super().__init__(*arguments, processes=processes, **options)

    monkeypatch.setattr("nadyn.interfaces.label_desk.PoolDesk", Counted)
    for shard in (1, 0):
        run_shard(swarm, shard, progress=False, label_processes=1)
    assert asked == [1, 1]
    assert digest_by_trajectory(swarm.complete()) == digest_by_trajectory([whole.path])
