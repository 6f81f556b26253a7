"""Names that others give to their labels, isotopes, and boxes that cut a molecule."""

import warnings

import numpy as np
import pytest

from nadyn.checks.errors import InputError, InputWarning
from nadyn.data.label_checks.table import doubts
from nadyn.data.readers.extxyz import read_extxyz
from nadyn.data.readers.reader import ReadOptions
from nadyn.units import ELECTRON_MASS_PER_DALTON, ELECTRONVOLT_PER_HARTREE


def water(
    tmp_path, header="energy=-76.0", *, columns="forces:R:3", symbols="OHH", extra="", rows="", shift=0.0
):
    """Write two frames of water and return the path."""
    places = np.array([[0, 0, 0], [0.76, 0.59, 0], [-0.76, 0.59, 0]])
    text = ""
    for frame in range(2):
        properties = f"Properties=species:S:1:pos:R:3{':' + columns if columns else ''}{extra}"
        text += f"3\n{properties} {header}\n"
        for atom, symbol in enumerate(symbols):
            place = (
                " ".join(f"{x:.6f}" for x in (places[atom] + 0.01 * frame) % shift)
                if shift
                else (" ".join(f"{x:.6f}" for x in places[atom] + 0.01 * frame))
            )
            text += f"{symbol} {place}{' 0.1 0.2 0.3' if columns else ''}{rows}\n"
    path = tmp_path / "water.xyz"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["dft_forces", "Forces", "force_ref", "gradient"])
def test_forces_under_another_name_are_warned_of_and_read_on_demand(tmp_path, name):
    path = water(tmp_path, columns=f"{name}:R:3")
    with pytest.warns(
        InputWarning, match=rf"`{name}` stands in 2 of 2 frames and was not read. Did you mean"
    ):
        assert read_extxyz(path).groups[0].forces is None
    with warnings.catch_warnings():
        warnings.simplefilter("error", InputWarning)
        assert read_extxyz(path, ReadOptions(forces_key=name)).groups[0].forces.shape == (2, 1, 3, 3)


def test_a_file_that_changes_its_names_is_read_whole(tmp_path):
    first = water(tmp_path).read_text()
    path = water(tmp_path, columns="force_ref:R:3")
    path.write_text(first + path.read_text())
    with pytest.warns(InputWarning, match="`force_ref` stands in 2 of 4 frames"):
        read_extxyz(path)
    assert np.isfinite(read_extxyz(path, ReadOptions(forces_key="force_ref")).groups[0].forces).all()


def test_a_column_that_is_not_there_is_refused_with_those_that_are(tmp_path):
    with pytest.raises(InputError, match=r"no frame has 'F'. There are: forces"):
        read_extxyz(water(tmp_path), ReadOptions(forces_key="F"))


def test_numbers_that_no_header_names_are_warned_of(tmp_path):
    path = water(tmp_path, columns="", rows=" 0.1 0.2 0.3")
    with pytest.warns(
        InputWarning, match="the rows of 2 of 2 frames, the first is 0, hold more numbers than"
    ):
        assert read_extxyz(path).groups[0].forces is None


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        ("TotEnergy=-76.0 E0=-1.0", "There is `TotEnergy`, `E0`. If it is `TotEnergy`, give `--energy-key"),
        ("dft_energy=-76.0", "There is `dft_energy`. If it is `dft_energy`, give `--energy-key dft_energy`"),
        ("-76.0", "There is a bare number: write `energy=`"),
        ("name=water", "There is no number in the header"),
    ],
)
def test_an_energy_that_is_missing_is_answered_with_what_is_there(tmp_path, header, sentence):
    with pytest.raises(InputError, match=f"`energy`, .* must be there, but none is. {sentence}"):
        read_extxyz(water(tmp_path, header))


def test_an_energy_is_read_under_a_name_of_choice(tmp_path):
    (group,) = read_extxyz(water(tmp_path, "TotEnergy=-76.0"), ReadOptions(energy_key="TotEnergy")).groups
    np.testing.assert_allclose(group.energies * ELECTRONVOLT_PER_HARTREE, -76.0)
    states = water(tmp_path, 'E="-76.0 -70.0"', columns="")
    assert read_extxyz(states, ReadOptions(energy_key="E")).groups[0].n_states == 2


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("total_charge=1", "Did you mean `charge`?"),
        ("spin_multiplicity=3", "Did you mean `multiplicities`?"),
        ('dft_stress="1 0 0 0 1 0 0 0 1"', "Did you mean `stress`?"),
        ('dipole="0 0 1"', "was not read."),
    ],
)
def test_keys_that_are_meant_as_labels_are_named(tmp_path, key, near):
    with pytest.warns(InputWarning) as caught:
        read_extxyz(water(tmp_path, f"energy=-76.0 {key}"))
    (warning,) = (one for one in caught if issubclass(one.category, InputWarning))
    assert near in str(warning.message) and key.split("=")[0] in str(warning.message)


def test_settings_of_a_calculation_are_no_labels(tmp_path):
    """Words of real files that hold `energy`, `stress`, `charge` and mean something else."""
    header = (
        'energy=-76.0 elec_energy_tol=1e-08 calculate_stress=T mix_charge_amp=0.15 cut_off_energy="650 eV" '
        "spin_polarized=F dihedral_angle=8.0 config_type=bulk free_energy=-76.1"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", InputWarning)
        read_extxyz(water(tmp_path, header, extra=":frac_pos:R:3", rows=" 0 0 0"))


def test_deuterium_and_tritium_are_hydrogen_with_their_mass(tmp_path):
    (group,) = read_extxyz(water(tmp_path, symbols="ODT")).groups
    assert group.name == "DTO" and group.atomic_numbers.tolist() == [8, 1, 1]
    found = group.masses / ELECTRON_MASS_PER_DALTON
    np.testing.assert_allclose(found, [15.9949146, 2.0141018, 3.0160493], atol=1e-6)


def test_masses_of_a_column_are_kept(tmp_path):
    (group,) = read_extxyz(water(tmp_path, extra=":masses:R:1", rows=" 2.5")).groups
    np.testing.assert_allclose(group.masses / ELECTRON_MASS_PER_DALTON, 2.5)


def test_isotopologues_are_groups_of_their_own(tmp_path):
    light = water(tmp_path).read_text()
    path = water(tmp_path, symbols="ODD")
    path.write_text(light + path.read_text())
    first, second = read_extxyz(path).groups
    assert (first.name, first.masses, second.name) == ("H2O", None, "D2O")
    assert second.masses is not None


def test_a_molecule_cut_by_a_box_is_found_and_one_in_a_periodic_box_is_whole(tmp_path):
    box = 'Lattice="20 0 0 0 20 0 0 0 20" energy=-76.0'
    (cut,) = read_extxyz(water(tmp_path, f'{box} pbc="F F F"', shift=20.0)).groups
    (doubt,) = doubts(cut)
    assert "in 2 of 2 frames (0, 1) a molecule is cut by the wall" in doubt.sentence
    assert doubt.frames.tolist() == [True, True]
    (periodic,) = read_extxyz(water(tmp_path, f'{box} pbc="T T T"', shift=20.0)).groups
    (whole,) = read_extxyz(water(tmp_path, f'{box} pbc="F F F"')).groups
    assert doubts(periodic) == doubts(whole) == () and whole.cell is None
