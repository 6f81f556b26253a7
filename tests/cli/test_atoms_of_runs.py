"""A run in normal coordinates of a molecule: its geometries are those of the molecule, or nothing is said."""

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import yaml

from nadyn import shipped
from nadyn.analysis.geometry import Quantity, measure
from nadyn.checks.errors import InputWarning
from nadyn.cli.atoms_of_run import atoms_of_run
from nadyn.models.analytic import read_lvc
from nadyn.trajectory import open_run
from nadyn.units import ANGSTROM_PER_BOHR
from tests.cli.typed import typed

TEMPLATE = "triplets.template"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A short run of SO2 by templates that lie beside its run file."""
    folder = tmp_path_factory.mktemp("so2")
    for name in (TEMPLATE, "V0.txt"):
        shutil.copy(shipped.path(f"sulfur_dioxide/{name}"), folder / name)
    content = {
        "model": {"name": "lvc", "file": TEMPLATE},
        "initial": {"sample": "wigner", "n": 30, "diabatic_state": 1},
        "method": "fssh",
        "dt_fs": 0.5,
        "time_fs": 8,
        "output": "run.h5",
    }
    (folder / "run.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    code, said = typed("run", folder / "run.yaml", "--quiet")
    assert code == 0, said
    return folder


def test_distances_and_angles_are_those_of_the_molecule(folder, tmp_path, monkeypatch):
    # From another folder than that of the run, to which the place of the template is relative.
    monkeypatch.chdir(tmp_path)
    written = tmp_path / "numbers.json"
    code, said = typed(
        "analyse", folder / "run.h5", "--distance", "0,1", "--angle", "1,0,2", "--json", written
    )
    assert code == 0, said
    distance, angle = json.loads(written.read_text(encoding="utf-8"))["geometry"]
    # From the model itself: the positions of its frame at the coordinates of the run.
    import torch

    frame = read_lvc(folder / TEMPLATE).frame
    q = np.array(open_run(folder / "run.h5").positions[-1])
    points = ANGSTROM_PER_BOHR * frame.positions(torch.from_numpy(q)).numpy()
    bonds = points[:, 1:] - points[:, :1]
    length = np.linalg.norm(bonds, axis=-1)
    assert distance["mean"][-1] == pytest.approx(length[:, 0].mean(), rel=1e-9)
    cosine = (bonds[:, 0] * bonds[:, 1]).sum(-1) / length.prod(axis=1)
    assert angle["mean"][-1] == pytest.approx(np.degrees(np.arccos(cosine)).mean(), rel=1e-9)
    assert 1.3 < distance["mean"][0] < 1.6 and 110 < angle["mean"][0] < 130


def test_the_page_shows_the_molecule_and_a_bond(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, said = typed("report", folder / "run.h5", "--output", "page.html")
    assert code == 0, said
    page = Path("page.html").read_text(encoding="utf-8")
    assert "id=view-molecule" in page and '"S","O","O"' in page.replace(" ", "")
    assert "<h2>Distance S0–O" in page and "Coordinate 0" not in page
    assert "<h1>lvc-SO2 (SO₂): surface hopping</h1>" in page


def test_without_its_model_a_run_is_shown_as_it_is_and_that_is_said(folder, tmp_path):
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(folder / "run.h5", alone / "run.h5")
    run = open_run(alone / "run.h5")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert atoms_of_run(run, [alone / "run.h5"]) is run
    assert [one.category for one in caught] == [InputWarning]
    assert "no geometries are shown: the model of run" in str(caught[0].message)
    code, said = typed("report", alone / "run.h5", "--output", alone / "page.html")
    assert code == 0, said
    assert "Coordinate 0" in (alone / "page.html").read_text(encoding="utf-8")


def test_a_distance_between_coordinates_that_are_no_atoms_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    start = {"sample": "wigner", "n": 3, "state": 1}
    content = {"model": {"name": "pyrazine", "variant": 4}, "initial": start, "method": "fssh", "time_fs": 2}
    Path("run.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    assert typed("run", "run.yaml", "--quiet")[0] == 0
    for asked in (("analyse", "--distance", "0,1"), ("report", "--coordinate", "angle 0 1 2")):
        code, said = typed(asked[0], "run.h5", *asked[1:])
        assert code == 2 and "must be one of atoms" in said and "coordinate 0" in said, said
    code, said = typed("analyse", "run.h5", "--coordinate", "coordinate 2")
    assert code == 0, said
    run = open_run("run.h5")
    np.testing.assert_array_equal(measure(run, Quantity("coordinate", (2,))), run.positions[:, :, 2, 0])
