"""Several runs of one model are taken away as one, their trajectories numbered through."""

import csv

import ase.io
import numpy as np
import pytest
from typer.testing import CliRunner

import nadyn
from nadyn.checks.errors import InputError
from nadyn.cli.main import build_app
from nadyn.dynamics.run.loop import run

MODEL = str(nadyn.shipped.path("ammonia/ammonia_trajectories.safetensors"))


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Runs of three and of two trajectories of ammonia, which differ by seed."""
    folder = tmp_path_factory.mktemp("two")
    paths = []
    for seed, n in ((1, 3), (2, 2)):
        paths.append(folder / f"{seed}.h5")
        run(
            {
                "model": MODEL,
                "initial": {"sample": "wigner", "n": n, "state": 1},
                "method": "fssh",
                "dt_fs": 0.5,
                "time_fs": 2.0,
                "seed": seed,
                "output": str(paths[-1]),
            }
        )
    return paths


def convert(*words):
    done = CliRunner().invoke(build_app(["convert"]), ["convert", *map(str, words)], catch_exceptions=False)
    assert done.exit_code == 0, done.output


def test_tables_geometries_and_folders_hold_both(two, tmp_path):
    convert(*two, tmp_path / "both.csv")
    with (tmp_path / "both.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {int(row["traj"]) for row in rows} == set(range(5))
    second = nadyn.load_trajectories(two[1])
    own = [float(row["energy_0_ev"]) for row in rows if row["traj"] == "4"]
    np.testing.assert_allclose(own, second.energies[:, 1, 0] * 27.211386245981, rtol=1e-12)
    convert(*two, tmp_path / "ends.xyz", "--geometries", "ends")
    atoms = ase.io.read(tmp_path / "ends.xyz", index=":")
    assert len(atoms) == 5
    np.testing.assert_allclose(atoms[3].positions, second.positions[-1, 0] * 0.529177210544, atol=1e-8)
    convert(*two, tmp_path / "some.traj", "--trajectories", "2,3")
    assert len(ase.io.read(tmp_path / "some.traj", index=":")) == 2 * 5
    convert(*two, tmp_path / "sharc")
    assert sorted(place.name for place in (tmp_path / "sharc").iterdir()) == [
        f"TRAJ_{k:05d}" for k in range(1, 6)
    ]


def test_netcdf_holds_both(two, tmp_path):
    xarray = pytest.importorskip("xarray")
    convert(*two, tmp_path / "both.nc")
    with xarray.open_dataset(tmp_path / "both.nc", engine="h5netcdf") as found:
        assert found.sizes["traj"] == 5
        second = nadyn.load_trajectories(two[1])
        np.testing.assert_array_equal(found["positions"].values[:, 3:], second.positions)


def test_runs_that_do_not_belong_together_are_refused(two, tmp_path):
    other = tmp_path / "other.h5"
    run(
        {
            "model": MODEL,
            "method": "nve",
            "initial": {"sample": "wigner", "n": 2},
            "dt_fs": 0.5,
            "time_fs": 2.0,
            "output": str(other),
        }
    )
    with pytest.raises(InputError, match="must have the same `method`"):
        convert(two[0], other, tmp_path / "x.csv")
    with pytest.raises(InputError, match="must be different runs"):
        convert(two[0], two[0], tmp_path / "x.csv")
