"""The pages of file formats name every array and attribute that is written, and no other."""

import re
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from contracts.committees import committee

import nadyn
from nadyn.data import Dataset, group_from_arrays, write_dataset
from nadyn.data.arrays import ARRAYS
from nadyn.trajectory.initial_conditions import InitialConditions, write_initial_conditions
from tests.analysis.synthetic_run import write_run

DOCS = Path(__file__).parents[1] / "docs"
PAGE = "\n".join(path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("files*.md")))


def section(title: str) -> str:
    return re.split(r"^##? ", PAGE.partition(f"\n## {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def named(text: str, head: str) -> set[str]:
    """Names in the first column of the table with this head."""
    table = text.partition(f"| {head} |")[2].partition("\n\n")[0]
    rows = [line.split("|")[1] for line in table.splitlines()[2:]]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def arrays(file: h5py.Group) -> set[str]:
    found: list[str] = []
    file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
    return set(found)


@pytest.fixture
def trajectories(tmp_path):
    """A run file that has whatever a run file may have."""
    random = np.random.default_rng(1)
    return write_run(
        tmp_path / "run.h5",
        np.zeros((3, 2), int),
        n_states=2,
        positions=random.normal(size=(3, 2, 4, 3)),
        atomic_numbers=np.array([7, 1, 1, 1]),
        diabatic=np.full((3, 2, 2), 0.5),
        populations=np.full((3, 2, 2), 0.5),
        multiplicities=(1, 3),
    )


@pytest.fixture
def judged(tmp_path):
    """A run that a committee judges."""
    model = committee()
    positions = np.array([[[0.1, 0.0, 0.7], [0.9, 1.5, 0.0], [-1.7, 0.2, 0.1], [0.8, -1.9, -0.1]]])
    numbers, masses = np.array(model.atomic_numbers), model.masses.numpy()
    initial = InitialConditions(
        positions, np.zeros((1, 4, 3)), np.ones(1), masses, numbers, 1, None, "by hand", None
    )
    write_initial_conditions(tmp_path / "initial.h5", initial)
    config = {"method": "fssh", "time_fs": 0.5, "initial": {"file": str(tmp_path / "initial.h5")}}
    nadyn.run({**config, "output": str(tmp_path / "judged.h5")}, model=model, progress=False)
    return tmp_path / "judged.h5"


def test_every_array_and_attribute_of_a_run_is_on_the_page(trajectories, judged):
    text = section("Trajectories")
    found = set()
    for path in (trajectories, judged):
        with h5py.File(path, "r") as file:
            found |= {
                re.sub(r"^(checkpoint/slot_\d)/(?!state/stop/).*", r"\1", name) for name in arrays(file)
            }
    # What stopped trajectories is a part of the checkpoint.
    found = {re.sub(r"^checkpoint/slot_\d/state/(stop/.*)", r"\1", name) for name in found}
    found = {re.sub(r"^(checkpoint/slot_\d)/.*", r"\1", name) for name in found}
    # Of direct dynamics, which neither of the two is.
    assert named(text, "array") - {"checkpoint/slot_0/state/label_places"} == found
    with h5py.File(trajectories, "r") as file:
        assert named(text, "attribute") - {"nadyn-trajectories"} == set(file.attrs)
        for name in arrays(file):
            unit = file[name].attrs.get("unit")
            if unit not in (None, "1") and not name.startswith("checkpoint"):
                (row,) = re.findall(rf"^\|[^|]*`{name}`[^|]*\|.*$", text, flags=re.MULTILINE)
                assert unit in row, name


def test_every_array_and_attribute_of_a_dataset_is_on_the_page(tmp_path):
    random = np.random.default_rng(1)
    lengths = {"n_frames": 3, "n_atoms": 2, "n_states": 2, "n_pairs": 1, "n_spin_states": 2}
    content = {
        name: random.normal(size=[lengths.get(axis, axis) for axis in kind.axes])
        for name, kind in ARRAYS.items()
    }
    content["energies"] = np.sort(content["energies"], axis=1)
    content["cell"] = np.broadcast_to(20.0 * np.eye(3), (3, 3, 3))
    content["positions"] = np.broadcast_to(2.0 * np.eye(2, 3), (3, 2, 3))
    content["forces"] = None
    content["eigenvectors"] = np.linalg.qr(content["eigenvectors"])[0]
    for name in ("polarisabilities", "stress"):
        content[name] = content[name] + content[name].swapaxes(2, 3)
    texts = dict.fromkeys(("theory", "source", "licence", "note"), "known")
    group = group_from_arrays(
        "CO",
        atomic_numbers=[6, 8],
        pbc=(True,) * 3,
        masses=np.full(2, 3e4),
        dipole_origin="center_of_mass",
        weight=np.ones(3),
        tag=["a", "b", "b"],
        **content,
        **texts,
    )
    write_dataset(tmp_path / "data.h5", Dataset((replace(group, history="made up"),)))
    text = section("Dataset")
    with h5py.File(tmp_path / "data.h5", "r") as file:
        assert named(text, "array") == arrays(file["CO"]) | {"forces"}
        told = text.partition("Attributes of a group:")[2].partition("\n\n")[0].partition(". The name")[0]
        assert set(re.findall(r"`(\w+)`", told)) == set(file["CO"].attrs)
        for name, value in file.attrs.items():
            assert f'`{name} = "{value}"`' in text or f"`{name} = {value}`" in text


def test_every_array_and_attribute_of_initial_conditions_is_on_the_page(tmp_path):
    initial = InitialConditions(
        positions=np.zeros((2, 1, 3)),
        momenta=np.zeros((2, 1, 3)),
        weight=np.ones(2),
        masses=np.ones(1),
        atomic_numbers=np.array([1]),
        state=1,
        diabatic_state=1,
        origin="by hand",
        temperature_kelvin=0.0,
        notices=("said",),
        states=np.array([1, 0]),
        cell=np.eye(3),
        pbc=(True, True, False),
    )
    write_initial_conditions(tmp_path / "initial.h5", initial)
    text = section("Initial conditions")
    with h5py.File(tmp_path / "initial.h5", "r") as file:
        assert named(text, "array") == arrays(file)
        told = text.partition("Attributes:")[2]
        assert set(re.findall(r"`(\w+)`", told)) == set(file.attrs) - {"format", "version"}
