"""Datasets on disk: what is written is read; what is wrong is refused in one sentence."""

import re
import shutil
import subprocess
import sys
import warnings

import h5py
import numpy as np
import pytest

import nadyn
from nadyn.checks.errors import InputError, InputWarning
from nadyn.data import load_dataset, write_dataset
from nadyn.data.arrays import ARRAYS
from nadyn.units import to_atomic_units


@pytest.fixture
def path(tmp_path, dataset):
    write_dataset(tmp_path / "data.h5", dataset)
    return tmp_path / "data.h5"


def replace_array(path, name, array, unit=None):
    with h5py.File(path, "r+") as file:
        group = file["made up"]
        kept = group[name].attrs.get("unit")
        del group[name]
        group.create_dataset(name, data=array).attrs["unit"] = unit or kept


def test_a_dataset_is_read_as_it_was_written(path, dataset):
    assert_same(load_dataset(path), dataset)


def assert_same(found, expected):
    assert found.names == expected.names
    for ours, theirs in zip(found.groups, expected.groups, strict=True):
        assert ours.frame_arrays().keys() == theirs.frame_arrays().keys()
        for key, array in ours.frame_arrays().items():
            np.testing.assert_array_equal(array, theirs.frame_arrays()[key], err_msg=key)
        np.testing.assert_array_equal(ours.pbc, theirs.pbc)
        np.testing.assert_array_equal(ours.atomic_numbers, theirs.atomic_numbers)
        for key in ("charge", "multiplicities", "theory", "source", "licence", "note"):
            assert getattr(ours, key) == getattr(theirs, key)


def test_the_same_dataset_gives_the_same_bytes(tmp_path, path, dataset):
    write_dataset(tmp_path / "again.h5", dataset)
    assert path.read_bytes() == (tmp_path / "again.h5").read_bytes()


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("positions", "angstrom"),
        ("energies", "eV"),
        ("forces", "kcal/mol/angstrom"),
        ("interstate_couplings", "hartree/angstrom"),
        ("dipoles", "debye"),
        ("spin_orbit", "cm-1"),
        ("cell", "nm"),
        ("stress", "GPa"),
    ],
)
def test_values_are_multiplied_by_their_unit(path, dataset, name, unit):
    expected = dataset.groups[0].frame_arrays()[name]
    factor = to_atomic_units(unit, ARRAYS[name].dimension)
    replace_array(path, name, expected / factor, unit)
    np.testing.assert_allclose(getattr(load_dataset(path).groups[0], name), expected, rtol=1e-13)


def test_single_precision_files_are_read_as_double(path, dataset):
    replace_array(path, "forces", dataset.groups[0].forces.astype(np.float32))
    assert load_dataset(path).groups[0].forces.dtype == np.float64


def test_the_real_slices_are_read_without_a_warning(fixtures):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        butene = nadyn.load_dataset(fixtures / "butene_60_frames.h5").group("hexafluorobutene")
        ethanol = nadyn.load_dataset(fixtures / "ethanol_60_frames.h5").group("ethanol")
    assert (butene.n_frames, butene.n_atoms, butene.n_states, butene.pairs) == (60, 12, 2, ((0, 1),))
    assert (ethanol.n_frames, ethanol.n_atoms, ethanol.n_states) == (60, 9, 1)


def test_reading_a_dataset_does_not_need_torch(fixtures):
    code = (
        "import sys, nadyn\n"
        f"nadyn.load_dataset({str(fixtures / 'ethanol_60_frames.h5')!r})\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_ground_state_forces_without_a_state_axis_are_refused(path, dataset):
    replace_array(path, "forces", dataset.groups[0].forces[:, 0])
    sentence = (
        "`forces` must have shape (n_frames, n_states, n_atoms, 3), but has shape (7, 5, 3). "
        "Ground-state data needs a state axis: use forces[:, None]."
    )
    with pytest.raises(InputError, match=re.escape(sentence)):
        load_dataset(path)


@pytest.mark.parametrize(
    ("name", "change", "sentence"),
    [
        ("energies", lambda a: a[:, 0], "use energies[:, None]"),
        ("energies", lambda a: a[:, :0], "must not be empty"),
        ("energies", lambda a: a[:-1], "`energies` must have shape (7, n_states), but has shape (6, 4)"),
        ("positions", lambda a: a[:, :, :2], "`positions` must have shape (n_frames, n_atoms, 3)"),
        (
            "positions",
            lambda a: a[:, :4],
            "must have shape (n_frames, 5, 3), but has shape (7, 4, 3)",
        ),
        ("positions", lambda a: a[0], "use positions[None]"),
        ("forces", lambda a: a[:, :3], "`forces` must have shape (7, 4, 5, 3), but has shape (7, 3, 5, 3)"),
        ("interstate_couplings", lambda a: a[:, :4], "must have shape (7, 6, 5, 3)"),
        ("interstate_couplings", lambda a: a[:, 0], "use interstate_couplings[:, None]"),
        ("spin_orbit", lambda a: a[:, :4, :4], "must have shape (7, 8, 8, 2)"),
        ("stress", lambda a: a[:, 0], "use stress[:, None]"),
        ("cell", lambda a: a[0], "use cell[None]"),
        ("cell", lambda a: a * [0.0, 1.0, 1.0], "`cell` must span a volume, but that of frame 0 is flat"),
    ],
)
def test_a_wrong_shape_is_refused(path, dataset, name, change, sentence):
    replace_array(path, name, change(dataset.groups[0].frame_arrays()[name]))
    with pytest.raises(InputError, match=re.escape(sentence)) as caught:
        load_dataset(path)
    assert "group 'made up'" in str(caught.value) and "data.h5" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "place", "value", "sentence"),
    [
        ("positions", (3, 1, 2), np.nan, "`positions` must be finite, but frame 3, entry 1 holds nan"),
        ("energies", (2, 1), np.nan, "`energies` must be finite, but frame 2, entry 1 holds nan"),
        ("cell", (2, 1), np.inf, "`cell` must be finite"),
        ("forces", (4, 1, 0, 0), np.inf, "`forces` must be finite, but frame 4"),
        (
            "forces",
            (4, 1, 0, 0),
            np.nan,
            "`forces` must be complete or NaN as a whole, but frame 4 is",
        ),
        ("spin_orbit", (6, 2, 1, 0), np.nan, "`spin_orbit` must be complete or NaN as a whole, but frame 6"),
    ],
)
def test_numbers_that_are_none_are_refused(path, dataset, name, place, value, sentence):
    array = dataset.groups[0].frame_arrays()[name].copy()
    array[place] = value
    replace_array(path, name, array)
    with pytest.raises(InputError, match=re.escape(sentence)):
        load_dataset(path)


def test_a_label_may_be_missing_as_a_whole(path, dataset):
    forces = dataset.groups[0].forces.copy()
    forces[4, 1] = forces[6] = np.nan
    replace_array(path, "forces", forces)
    np.testing.assert_array_equal(load_dataset(path).groups[0].forces, forces)
    replace_array(path, "forces", np.full_like(forces, np.nan))
    assert load_dataset(path).groups[0].forces is None


def test_atoms_in_one_place_are_refused_with_their_frame(path, dataset):
    positions = dataset.groups[0].positions.copy()
    positions[5, 3] = positions[5, 1] + 0.1
    replace_array(path, "positions", positions)
    with pytest.raises(InputError, match=r"in frame 5 atoms 1 and 3 are 0\.092 angstrom apart"):
        load_dataset(path)


def test_an_atom_on_the_image_of_another_is_refused_along_periodic_directions_only(path, dataset):
    group = dataset.groups[0]
    for direction, refused in ((0, True), (1, False)):
        positions = group.positions.copy()
        positions[2, 4] = positions[2, 0] + 2 * group.cell[2, direction] + 0.05
        replace_array(path, "positions", positions)
        if refused:
            with pytest.raises(InputError, match="in frame 2 atoms 0 and 4"):
                load_dataset(path)
        else:
            np.testing.assert_array_equal(load_dataset(path).groups[0].positions, positions)


@pytest.mark.parametrize(
    ("unit", "sentence"),
    [
        (None, "`forces` must have a `unit` attribute, but has none. Try 'eV/angstrom'"),
        ("furlong", "`forces`: unit 'furlong' must be made of known units"),
        ("eV", "`forces`: unit 'eV' must measure force, but does not"),
    ],
)
def test_a_missing_unknown_or_wrong_unit_is_refused(path, unit, sentence):
    with h5py.File(path, "r+") as file:
        del file["made up/forces"].attrs["unit"]
        if unit:
            file["made up/forces"].attrs["unit"] = unit
    with pytest.raises(InputError, match=re.escape(sentence)):
        load_dataset(path)


def set_attribute(owner, key, value):
    def change(file):
        file[owner].attrs[key] = value

    return change


def delete(name):
    def change(file):
        del file[name]

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            set_attribute("/", "version", 2),
            "`version` of the file must be 1, but is 2. Install a newer",
        ),
        (set_attribute("/", "version", "one"), "`version` of the file must be 1"),
        (set_attribute("/", "format", "nadyn-trajectories"), "must be in the format 'nadyn-dataset'"),
        (lambda file: file.attrs.pop("format"), "its `format` is 'not given'"),
        (delete("made up"), "a dataset must hold a group"),
        (delete("made up/energies"), "`energies` must be there, but is missing"),
        (delete("made up/cell"), "`cell` must be given where a direction is periodic"),
        (
            set_attribute("made up", "multiplicities", [1, 1]),
            "must hold 2S+1 of each of the 4",
        ),
        (set_attribute("made up", "multiplicities", [3, 3, 1, 1]), "must be ordered by multiplicity"),
        (set_attribute("made up", "multiplicities", "singlet"), "`multiplicities` must be whole numbers"),
        (set_attribute("made up", "charge", 0.5), "`charge` must be a whole number"),
        (set_attribute("made up", "charge", "none"), "`charge` must be a whole number"),
    ],
)
def test_a_file_that_says_something_else_is_refused(path, change, sentence):
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(InputError, match=re.escape(sentence)):
        load_dataset(path)


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        (np.array([6, 1, 8, 1, 99]), "`atomic_numbers` must lie between 1 and 96"),
        (np.array([6.0, 1, 8, 1, 7]), "`atomic_numbers` must be a list of whole numbers"),
        (np.ones((5, 1), dtype=int), "`atomic_numbers` must be a list of whole numbers"),
    ],
)
def test_impossible_atomic_numbers_are_refused(path, numbers, sentence):
    replace_array(path, "atomic_numbers", numbers, "1")
    with pytest.raises(InputError, match=sentence):
        load_dataset(path)


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.3, 0.95])
def test_a_truncated_file_is_refused(tmp_path, fixtures, kept):
    whole = (fixtures / "ethanol_60_frames.h5").read_bytes()
    path = tmp_path / "cut.h5"
    path.write_bytes(whole[: int(kept * len(whole))])
    sentence = "the file must be an HDF5 file, but is empty" if kept == 0 else "truncated or damaged"
    with pytest.raises(InputError, match=sentence):
        load_dataset(path)


def test_a_damaged_array_is_refused(tmp_path, fixtures):
    path = tmp_path / "damaged.h5"
    shutil.copy(fixtures / "ethanol_60_frames.h5", path)
    with h5py.File(path) as file:
        where = file["ethanol/positions"].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[where.byte_offset : where.byte_offset + 64] = bytes(64)
    path.write_bytes(content)
    with pytest.raises(InputError, match="truncated or damaged"):
        load_dataset(path)


@pytest.mark.parametrize("content", [b"3\nwater\nO 0 0 0\n", b"\x00" * 5000])
def test_a_file_that_is_not_hdf5_is_refused(tmp_path, content):
    (tmp_path / "data.h5").write_bytes(content)
    with pytest.raises(InputError, match=r"must be an HDF5 file, but is an? (xyz )?file"):
        load_dataset(tmp_path / "data.h5")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="must exist, but does not"):
        load_dataset(tmp_path / "data.h5")


@pytest.mark.parametrize(("key", "advice"), [("force", "Did you mean `forces`?"), ("xyzzy", "Known: ")])
def test_an_unknown_array_is_warned_of(path, key, advice):
    with h5py.File(path, "r+") as file:
        file["made up"][key] = np.zeros(3)
    with pytest.warns(
        InputWarning, match=re.escape(f"`{key}` is not a known array and was not read. {advice}")
    ):
        load_dataset(path)


def test_missing_multiplicities_of_several_states_are_warned_of(path):
    with h5py.File(path, "r+") as file:
        del file["made up"].attrs["multiplicities"]
        del file["made up/spin_orbit"]
    with pytest.warns(InputWarning, match="all states are taken as singlets"):
        with pytest.raises(InputError, match="states must ascend in energy, but state 2 lies below state 1"):
            load_dataset(path)


def test_an_existing_file_is_replaced_only_on_demand(path, dataset):
    before = path.read_bytes()
    with pytest.raises(InputError, match="must not exist yet"):
        write_dataset(path, dataset)
    assert path.read_bytes() == before
    write_dataset(path, dataset, overwrite=True)
    assert path.read_bytes() == before
    with pytest.raises(InputError, match=r"folder .* must exist"):
        write_dataset(path.parent / "nowhere" / "data.h5", dataset)


def test_a_failed_write_leaves_no_file(tmp_path, dataset, monkeypatch):
    def fail(self, *arguments, **options):
        raise OSError("no space left")

    monkeypatch.setattr(h5py.Group, "create_dataset", fail)
    with pytest.raises(OSError, match="no space"):
        write_dataset(tmp_path / "new.h5", dataset)
    assert list(tmp_path.iterdir()) == []
