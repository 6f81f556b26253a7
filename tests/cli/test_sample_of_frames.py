"""`nadyn sample` of an MD run: starts are its frames, with their momenta."""

import ase.io
import numpy as np
import pytest

import nadyn
from nadyn.cli.main import main
from nadyn.dynamics.run.loop import run
from nadyn.trajectory.initial_conditions import read_initial_conditions

MODEL = str(nadyn.shipped.path("ammonia/ammonia_trajectories.safetensors"))
N_FRAMES, N_TRAJ = 9, 2


def command(*words):
    with pytest.raises(SystemExit) as left:
        main(list(map(str, words)))
    return left.value.code


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    output = tmp_path_factory.mktemp("md") / "md.h5"
    keys = {"model": MODEL, "method": "nve", "dt_fs": 0.5, "time_fs": 0.5 * (N_FRAMES - 1), "seed": 4}
    run(keys | {"initial": {"sample": "wigner", "n": N_TRAJ}, "write_every": 1, "output": str(output)})
    return output


def test_starts_are_frames_evenly_chosen_after_those_left_out(path, tmp_path):
    assert command("sample", path, "--n", 4, "--skip", 5, "--state", 1, "--output", tmp_path / "i.h5") == 0
    found, held = read_initial_conditions(tmp_path / "i.h5"), nadyn.load_trajectories(path)
    assert found.state == 1 and found.states is None
    # Eight are left, four of each: the first, the last, and two between.
    expected = [(5, 0), (7, 0), (6, 1), (8, 1)]
    for number, (frame, traj) in enumerate(expected):
        np.testing.assert_array_equal(found.positions[number], held.positions[frame, traj])
        np.testing.assert_array_equal(found.momenta[number], held.momenta[frame, traj])
    assert "the first 5 left out" in found.origin


def test_frames_of_ase_have_the_same_momenta(path, tmp_path):
    assert command("convert", path, tmp_path / "md.traj") == 0
    assert command("sample", tmp_path / "md.traj", "--n", 5, "--output", tmp_path / "a.h5") == 0
    assert command("sample", path, "--n", 5, "--output", tmp_path / "b.h5") == 0
    one, two = (read_initial_conditions(tmp_path / f"{name}.h5") for name in "ab")
    # ASE has older constants.
    np.testing.assert_allclose(one.momenta, two.momenta, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(one.positions, two.positions, rtol=1e-12)
    np.testing.assert_allclose(one.masses, two.masses, rtol=1e-9)
    assert one.state == 0 and two.states.tolist() == [0] * 5


def test_a_run_begins_at_them(path, tmp_path):
    assert command("sample", path, "--n", 3, "--state", 1, "--output", tmp_path / "i.h5") == 0
    result = run(
        {
            "model": MODEL,
            "method": "fssh",
            "initial": {"file": str(tmp_path / "i.h5")},
            "dt_fs": 0.5,
            "time_fs": 0.5,
            "output": str(tmp_path / "r.h5"),
        }
    )
    found = nadyn.load_trajectories(result.path)
    np.testing.assert_array_equal(found.active_state[0], 1)
    np.testing.assert_array_equal(found.positions[0], read_initial_conditions(tmp_path / "i.h5").positions)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--n", 19], "must be 19 at least, but there are 18"),
        (
            ["--n", 2, "--skip", 9],
            "after the first 9 must be 2 at least, but there are 0. Choose a smaller `--n` or `--skip`",
        ),
        (["--n", 2, "--temperature-kelvin", 300], "`--temperature-kelvin` must be left out for frames"),
    ],
)
def test_what_frames_cannot_give_is_one_sentence(path, tmp_path, capsys, words, said):
    assert command("sample", path, *words, "--output", tmp_path / "i.h5") == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_frames_without_momenta_and_options_without_frames_are_refused(path, tmp_path, capsys):
    atoms = ase.Atoms("NH3", positions=np.eye(4, 3))
    ase.io.write(tmp_path / "still.xyz", [atoms, atoms])
    assert command("sample", tmp_path / "still.xyz", "--n", 1, "--output", tmp_path / "i.h5") == 2
    assert "must have momenta, but frame 0 has none" in capsys.readouterr().err
    atoms.set_momenta(np.ones((4, 3)))
    periodic = atoms.copy()
    periodic.set_cell([9, 9, 9])
    periodic.pbc = True
    ase.io.write(tmp_path / "box.traj", [atoms, periodic])
    assert command("sample", tmp_path / "box.traj", "--n", 1, "--output", tmp_path / "i.h5") == 2
    assert "frame 1 is periodic" in capsys.readouterr().err
    assert command("sample", MODEL, "--n", 1, "--skip", 2, "--output", tmp_path / "i.h5") == 2
    assert "`--skip` must come with frames of an MD run" in capsys.readouterr().err
