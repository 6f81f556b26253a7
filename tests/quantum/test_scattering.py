"""Exact branching of Tully's models against another program."""

import json
from pathlib import Path

import pytest

from nadyn.checks.errors import InputError
from nadyn.models.analytic import pyrazine, tully
from nadyn.quantum import Packet, scattering

ROWS = json.loads((Path(__file__).parent / "fixtures" / "tully_exact.json").read_text())["rows"]

pytestmark = pytest.mark.usefixtures("unchecked_annotations")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"model {row['model']}, k = {row['k']}")
def test_the_branching_of_tullys_models_is_that_of_another_program(row):
    packet = Packet((row["x0"],), (float(row["k"]),), (row["sigma"],), 0)
    found = scattering(tully(row["model"]), packet, dt=5.0, max_time=15_000.0)
    for name in ("T0", "T1", "R0", "R1"):
        assert found.fraction[name] == pytest.approx(row[name], abs=5e-4), name
    assert found.undecided < 5e-4
    assert found.run.edge_density < 1e-4
    assert sum(found.fraction.values()) + found.undecided == pytest.approx(1.0, abs=1e-10)


def test_from_the_other_side_the_symmetric_model_branches_alike():
    row = next(row for row in ROWS if (row["model"], row["k"]) == (2, 30))
    packet = Packet((-row["x0"],), (-30.0,), (row["sigma"],), 0)
    found = scattering(tully(2), packet, dt=5.0)
    for name in ("T0", "T1", "R0", "R1"):
        assert found.fraction[name] == pytest.approx(row[name], abs=5e-4), name


def test_a_packet_that_moves_away_is_refused():
    with pytest.raises(InputError, match="must start on one side of the origin"):
        scattering(tully(1), Packet((-10.0,), (-10.0,), (1.0,), 0))


def test_several_coordinates_are_refused():
    packet = Packet((-5.0,) * 4, (1.0,) * 4, (1.0,) * 4, 0)
    with pytest.raises(InputError, match="must have one generalised coordinate"):
        scattering(pyrazine(4), packet)
