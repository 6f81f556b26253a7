"""Normal modes of printed outputs, in the format of Gaussian, beside those of a Molden file of the same."""

import sys

import numpy as np
import pytest

from nadyn.checks.errors import InputError
from nadyn.cli.main import main
from nadyn.dynamics.initial.frequency_output import program_of, read_output_modes
from nadyn.dynamics.initial.molden import read_molden_modes
from nadyn.dynamics.initial.read_modes import holds_modes, read_modes
from nadyn.structures import masses
from nadyn.trajectory.initial_conditions import read_initial_conditions
from nadyn.units import ANGSTROM_PER_BOHR, INVERSE_CM_PER_HARTREE

pytest.importorskip("cclib")


# What is seen of displacements that do not belong to the geometry.
_OTHERS = r"motion of the whole molecule|that are orthogonal"


@pytest.fixture(scope="module")
def water(request):
    return read_molden_modes(request.config.rootpath / "tests/data/fixtures/water_6-31g.freq.molden")


def output(water, *, digits=5, mass=None, order=(0, 1, 2), turn=None, first=None):
    """A computation of frequencies as Gaussian prints it, with the atoms of the geometry in some order."""
    numbers = water.atomic_numbers
    root = np.sqrt(masses(numbers))[:, None]
    shifts = water.modes.vectors / root
    if mass is not None:
        # The normal modes of other isotopes about the same minimum, from the same force constants.
        weighted = water.modes.vectors * root
        hessian = np.einsum("kia,k,kjb->iajb", weighted, water.modes.frequencies**2, weighted).reshape(9, 9)
        other = np.repeat(np.sqrt(mass), 3)
        _, columns = np.linalg.eigh(hessian / np.outer(other, other))
        shifts = (columns.T[6:] / other).reshape(3, 3, 3)
    shifts /= np.linalg.norm(shifts.reshape(len(shifts), -1), axis=1)[:, None, None]
    centre = water.modes.centre * ANGSTROM_PER_BOHR
    if turn is not None:
        centre = centre @ turn
    frequencies = water.modes.frequencies * INVERSE_CM_PER_HARTREE
    if first is not None:
        frequencies = np.array([first, *frequencies[1:]])
    rule = " ---------------------------------------------------------------------\n"
    text = " Entering Gaussian System, Link 0=g16\n            Gaussian, Inc.  All Rights Reserved.\n"
    text += "                         Standard orientation:                         \n" + rule
    text += " Center     Atomic      Atomic             Coordinates (Angstroms)\n"
    text += " Number     Number       Type             X           Y           Z\n" + rule
    for row, atom in enumerate(order):
        x, y, z = centre[atom]
        text += f"{row + 1:7d}{numbers[atom]:11d}{0:12d}    {x:12.6f}{y:12.6f}{z:12.6f}\n"
    text += rule + " Harmonic frequencies (cm**-1), IR intensities (KM/Mole),\n"
    text += " and normal coordinates:\n"
    text += "                      1                      2                      3\n"
    text += "                     A1                     A1                     B2\n"
    text += " Frequencies --" + "".join(f"{f:12.4f}           " for f in frequencies) + "\n"
    text += " Red. masses --      1.0000                 1.0000                 1.0000\n"
    text += " Frc consts  --      1.0000                 1.0000                 1.0000\n"
    text += " IR Inten    --      1.0000                 1.0000                 1.0000\n"
    text += "  Atom  AN      X      Y      Z        X      Y      Z        X      Y      Z\n"
    for atom, number in enumerate(numbers):
        row = "  ".join("".join(f"{x:{digits + 5}.{digits}f}" for x in mode[atom]) for mode in shifts)
        text += f"{atom + 1:6d}{number:4d}  {row}\n"
    return text + "\n Normal termination of Gaussian 16\n"


@pytest.mark.parametrize(("digits", "allowed"), [(2, 2e-4), (5, 1e-8)])
def test_modes_of_an_output_are_those_of_a_molden_file(water, tmp_path, digits, allowed):
    path = tmp_path / "freq.log"
    path.write_text(output(water, digits=digits))
    assert holds_modes(path) and program_of(path) == "Gaussian"
    found = read_modes(path)
    np.testing.assert_allclose(found.modes.frequencies, water.modes.frequencies, rtol=1e-6)
    np.testing.assert_allclose(found.modes.centre, water.modes.centre, atol=2e-6)
    assert found.atomic_numbers.tolist() == [8, 1, 1]
    overlap = np.abs((found.modes.vectors * water.modes.vectors).sum(axis=(1, 2)))
    np.testing.assert_allclose(overlap, 1.0, atol=allowed)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (
            {"turn": np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])},
            _OTHERS,
        ),
        ({"first": -310.5}, "one of the vibrations is -310.5 cm-1"),
    ],
)
def test_what_is_of_another_geometry_or_no_minimum(water, tmp_path, change, complaint):
    path = tmp_path / "freq.log"
    path.write_text(output(water, **change))
    with pytest.raises(InputError, match=complaint):
        read_output_modes(path)


def test_atoms_of_the_geometry_in_another_order_are_seen(water, tmp_path):
    path = tmp_path / "freq.log"
    path.write_text(output(water, order=(0, 2, 1)))
    with pytest.raises(InputError, match=_OTHERS):
        read_output_modes(path)


def test_modes_of_other_isotopes_are_not_taken_for_those_of_the_usual(water, tmp_path):
    path = tmp_path / "freq.log"
    usual = masses(water.atomic_numbers)
    path.write_text(output(water, mass=usual))
    np.testing.assert_allclose(read_output_modes(path).modes.frequencies, water.modes.frequencies, rtol=1e-6)
    path.write_text(output(water, mass=usual * np.array([1.0, 2.0, 1.0])))
    with pytest.raises(InputError, match=r"that are orthogonal.*isotopes meant"):
        read_output_modes(path)


def test_modes_in_any_order_are_sorted_with_their_vectors(water, tmp_path):
    path = tmp_path / "freq.log"
    plain = output(water)
    path.write_text(plain)
    usual = read_output_modes(path)
    # The columns of the first and the last mode exchanged.
    lines = plain.splitlines()
    for number, line in enumerate(lines):
        if line.startswith(" Frequencies --"):
            a, b, c = line.split()[2:]
            lines[number] = f" Frequencies -- {c:>11s}            {b:>11s}            {a:>11s}"
        elif len(line.split()) == 11 and line.split()[0].isdigit():
            head, values = line[:10], line[10:].split()
            turned = values[6:] + values[3:6] + values[:3]
            lines[number] = head + "".join(f"{x:>12s}" for x in turned)
    path.write_text("\n".join(lines) + "\n")
    found = read_output_modes(path)
    np.testing.assert_allclose(found.modes.frequencies, usual.modes.frequencies, rtol=1e-12)
    overlap = np.abs((found.modes.vectors * usual.modes.vectors).sum(axis=(1, 2)))
    np.testing.assert_allclose(overlap, 1.0, atol=1e-8)


def test_an_output_without_frequencies_or_cut_is_refused(water, tmp_path):
    path = tmp_path / "freq.log"
    text = output(water)
    path.write_text(text.partition(" Harmonic")[0])
    with pytest.raises(InputError, match="cclib finds no vibfreqs, vibdisps in it"):
        read_output_modes(path)
    path.write_text(text.partition("  Atom  AN")[0])
    with pytest.raises(InputError, match="cclib finds no vibdisps"):
        read_output_modes(path)


def test_without_cclib_the_extra_is_named(water, tmp_path, monkeypatch):
    path = tmp_path / "freq.log"
    path.write_text(output(water))
    monkeypatch.setitem(sys.modules, "cclib.io", None)
    with pytest.raises(InputError, match=r'pip install "nadyn\[outputs\]"'):
        read_output_modes(path)


def test_a_run_file_that_names_a_program_is_no_output(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text(
        "# geometry by Gaussian, energies by MOLCAS and TURBOMOLE\nmodel: {name: tully, number: 1}\n"
    )
    assert program_of(path) is None


def test_the_command_samples_an_output(water, tmp_path, capsys):
    path = tmp_path / "freq.log"
    path.write_text(output(water))
    with pytest.raises(SystemExit) as left:
        main(["sample", str(path), "--n", "6", "--state", "1", "--output", str(tmp_path / "i.h5")])
    assert left.value.code == 0
    assert "1775.1, 3923.7, 4063.0" in capsys.readouterr().out
    assert len(read_initial_conditions(tmp_path / "i.h5").weight) == 6
