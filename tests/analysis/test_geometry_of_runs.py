"""Internal coordinates against ASE; which ones are chosen; isomers counted."""

import json

import ase
import ase.build
import numpy as np
import pytest
from scipy.stats import binomtest
from synthetic_run import write_run

from nadyn.analysis import analyse
from nadyn.analysis.bonds import bonds, central_double_bond, radii
from nadyn.analysis.geometry import Quantity, choose_quantities, isomers, measure, parse_quantity
from nadyn.analysis.key_numbers import key_numbers
from nadyn.checks.errors import InputError
from nadyn.trajectory import open_run
from nadyn.units import BOHR_PER_ANGSTROM

# 2-butene: double bond C0-C1, methyl carbons C2 and C3.
BUTENE_NUMBERS = np.array([6, 6, 6, 6, 1, 1, 1, 1, 1, 1, 1, 1])


def butene(dihedral: float) -> np.ndarray:
    """Positions [angstrom] of 2-butene with a given C2-C0-C1-C3 dihedral [degree]."""
    angle = np.radians(dihedral)
    spin = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    left = np.array(
        [[0, 0, 0], [-0.75, 1.3, 0], [-0.5, -0.95, 0], [-1.84, 1.2, 0], [-0.4, 1.9, 0.88], [-0.4, 1.9, -0.88]]
    )
    right = left * [-1, 1, 1] @ spin.T + [1.34, 0, 0]
    return np.concatenate([left[:1], right[:1], left[1:2], right[1:2], left[2:], right[2:]])


def run_of(tmp_path, positions_angstrom: np.ndarray, numbers: np.ndarray, **options):
    positions = positions_angstrom * BOHR_PER_ANGSTROM
    state = options.pop("state", np.zeros(positions.shape[:2], int))
    return open_run(
        write_run(
            tmp_path / "run.h5", state, n_states=2, positions=positions, atomic_numbers=numbers, **options
        )
    )


@pytest.mark.parametrize(
    ("kind", "atoms"), [("distance", (1, 4)), ("angle", (3, 0, 2)), ("dihedral", (2, 0, 4, 3))]
)
def test_internal_coordinates_agree_with_ase(tmp_path, kind, atoms):
    rng = np.random.default_rng(1)
    positions = rng.normal(size=(2, 7, 5, 3))
    run = run_of(tmp_path, positions, np.array([6, 6, 8, 1, 1]))
    measured = measure(run, Quantity(kind, atoms))
    for frame in range(2):
        for trajectory in range(7):
            molecule = ase.Atoms("CCOHH", positions=positions[frame, trajectory])
            expected = getattr(molecule, f"get_{kind}")(*atoms)
            difference = measured[frame, trajectory] - expected
            assert (difference + 180) % 360 - 180 == pytest.approx(0, abs=1e-9)


def test_angles_of_a_straight_line_keep_their_digits(tmp_path):
    positions = np.array([[-1.0, 0, 0], [0, 0, 0], [1.0, 1e-9, 0], [3, 3, 3]])
    run = run_of(tmp_path, np.broadcast_to(positions, (2, 5, 4, 3)), np.array([1, 6, 7, 1]))
    assert measure(run, Quantity("angle", (0, 1, 2)))[0, 0] == pytest.approx(
        180 - np.degrees(1e-9), abs=1e-12
    )


def test_the_dihedral_about_a_central_double_bond_is_chosen(tmp_path):
    run = run_of(tmp_path, np.broadcast_to(butene(180.0), (2, 5, 12, 3)), BUTENE_NUMBERS)
    assert choose_quantities(run) == [Quantity("dihedral", (2, 0, 1, 3))]
    assert abs(measure(run, Quantity("dihedral", (2, 0, 1, 3)))[0, 0]) == pytest.approx(180)


@pytest.mark.parametrize("name", ["C6H6", "C2H6", "H2O", "CH3CHO", "C3H4_C3v"])
def test_molecules_without_a_bond_to_twist_have_no_central_double_bond(name):
    molecule = ase.build.molecule(name)
    assert central_double_bond(molecule.numbers, molecule.positions * BOHR_PER_ANGSTROM) is None


@pytest.mark.parametrize(
    ("name", "rings"),
    [("C2H4", 0), ("trans-butane", 0), ("CH3CHO", 0), ("CH2NHCH2", 1), ("C5H8", 2), ("SiH4", 0)],
)
def test_bonds_make_one_molecule_with_its_rings(name, rings):
    molecule = ase.build.molecule(name)
    matrix = bonds(molecule.numbers, molecule.positions * BOHR_PER_ANGSTROM)
    assert np.array_equal(matrix, matrix.T)
    assert matrix.sum() // 2 == len(molecule) - 1 + rings


def test_radii_are_those_of_cordero():
    from ase.data import covalent_radii

    numbers = np.array([1, 6, 7, 8, 9, 14, 16, 17, 26, 35, 53, 79])
    # ASE prints the same source; its low-spin iron differs from the high-spin one here or not at all.
    assert np.allclose(radii(numbers) / BOHR_PER_ANGSTROM, covalent_radii[numbers], atol=0.21)
    assert np.allclose((radii(numbers) / BOHR_PER_ANGSTROM)[:8], covalent_radii[numbers][:8])


def test_the_bonds_that_change_most_are_chosen_without_a_double_bond(tmp_path):
    molecule = ase.build.molecule("C2H6")
    positions = np.broadcast_to(molecule.positions, (11, 3, 8, 3)).copy()
    positions[:, :, 4] += np.linspace(0, 0.4, 11)[:, None, None]
    chosen = choose_quantities(run_of(tmp_path, positions, molecule.numbers))
    assert len(chosen) == 3
    assert any(4 in quantity.atoms for quantity in chosen)


def test_of_a_molecule_that_fell_apart_it_is_how_far(tmp_path):
    molecule = ase.build.molecule("C2H6")
    positions = np.broadcast_to(molecule.positions, (11, 3, 8, 3)).copy()
    # The second trajectory loses its fifth atom, the others stay whole.
    positions[:, 1, 4] += (molecule.positions[4] - molecule.positions[0]) * np.linspace(0, 5, 11)[:, None]
    run = run_of(tmp_path, positions, molecule.numbers)
    (chosen,) = choose_quantities(run)
    assert (chosen.kind, chosen.unit) == ("separation", "angstrom")
    links = measure(run, chosen)
    assert links[-1, 1] > 5.0
    bond = np.linalg.norm(molecule.positions[0] - molecule.positions[1])
    np.testing.assert_allclose(links[:, [0, 2]], bond)


def test_isomerised_trajectories_are_counted_with_an_interval(tmp_path):
    ends = [0, 0, 180, 100, 80]
    positions = np.array([[butene(0.0)] * 5, [butene(angle) for angle in ends]])
    result = isomers(run_of(tmp_path, positions, BUTENE_NUMBERS), Quantity("dihedral", (2, 0, 1, 3)))
    assert result["trans_at_start"] == 0
    assert result["isomerised"] == pytest.approx(0.4)
    assert 0 < result["isomerised_low"] < 0.4 < result["isomerised_high"] < 1


def test_the_interval_of_isomerised_holds_whatever_became_of_the_stopped(tmp_path):
    ends = [0] * 30 + [180] * 20 + [0] * 40
    positions = np.array([[butene(0.0)] * 90, [butene(angle) for angle in ends]])
    status, last_step = np.repeat([0, 4], [50, 40]), np.repeat([1, 0], [50, 40])
    run = run_of(tmp_path, positions, BUTENE_NUMBERS, status=status, last_step=last_step)
    result = isomers(run, Quantity("dihedral", (2, 0, 1, 3)))
    assert result["isomerised"] == pytest.approx(20 / 50)
    # None of the stopped did: Wilson's interval of 20 of 90; all of them did: that of 60 of 90.
    few, many = (proportion_ci(k, 90) for k in (20, 60))
    assert result["isomerised_low"] == pytest.approx(few[0], abs=1e-6)
    assert result["isomerised_high"] == pytest.approx(many[1], abs=1e-6)
    assert (result["n_known"], result["n_trajectories"]) == (50, 90)
    numbers = {number.name: number for number in key_numbers(run, analyse(run.path))}
    detail = numbers["Isomerised"].detail
    assert "50 of 90 trajectories" in detail and "whatever became of the others" in detail


def proportion_ci(k, n):
    interval = binomtest(k, n).proportion_ci(method="wilson")
    return interval.low, interval.high


def test_generalised_coordinates_are_followed_as_they_are(tmp_path):
    positions = np.arange(30.0).reshape(2, 3, 5, 1)
    path = write_run(tmp_path / "run.h5", np.zeros((2, 3), int), n_states=2, positions=positions)
    followed = analyse(path)["geometry"]
    assert [item["kind"] for item in followed] == ["coordinate"] * 3
    assert followed[1]["mean"] == pytest.approx([6.0, 21.0])


@pytest.mark.parametrize(
    ("kind", "text", "sentence"),
    [
        ("distance", "0", "`--distance` must name 2 different atoms, but is '0'. Try --distance 0,1."),
        ("angle", "0,1,1", "must name 3 different atoms"),
        ("dihedral", "0,1,2,x", "must name 4 different atoms"),
        ("distance", "0,5", "must name atoms from 0 to 4, but names 5"),
    ],
)
def test_a_wrong_choice_of_atoms_is_refused(kind, text, sentence):
    with pytest.raises(InputError, match=sentence.replace(".", r"\.")):
        parse_quantity(kind, text, 5)


def test_the_summary_is_valid_json_even_with_stopped_trajectories(tmp_path):
    positions = np.full((3, 2, 12, 3), np.nan)
    positions[0] = butene(10.0)
    options = {"status": np.array([2, 2]), "last_step": np.array([0, 0])}
    run = run_of(tmp_path, positions, BUTENE_NUMBERS, **options)
    text = json.dumps(analyse(run.path), allow_nan=False)
    assert json.loads(text)["geometry"][0]["mean"][1] is None
