"""Extended xyz files, real ones and ones with several states."""

import re
import warnings
from dataclasses import replace

import ase.io
import numpy as np
import pytest

from nadyn.checks.errors import InputError, InputWarning
from nadyn.cli.main import main
from nadyn.data import Dataset, group_from_arrays, write_dataset
from nadyn.data.readers.extxyz import read_extxyz
from nadyn.data.structure_file import read_structure
from nadyn.data.writers.extxyz import write_extxyz
from nadyn.units import ANGSTROM_PER_BOHR, ELECTRONVOLT_PER_HARTREE, EV_PER_ANGSTROM_PER_AU

EV_PER_CUBIC_ANGSTROM = ELECTRONVOLT_PER_HARTREE / ANGSTROM_PER_BOHR**3


def written(tmp_path, *frames):
    path = tmp_path / "frames.xyz"
    path.write_text("".join(frames))
    return path


def frame(header, *, columns="forces:R:3", values="1 2 3", hydrogen="0 0 0.9", carbon="0 0 0"):
    properties = f"Properties=species:S:1:pos:R:3{':' + columns if columns else ''}"
    return f"2\n{properties} {header}\nC {carbon} {values}\nH {hydrogen} {values}\n"


def test_a_real_molecule_is_what_ase_reads(fixtures):
    (group,) = read_extxyz(fixtures / "3bpa_5_frames.xyz").groups
    frames = ase.io.read(fixtures / "3bpa_5_frames.xyz", ":")
    assert (group.name, group.n_frames, group.n_states, group.cell) == ("C12H12N2O", 5, 1, None)
    assert group.source == "3bpa_5_frames.xyz"
    for row, atoms in enumerate(frames):
        np.testing.assert_allclose(group.positions[row] * ANGSTROM_PER_BOHR, atoms.positions, rtol=1e-12)
        np.testing.assert_allclose(
            group.forces[row, 0] * EV_PER_ANGSTROM_PER_AU, atoms.get_forces(), rtol=1e-12
        )
        assert group.energies[row, 0] * ELECTRONVOLT_PER_HARTREE == pytest.approx(
            atoms.get_potential_energy()
        )


def test_a_real_periodic_solid_has_its_cell_and_stress(fixtures):
    (group,) = read_extxyz(fixtures / "carbon_periodic_6_frames.xyz").groups
    frames = ase.io.read(fixtures / "carbon_periodic_6_frames.xyz", ":")
    assert group.pbc.all() and group.n_frames == 6
    for row, atoms in enumerate(frames):
        np.testing.assert_allclose(group.cell[row] * ANGSTROM_PER_BOHR, atoms.cell.array, rtol=1e-12)
        np.testing.assert_allclose(group.forces[row, 0] * EV_PER_ANGSTROM_PER_AU, atoms.arrays["force"])
        expected = -atoms.info["virial"] / atoms.get_volume()
        np.testing.assert_allclose(group.stress[row, 0] * EV_PER_CUBIC_ANGSTROM, expected)


def test_the_virial_of_a_compressed_cell_is_a_negative_stress(fixtures):
    # The first frame is graphite with a = 2.32 Å, far below 2.45 Å: it pushes outward in the plane.
    (group,) = read_extxyz(fixtures / "carbon_periodic_6_frames.xyz").groups
    assert group.stress[0, 0, 0, 0] < 0 and group.stress[0, 0, 1, 1] < 0


@pytest.mark.parametrize(
    "text",
    [
        frame('energies="1.5 2.5"', columns="forces_0:R:3:forces_1:R:3", values="1 2 3 4 5 6"),
        frame("energy_0=1.5 energy_1=2.5", columns="forces_0:R:3:forces_1:R:3", values="1 2 3 4 5 6"),
        frame('energies="1.5 2.5"', columns="forces:R:6", values="1 2 3 4 5 6"),
        frame('energies="1.5 2.5"', columns="force:R:6", values="1 2 3 4 5 6"),
    ],
)
def test_several_states_are_read_in_every_spelling(tmp_path, text):
    (group,) = read_extxyz(written(tmp_path, text)).groups
    np.testing.assert_allclose(group.energies * ELECTRONVOLT_PER_HARTREE, [[1.5, 2.5]])
    forces = group.forces * EV_PER_ANGSTROM_PER_AU
    np.testing.assert_allclose(forces[0, 0], [[1, 2, 3]] * 2)
    np.testing.assert_allclose(forces[0, 1], [[4, 5, 6]] * 2)


@pytest.mark.parametrize("n_states", [3, 6, 9])
def test_states_keep_their_order_whatever_their_number(tmp_path, n_states):
    energies = np.arange(n_states) + 0.5
    text = frame(f'energies="{" ".join(map(str, energies))}"')
    text = text.replace("forces:R:3", "other:R:3")
    (group,) = read_extxyz(written(tmp_path, text)).groups
    np.testing.assert_allclose(group.energies[0] * ELECTRONVOLT_PER_HARTREE, energies)


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("energy=2.5", "forces:R:3"),
        ("energy=9 REF_energy=2.5", "forces:R:3"),
        ("REF_energy=2.5", "REF_forces:R:3"),
        ("energy=2.5", "force:R:3"),
    ],
)
def test_one_state_is_read_under_common_names(tmp_path, header, columns):
    (group,) = read_extxyz(written(tmp_path, frame(header, columns=columns))).groups
    np.testing.assert_allclose(group.energies * ELECTRONVOLT_PER_HARTREE, [[2.5]])
    np.testing.assert_allclose(group.forces[0, 0] * EV_PER_ANGSTROM_PER_AU, [[1, 2, 3]] * 2)


def test_a_stress_is_read_with_the_sign_of_ase(tmp_path):
    box = 'Lattice="9 0 0 0 9 0 0 0 9" pbc="T T T"'
    nine = frame(f'energy=1 stress="1 6 5 6 2 4 5 4 3" {box}')
    (group,) = read_extxyz(written(tmp_path, nine)).groups
    expected = np.array([[1, 6, 5], [6, 2, 4], [5, 4, 3]])
    np.testing.assert_allclose(group.stress[0, 0] * EV_PER_CUBIC_ANGSTROM, expected)


def test_a_state_without_forces_is_nan(tmp_path):
    text = frame('energies="1 2" charge=1 multiplicities="1 3"', columns="forces_1:R:3")
    (group,) = read_extxyz(written(tmp_path, text)).groups
    assert np.isnan(group.forces[0, 0]).all() and np.isfinite(group.forces[0, 1]).all()
    assert (group.charge, group.multiplicities) == (1, (1, 3))


def test_frames_are_grouped_by_atoms_and_their_order(tmp_path):
    swapped = "2\nProperties=species:S:1:pos:R:3 energy=1\nH 0 0 0\nC 0 0 0.9\n"
    other = "2\nProperties=species:S:1:pos:R:3 energy=1\nO 0 0 0\nH 0 0 0.9\n"
    plain = frame("energy=1", columns="", values="")
    dataset = read_extxyz(written(tmp_path, plain, other, swapped, plain))
    assert {group.name: group.n_frames for group in dataset.groups} == {"CH": 2, "HO": 1, "CH_2": 1}


@pytest.mark.parametrize(
    ("frames", "sentence"),
    [
        ([""], "must hold a frame, but is empty"),
        (
            [frame("energy=1"), frame("dihedral=1")],
            "frame 1: `energy`, `REF_energy`, `energies` or `energy_0`",
        ),
        (
            [frame("energy=1"), frame('energies="1 2"', columns="", values="")],
            "frame 1 must have 1 state as frame 0",
        ),
        (
            [frame("energy=1"), frame("energy=1 charge=1")],
            "frame 1 must have the `charge` of frame 0, 0, but has 1. Write frames that differ in it",
        ),
        ([frame('energies="1 2"')], "`forces` must have 6 columns, 3 for each of 2 states"),
        ([frame("energy=1"), frame("energy=1", values="1 2")], "frame 1 must be readable, but is not"),
        ([frame("energy=1"), "2\n"], "frame 1 must be readable, but is not: it says that it has 2 atoms"),
        # Were they looked for, it would take hours.
        (["99999999999\nenergy=1\nH 0 0 0\n"], "99999999999 atoms, and the file ends after 1."),
        (["+99_999_999_999\nenergy=1\nH 0 0 0\n"], "99999999999 atoms, and the file ends after 1."),
        ([frame("energy=1"), "VEC1 9 0 0\n99999999999\n\n"], "frame 1 must be readable, but is not: it says"),
        ([frame("energy=1"), frame("energy=nan")], "`energies` must be finite, but frame 1"),
        ([frame("energy=1", hydrogen="0 0 0.1")], "in frame 0 atoms 0 and 1 are 0.100 angstrom apart"),
        ([frame("energy=1 stress=3")], "frame 0 must be readable, but is not: Got info item stress"),
        (["1\nenergy=1\nQq 0 0 0\n"], "frame 0 must be readable, but is not: 'Qq' is no element"),
        (["hello"], "frame 0 must be readable, but is not"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path, frames, sentence):
    with pytest.raises(InputError, match=re.escape(sentence)):
        read_extxyz(written(tmp_path, *frames))


def test_a_structure_that_ends_before_its_last_atom_is_refused_at_once(tmp_path):
    (tmp_path / "start.xyz").write_text("99999999999\n\nH 0 0 0\n")
    with pytest.raises(InputError, match=r"start.xyz': frame 0 must be readable, but is not: .* after 1\."):
        read_structure(tmp_path / "start.xyz")


def test_a_missing_file_has_its_sentence(tmp_path):
    with pytest.raises(InputError, match="must exist, but does not"):
        read_extxyz(tmp_path / "none.xyz")


def kept(arrays, *names):
    return {key: arrays[key] for key in ("atomic_numbers", "positions", "energies", *names)}


def test_several_states_survive_writing_and_reading(tmp_path, arrays):
    forces = arrays["forces"]
    forces[2, 1] = np.nan
    given = group_from_arrays(
        "our molecule",
        **kept(arrays, "forces", "interstate_couplings", "cell"),
        multiplicities=(1, 1, 3, 3),
        charge=-1,
        pbc=(False, True, True),
    )
    write_extxyz(tmp_path / "out.xyz", Dataset((given,)))
    (group,) = read_extxyz(tmp_path / "out.xyz").groups
    assert (group.name, group.charge, group.multiplicities) == ("our molecule", -1, (1, 1, 3, 3))
    np.testing.assert_array_equal(group.pbc, given.pbc)
    for key, array in given.frame_arrays().items():
        np.testing.assert_allclose(getattr(group, key), array, rtol=1e-14, err_msg=key)


def test_one_state_is_written_so_that_ase_understands_it(tmp_path, arrays):
    ground = {key: arrays[key][:, :1] for key in ("energies", "forces", "stress")}
    ground["stress"] = ground["stress"] + ground["stress"].swapaxes(2, 3)
    given = group_from_arrays("x", **{**kept(arrays, "cell"), **ground}, pbc=(True, True, True))
    write_extxyz(tmp_path / "out.xyz", Dataset((given,)))
    for row, atoms in enumerate(ase.io.read(tmp_path / "out.xyz", ":")):
        np.testing.assert_allclose(
            atoms.get_potential_energy(), given.energies[row, 0] * ELECTRONVOLT_PER_HARTREE
        )
        np.testing.assert_allclose(atoms.get_forces(), given.forces[row, 0] * EV_PER_ANGSTROM_PER_AU)
        np.testing.assert_allclose(
            atoms.get_stress(voigt=False), given.stress[row, 0] * EV_PER_CUBIC_ANGSTROM
        )
    (group,) = read_extxyz(tmp_path / "out.xyz").groups
    np.testing.assert_allclose(group.stress, given.stress, rtol=1e-12)


def test_the_command_names_what_it_has_written_and_not_what_is_left_out(tmp_path, dataset, capsys):
    write_dataset(tmp_path / "in.h5", dataset)
    with warnings.catch_warnings(), pytest.raises(SystemExit) as leaving:
        warnings.simplefilter("always")
        main(["convert", str(tmp_path / "in.h5"), str(tmp_path / "out.xyz")])
    assert leaving.value.code == 0
    printed = capsys.readouterr().out
    assert "energies, forces" in printed
    assert not any(name in printed for name in ("dipoles", "spin_orbit", "stress"))


def test_charges_of_atoms_come_back_and_a_frame_without_is_nan(tmp_path):
    charges = np.array([[0.3, -0.5, 0.2], [np.nan] * 3])
    given = group_from_arrays(
        "CHO",
        atomic_numbers=[6, 1, 8],
        positions=np.arange(18.0).reshape(2, 3, 3),
        energies=np.array([[1.0], [2.0]]),
        charges=charges,
    )
    write_extxyz(tmp_path / "out.xyz", Dataset((given,)))
    (group,) = read_extxyz(tmp_path / "out.xyz").groups
    np.testing.assert_array_equal(group.charges, charges)


def test_labels_without_a_place_are_left_out_with_a_warning(tmp_path, dataset):
    with pytest.warns(InputWarning, match="dipoles and spin_orbit and stress have no place in extended xyz"):
        write_extxyz(tmp_path / "out.xyz", dataset)
    (group,) = read_extxyz(tmp_path / "out.xyz").groups
    assert group.dipoles is None
    with pytest.raises(InputError, match="must not exist yet"):
        write_extxyz(tmp_path / "out.xyz", dataset)


@pytest.mark.parametrize(
    "header, message",
    [
        ("energy=abc", r"frame 1: `energy` must hold numbers, but holds 'abc'"),
        ('energy="1 2"', r"frame 1: `energy` must be one number, but is \[1, 2\]"),
        ("energy_0=1 energy_1=x", r"frame 1: `energy_1` must hold numbers, but holds 'x'"),
        ('energies="1 b"', r"frame 1: `energies` must hold numbers, but holds"),
        ("energy=1 charge=abc", r"frame 1: `charge` must be whole, but is 'abc'"),
        ("energy=1 charge=0.5", r"frame 1: `charge` must be whole, but is 0.5"),
        ('energy=1 charge="1 2"', r"frame 1: `charge` must be whole, but is \[1, 2\]"),
        ('energy=1 multiplicities="x y"', r"frame 1: `multiplicities` must hold numbers, but holds"),
        ("energy=1 multiplicities=1.5", r"frame 1: `multiplicities` must be whole, but is 1.5"),
        ('energy=1 Lattice="9 0 0 0 9 0 0 0 9" virial="1 2 3"', r"frame 1 must be readable, but is not"),
    ],
)
def test_a_label_that_is_no_number_is_named_with_its_frame(tmp_path, header, message):
    path = written(tmp_path, frame("energy=1"), frame(header))
    with pytest.raises(InputError, match=message):
        read_extxyz(path)


def test_forces_that_are_no_numbers_are_named(tmp_path):
    path = written(tmp_path, frame("energy=1", columns="forces_0:S:3", values="a b c"))
    with pytest.raises(InputError, match="frame 0: a force or coupling must hold numbers, but holds"):
        read_extxyz(path)


# ASE makes a number, a truth and a list of the first three.
WORDS = ("007", "T", "1 2", 'a "b" = {x}', "C:\\new", "two\nlines\u2028and\x85more", "\u03c0 it's", "")


def test_texts_are_read_back_letter_by_letter(tmp_path):
    texts = dict(zip(("theory", "source", "licence", "note", "history"), WORDS[3:], strict=True))
    group = group_from_arrays(
        "007",
        atomic_numbers=[8, 1],
        positions=np.arange(len(WORDS))[:, None, None] + 2.0 * np.eye(2, 3),
        energies=np.zeros((len(WORDS), 1)),
        tag=WORDS,
    )
    write_extxyz(tmp_path / "a.xyz", Dataset((replace(group, **texts),)))
    (read,) = read_extxyz(tmp_path / "a.xyz").groups
    assert read.name == "007" and read.tag == WORDS
    assert {key: getattr(read, key) for key in texts} == texts
    # What a user says goes before what the file says.
    (read,) = read_extxyz(tmp_path / "a.xyz", source="by hand").groups
    assert (read.source, read.theory) == ("by hand", texts["theory"])
    plain = frame("energy=1 nadyn_group=cation nadyn_tag=first")
    (read,) = read_extxyz(written(tmp_path, plain)).groups
    assert (read.name, read.tag, read.source) == ("cation", ("first",), "frames.xyz")
