"""Charge and multiplicities: what a file says holds, what none says is assumed, shown, and can be said."""

from dataclasses import replace

import ase
import ase.db
import h5py
import numpy as np
import pytest

from nadyn.checks.errors import InputError, InputWarning
from nadyn.data import Dataset, group_from_arrays, load_dataset, write_dataset
from nadyn.data.assumptions import in_words
from nadyn.data.joining import join
from nadyn.data.label_checks.electron_count import impossible_electrons
from nadyn.data.readers.reader import ReadOptions
from nadyn.data.readers.table import read_file
from nadyn.data.writers.extxyz import write_extxyz
from tests.cli.typed import typed

FRAME = '3\nProperties=species:S:1:pos:R:3 energies="-1.0 0.5"{said}\nO 0 0 0\nH 0 0 0.97\nH 0.94 0 -0.24\n'
SILENT = frozenset({"charge", "multiplicities"})


def xyz(folder, said="", name="water.xyz"):
    path = folder / name
    path.write_text(FRAME.format(said=said) * 12, encoding="utf-8")
    return path


def water(**values):
    """Two frames of water with two states; nobody says its charge but `values`."""
    positions = np.array(
        [[[0.0, 0, 0], [0, 0, 1.8], [1.7, 0, -0.4]], [[0, 0, 0], [0, 0, 1.9], [1.7, 0, -0.4]]]
    )
    energies = np.array([[-1.0, -0.8], [-0.9, -0.75]])
    return group_from_arrays(
        "water", atomic_numbers=[8, 1, 1], positions=positions, energies=energies, **values
    )


def test_what_no_file_says_is_assumed_and_stays_an_assumption_in_every_format(tmp_path):
    (group,) = read_file(xyz(tmp_path)).groups
    assert (group.charge, group.multiplicities, group.assumed) == (0, (1, 1), SILENT)
    write_dataset(tmp_path / "a.h5", Dataset((group,)))
    assert load_dataset(tmp_path / "a.h5").groups[0].assumed == SILENT
    write_extxyz(tmp_path / "back.xyz", Dataset((group,)))
    assert read_file(tmp_path / "back.xyz").groups[0].assumed == SILENT


@pytest.mark.parametrize("charge", [0, -1, 2])
def test_what_a_file_says_is_no_assumption_in_any_format(tmp_path, charge):
    (group,) = read_file(xyz(tmp_path, f' charge={charge} multiplicities="1 1"')).groups
    assert (group.charge, group.assumed) == (charge, frozenset())
    write_dataset(tmp_path / "a.h5", Dataset((group,)))
    write_extxyz(tmp_path / "back.xyz", Dataset((group,)))
    for path in (tmp_path / "a.h5", tmp_path / "back.xyz"):
        (again,) = read_file(path).groups
        assert (again.charge, again.multiplicities, again.assumed) == (charge, (1, 1), frozenset())


def test_a_user_says_what_no_file_says_and_contradicts_none_that_does(tmp_path):
    silent, loud = xyz(tmp_path), xyz(tmp_path, ' charge=-1 multiplicities="3 3"', "loud.xyz")
    for path in (silent, loud):
        (group,) = read_file(path, ReadOptions(charge=-1, multiplicities=(3, 3))).groups
        assert (group.charge, group.multiplicities, group.assumed) == (-1, (3, 3), frozenset())
    with pytest.raises(InputError, match=r"`--charge` must not contradict the file, which says -1 .* is 1\."):
        read_file(loud, ReadOptions(charge=1))
    with pytest.raises(InputError, match=r"`--multiplicities` must not contradict .* says 3 3, but is 1 1\."):
        read_file(loud, ReadOptions(multiplicities=(1, 1)))


def test_an_assumption_in_a_dataset_may_be_corrected_later_but_what_is_said_may_not(tmp_path):
    write_dataset(tmp_path / "a.h5", Dataset((water(),)))
    (group,) = load_dataset(tmp_path / "a.h5", charge=2, multiplicities=(1, 3)).groups
    assert (group.charge, group.multiplicities, group.assumed) == (2, (1, 3), frozenset())
    write_dataset(tmp_path / "b.h5", Dataset((group,)))
    with pytest.raises(InputError, match="must not contradict the file, which says 2 of group 'water'"):
        load_dataset(tmp_path / "b.h5", charge=0)
    with pytest.raises(InputError, match="must not contradict the file, which says 1 3"):
        load_dataset(tmp_path / "b.h5", multiplicities=(1, 1))


def test_a_dataset_without_the_attribute_says_no_charge(tmp_path):
    write_dataset(tmp_path / "a.h5", Dataset((water(charge=0, multiplicities=(1, 1)),)))
    assert load_dataset(tmp_path / "a.h5").groups[0].assumed == frozenset()
    with h5py.File(tmp_path / "a.h5", "a") as file:
        del file["water"].attrs["charge"]
    assert load_dataset(tmp_path / "a.h5").groups[0].assumed == {"charge"}


@pytest.mark.parametrize(
    ("initial_charges", "metadata", "data", "expected"),
    [
        (None, {}, {}, None),
        (None, {"charge": 1}, {}, 1),
        (None, {"charge": 1}, {"charge": -1}, -1),
        # Charges of atoms, whose sum is whole but for rounding.
        ((0.9, 0.1, 0.000001), {}, {}, 1),
    ],
)
def test_an_ase_database_says_its_charge_in_one_of_three_places(
    tmp_path, initial_charges, metadata, data, expected
):
    path = tmp_path / "a.db"
    with ase.db.connect(str(path)) as file:
        file.metadata = {"_distance_unit": "Ang", "n_singlets": 2, "n_triplets": 0, **metadata}
        for _ in range(2):
            atoms = ase.Atoms("OH2", positions=[[0, 0, 0], [0, 0, 0.97], [0.94, 0, -0.24]])
            if initial_charges is not None:
                atoms.set_initial_charges(initial_charges)
            file.write(atoms, data={"energy": np.array([-1.0, -0.8]), **data})
    (group,) = read_file(path).groups
    assert group.charge == (expected or 0)
    assert group.assumed == (frozenset({"charge"}) if expected is None else frozenset())


def test_where_one_part_says_the_charge_the_whole_does():
    said, silent = water(charge=0), water()
    assert join([Dataset((silent,)), Dataset((said,))]).groups[0].assumed == {"multiplicities"}
    with pytest.raises(
        InputError, match=r"differ in `charge` .0 and 2.. One of them is assumed, .* `--charge`"
    ):
        join([Dataset((silent,)), Dataset((replace(said, charge=2),))])


def test_an_odd_number_of_electrons_has_no_singlets():
    assert impossible_electrons(water()) is None
    assert impossible_electrons(water(charge=1, multiplicities=(2, 4))) is None
    assert impossible_electrons(water(charge=-2, multiplicities=(1, 3))) is None
    doubt = impossible_electrons(water(charge=1))
    assert "H2O of charge 1 has 9 electrons, which have no 2S+1 of 1. No file says `multipl" in doubt.sentence
    assert "10 electrons, which have no 2S+1 of 2 and 4. No file says `charge`: say it with `--charge`" in (
        impossible_electrons(water(multiplicities=(2, 4))).sentence
    )
    assert "Correct one" in impossible_electrons(water(charge=0, multiplicities=(1, 2))).sentence


def test_info_shows_charge_and_multiplicities_and_which_are_assumed(tmp_path):
    code, printed = typed("info", xyz(tmp_path))
    assert code == 0
    assert "charge 0 (assumed: no file says it; give `--charge`), multiplicities 1 1 (assumed" in printed
    _, printed = typed("info", xyz(tmp_path), "--charge", "1", "--multiplicities", "2 2")
    assert "charge +1, multiplicities 2 2\n" in printed and "electrons" not in printed
    assert in_words(water(charge=-1, multiplicities=(2, 2))) == "charge -1, multiplicities 2 2"


def test_convert_keeps_what_is_said_and_says_what_is_assumed(tmp_path):
    source = xyz(tmp_path)
    code, printed = typed("convert", source, tmp_path / "a.h5")
    assert code == 0 and "charge 0 (assumed" in printed
    code, printed = typed(
        *("convert", source, tmp_path / "b.h5", "--charge", "-2", "--multiplicities", "1 3")
    )
    assert code == 0 and "assumed" not in printed
    (group,) = load_dataset(tmp_path / "b.h5").groups
    assert (group.charge, group.multiplicities, group.assumed) == (-2, (1, 3), frozenset())
    code, printed = typed("convert", tmp_path / "b.h5", tmp_path / "c.h5", "--charge", "1")
    assert code == 2 and "must not contradict the file, which says -2" in printed
    assert not (tmp_path / "c.h5").exists()


def test_multiplicities_that_were_concluded_may_be_corrected_in_the_dataset(tmp_path, fixtures):
    with pytest.warns(InputWarning, match="taken as 1 1 3 3"):
        dataset = read_file(fixtures / "pyrai2md_5_frames.json")
    write_dataset(tmp_path / "a.h5", dataset)
    (kept,) = load_dataset(tmp_path / "a.h5").groups
    assert kept.multiplicities == (1, 1, 3, 3) and kept.assumed == SILENT
    (given,) = load_dataset(tmp_path / "a.h5", multiplicities=(1, 1, 5, 5)).groups
    assert given.assumed == {"charge"} and given.note.endswith("were then given as 1 1 5 5")
