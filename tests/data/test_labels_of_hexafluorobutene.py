"""The labels of `benchmarks/hexafluorobutene_labels.py` obey what holds for every molecule."""

import json
from pathlib import Path

import numpy as np
import pytest

FILE = Path(__file__).parents[2] / "benchmarks" / "hexafluorobutene_labels" / "labels.jsonl"


@pytest.fixture(scope="module")
def labels():
    """Arrays of all labels that are trusted, in atomic units."""
    lines = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
    trusted = [line for line in lines if line["quality"] == "trusted"]
    assert trusted
    names = ("positions", "energies", "forces", "interstate_couplings")
    return {name: np.array([line[name] for line in trusted]) for name in names}


def test_states_are_in_order_and_nothing_is_asked_twice(labels):
    assert (np.diff(labels["energies"], axis=1) > 0.0).all()
    flat = np.round(labels["positions"].reshape(len(labels["positions"]), -1), 6)
    assert len(np.unique(flat, axis=0)) == len(flat)


def test_forces_and_couplings_neither_push_nor_turn_the_whole_molecule(labels):
    centred = labels["positions"] - labels["positions"].mean(axis=1, keepdims=True)
    for name in ("forces", "interstate_couplings"):
        vectors = labels[name]
        size = np.abs(vectors).max(axis=(2, 3))[..., None]
        assert (np.abs(vectors.sum(axis=2)) < 1e-5 + 1e-4 * size).all(), name
        torque = np.cross(centred[:, None], vectors).sum(axis=2)
        assert (np.abs(torque) < 1e-5 + 1e-3 * size).all(), name
