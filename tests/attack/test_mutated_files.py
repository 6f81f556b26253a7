"""A changed byte of a file is found, whatever it is part of; who edits a file with HDF5 may go on."""

import importlib.util
import random
from pathlib import Path

import h5py
import pytest

import nadyn
from nadyn.checks.seal import check_seal
from tests.cli.typed import typed

PLACE = Path(__file__).parents[2] / "benchmarks" / "mutated_files.py"
spec = importlib.util.spec_from_file_location("mutated_files", PLACE)
mutated_files = importlib.util.module_from_spec(spec)
spec.loader.exec_module(mutated_files)


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    return mutated_files.write_originals(tmp_path_factory.mktemp("originals"))


@pytest.mark.parametrize(
    ("kind", "n"), [("models", 3), ("datasets", 25), ("runs", 12), ("configurations", 12)]
)
def test_a_mutated_file_is_refused_or_has_the_same_content(
    kind, n, originals, tmp_path, unchecked_annotations
):
    path = originals[kind]
    expected, content, draw = mutated_files.CONTENT[kind](path), path.read_bytes(), random.Random(7)
    changed, found = tmp_path / f"mutated{path.suffix}", []
    for _ in range(n):
        changed.write_bytes(mutated_files.mutated(content, draw, words=kind == "configurations"))
        found.append(mutated_files.outcome(kind, changed, expected))
    assert [said for said in found if said.startswith("FAULT")] == []
    assert "refused" in found


def test_a_dataset_that_was_edited_is_read_and_said_to_have_no_checksum(originals, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = Path("data.h5")
    path.write_bytes(originals["datasets"].read_bytes())
    assert check_seal(path) and "checksums: of everything" in typed("info", path)[1]
    with h5py.File(path, "r+") as file:
        file["water"].attrs["charge"] = 1
    assert not check_seal(path) and "checksums: none" in typed("info", path)[1]
    assert nadyn.load_dataset(path).groups[0].charge == 1


def test_an_attribute_of_a_run_has_a_checksum(originals, tmp_path):
    path = tmp_path / "run.h5"
    path.write_bytes(originals["runs"].read_bytes())
    with h5py.File(path, "r+") as file:
        file.attrs["seed"] = 2
    with pytest.raises(ValueError, match="must have the attributes, masses, weights, elements and times"):
        nadyn.load_trajectories(path)
    with h5py.File(path, "r+") as file:
        del file.attrs["sha256"]
    assert nadyn.load_trajectories(path).method == "fssh"
