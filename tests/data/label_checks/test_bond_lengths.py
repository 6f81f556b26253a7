"""Positions in the wrong unit are noticed by the lengths of bonds."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from nadyn import shipped
from nadyn.cli.main import main
from nadyn.data import Dataset, load_dataset, write_dataset
from nadyn.data.label_checks.bond_lengths import doubtful_lengths
from nadyn.data.label_checks.force_sign import contradiction
from nadyn.data.validation import group_from_arrays
from nadyn.units import ANGSTROM_PER_BOHR, BOHR_PER_ANGSTROM


@pytest.fixture(scope="module")
def ammonia():
    return load_dataset(shipped.path("ammonia/ammonia.h5")).groups[0].select(range(0, 3000, 10))


@pytest.mark.parametrize(
    ("factor", "sentence"),
    [
        (ANGSTROM_PER_BOHR, "angstrom with the unit bohr"),
        (BOHR_PER_ANGSTROM, "bohr with the unit angstrom"),
        (0.3, "Check their unit"),
        (10.0, "Check their unit"),
    ],
)
def test_a_molecule_in_the_wrong_unit_is_noticed(ammonia, factor, sentence):
    assert doubtful_lengths(ammonia) is None
    assert sentence in doubtful_lengths(replace(ammonia, positions=ammonia.positions * factor)).sentence


def test_a_molecule_that_falls_apart_and_a_noble_gas_are_in_order(ammonia):
    far = ammonia.positions.copy()
    far[:, 1] += 30.0
    assert doubtful_lengths(replace(ammonia, positions=far)) is None
    two = np.zeros((4, 2, 3))
    two[:, 1, 0] = np.linspace(7.0, 9.0, 4)
    argon = group_from_arrays(
        "argon", atomic_numbers=np.array([18, 18]), positions=two, energies=np.zeros((4, 1))
    )
    assert doubtful_lengths(argon) is None


def test_a_crystal_is_looked_at_across_its_faces():
    """Rock salt: the bond leaves the cell and comes back on the other side."""
    positions = np.tile([[0.0, 0.0, 0.2], [0.0, 0.0, 7.9]], (3, 1, 1))
    cell = np.tile(np.diag([7.0, 7.0, 13.0]), (3, 1, 1))
    whole = group_from_arrays(
        "salt",
        atomic_numbers=np.array([11, 17]),
        positions=positions,
        energies=np.zeros((3, 1)),
        pbc=(True, True, True),
        cell=cell,
    )
    assert doubtful_lengths(whole) is None


@pytest.mark.parametrize("command", ["info", "train"])
def test_the_commands_warn(ammonia, tmp_path, capsys, command):
    path = tmp_path / "wrong.h5"
    write_dataset(
        path, Dataset((replace(ammonia, positions=ammonia.positions * ANGSTROM_PER_BOHR, forces=None),))
    )
    # Training ends after its warning: the output is in the way.
    output = tmp_path / "m.safetensors"
    output.write_text("")
    with warnings.catch_warnings(), pytest.raises(SystemExit):
        warnings.simplefilter("always")
        main([command, str(path)] + (["--output", str(output)] if command == "train" else []))
    captured = capsys.readouterr()
    # `info` says everything that looks wrong at its end, beside the numbers.
    said = captured.out if command == "info" else captured.err
    assert "warning: group 'ammonia': `positions` must be those of a molecule" in " ".join(said.split())


@pytest.mark.parametrize("factor", [ANGSTROM_PER_BOHR, BOHR_PER_ANGSTROM])
def test_a_bohr_taken_for_an_angstrom_in_the_forces_is_noticed(ammonia, factor):
    assert contradiction(ammonia) is None
    sentence = contradiction(replace(ammonia, forces=ammonia.forces * factor))
    assert f"multiplied by {1 / factor:.1f}"[:-1] in sentence
    assert "A bohr taken for an angstrom would do that" in sentence
