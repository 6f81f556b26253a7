"""H5MD as its specification has it, a file of MLatom, and the names of Newton-X NS."""

import h5py
import numpy as np
import pytest

from nadyn.checks.errors import InputError, InputWarning
from nadyn.data.readers.h5md import read_h5md
from nadyn.data.readers.h5md_elements import quotient
from nadyn.data.readers.reader import ReadOptions
from nadyn.data.readers.table import find_reader, read_file
from nadyn.units import to_atomic_units
from tests.cli.typed import typed

N_FRAMES, N_ATOMS = 5, 4
RANDOM = np.random.default_rng(1)
POSITIONS = 0.12 * np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]) + 0.004 * RANDOM.normal(
    size=(N_FRAMES, N_ATOMS, 3)
)
FORCES = 100 * RANDOM.normal(size=(N_FRAMES, N_ATOMS, 3))
ENERGIES = -20.0 + RANDOM.normal(size=N_FRAMES)
SPECIES = [8, 6, 1, 1]


def _element(group, name, values, unit, steps):
    element = group.create_group(name)
    element["value"], element["step"] = values, steps
    if unit is not None:
        element["value"].attrs["unit"] = unit


def _write(path, *, thermodynamics=True, enum=True, box="periodic", unit="nm", at=None, energy=True):
    steps = 10 * np.arange(N_FRAMES)
    with h5py.File(path, "w") as file:
        file.create_group("h5md").attrs["version"] = [1, 1]
        if thermodynamics:
            file.create_group("h5md/modules/thermodynamics").attrs["version"] = [1, 0]
        atoms = file.create_group("particles/all")
        _element(atoms, "position", POSITIONS, unit, steps)
        # Of every second frame.
        _element(atoms, "force", FORCES[::2], "kJ mol-1 nm-1", steps[::2])
        kind = h5py.enum_dtype({"O": 0, "C": 1, "H": 2}, basetype="i4")
        if enum:
            atoms.create_dataset("species", data=np.array([0, 1, 2, 2]), dtype=kind)
        else:
            atoms["species"] = np.array(SPECIES)
        atoms.create_group("box").attrs["boundary"] = np.array([box] * 3, dtype="S8")
        atoms["box"].create_dataset("edges", data=[1.1, 1.2, 1.3]).attrs["unit"] = "nm"
        if energy:
            per = N_ATOMS if thermodynamics else 1
            shown = steps if at is None else np.array(at)
            values = ENERGIES[: len(shown)] / per
            _element(file, "observables/potential_energy", values, "kJ mol-1", shown)


def test_positions_energies_forces_and_the_box_are_those_of_the_file(tmp_path):
    _write(tmp_path / "a.h5md")
    group = read_file(tmp_path / "a.h5md").groups[0]
    nm, mole = to_atomic_units("nm", "length"), to_atomic_units("kJ/mol", "energy")
    assert group.atomic_numbers.tolist() == SPECIES and group.name == "CH2O"
    np.testing.assert_allclose(group.positions, POSITIONS * nm, rtol=1e-12)
    np.testing.assert_allclose(group.energies[:, 0], ENERGIES * mole, rtol=1e-12)
    np.testing.assert_allclose(group.forces[::2, 0], FORCES[::2] * mole / nm, rtol=1e-12)
    assert np.isnan(group.forces[1::2]).all()
    np.testing.assert_allclose(group.cell[3], np.diag([1.1, 1.2, 1.3]) * nm, rtol=1e-12)
    assert group.pbc.all()


def test_frames_of_one_step_belong_together(tmp_path):
    _write(tmp_path / "a.h5md", at=[20, 40, 90], box="none")
    group = read_file(tmp_path / "a.h5md").groups[0]
    np.testing.assert_allclose(group.positions, POSITIONS[[2, 4]] * to_atomic_units("nm", "length"))
    np.testing.assert_allclose(group.energies[:, 0], ENERGIES[:2] * to_atomic_units("kJ/mol", "energy"))
    assert group.cell is None and not group.pbc.any()


def test_steps_may_be_given_by_their_interval_and_an_offset(tmp_path):
    _write(tmp_path / "a.h5md", box="none")
    with h5py.File(tmp_path / "a.h5md", "r+") as file:
        energy = file["observables/potential_energy"]
        del energy["step"]
        energy["step"] = 10
        energy["step"].attrs["offset"] = 20
    group = read_file(tmp_path / "a.h5md").groups[0]
    # The first energy is that of step 20, which is the third geometry.
    np.testing.assert_allclose(group.positions, POSITIONS[2:] * to_atomic_units("nm", "length"))
    np.testing.assert_allclose(group.energies[:, 0], ENERGIES[:3] * to_atomic_units("kJ/mol", "energy"))


def test_without_the_module_the_energy_is_that_of_all_and_numbers_are_atomic_numbers(tmp_path):
    _write(tmp_path / "a.h5md", thermodynamics=False, enum=False)
    with pytest.warns(InputWarning) as said:
        group = read_h5md(tmp_path / "a.h5md").groups[0]
    assert group.atomic_numbers.tolist() == SPECIES
    np.testing.assert_allclose(group.energies[:, 0], ENERGIES * to_atomic_units("kJ/mol", "energy"))
    words = " ".join(str(one.message) for one in said)
    assert "taken as that of all" in words and "taken as atomic numbers" in words


def test_what_is_missing_is_said_and_can_be_given(tmp_path):
    _write(tmp_path / "a.h5md", unit=None)
    with pytest.raises(InputError, match="unit of `positions` must be said"):
        read_file(tmp_path / "a.h5md")
    code, said = typed("info", tmp_path / "a.h5md", "--unit", "positions=nm")
    assert code == 0 and "CH2O: 5 frames, 4 atoms, 1 state" in said
    _write(tmp_path / "b.h5md", energy=False)
    with pytest.raises(InputError, match="geometries alone are no data"):
        read_file(tmp_path / "b.h5md")


def test_units_with_powers_become_quotients():
    assert quotient("kJ mol-1 nm-1") == "kJ/mol/nm"
    assert quotient("eV Angstrom-3") == "eV/Angstrom^3"
    assert quotient("nm+2") == "nm^2"


def test_several_states_of_mlatom(fixtures):
    path = fixtures / "mlatom_2_steps.h5md"
    with pytest.warns(InputWarning, match="single precision: energies are known to 0.2 meV"):
        (group,) = read_file(path).groups
    assert (group.name, group.n_states, group.masses) == ("H2O", 3, None)
    with pytest.warns(InputWarning, match="single precision"):
        assert read_file(path, ReadOptions(multiplicities=(1, 1, 3))).groups[0].multiplicities == (1, 1, 3)
    angstrom = to_atomic_units("angstrom", "length")
    with h5py.File(path) as file:
        names = ("state_energies", "nacv", "state_gradients")
        seen = {name: file[f"observables/{name}/value"][...].astype(np.float64) for name in names}
        positions = file["particles/all/position/value"][...].astype(np.float64)
    np.testing.assert_allclose(group.positions, positions * angstrom, rtol=1e-12)
    np.testing.assert_array_equal(group.energies, seen["state_energies"])
    np.testing.assert_allclose(group.forces, -seen["state_gradients"] / angstrom, rtol=1e-12)
    for pair, (k, l) in enumerate(group.pairs):
        gap = group.energies[:, l] - group.energies[:, k]
        h = seen["nacv"][:, k, l] / angstrom * gap[:, None, None]
        np.testing.assert_allclose(group.interstate_couplings[:, pair], h, rtol=1e-12)


def _write_newtonx(path, n_states, *, masses=None, pairs=None):
    """Write gradients (frame, atom, 3, state) and couplings (frame, atom, 3, pair) of a molecule."""
    n_pairs = n_states * (n_states - 1) // 2 if pairs is None else pairs
    gradients = RANDOM.normal(size=(N_FRAMES, N_ATOMS, 3, n_states))
    # Only the state that is moved on has a gradient.
    gradients[:, :, :, 0] = 0.0
    nad = RANDOM.normal(size=(N_FRAMES, N_ATOMS, 3, n_pairs))
    energies = np.sort(RANDOM.normal(size=(N_FRAMES, n_states)), axis=1)
    steps = np.arange(N_FRAMES)
    with h5py.File(path, "w") as file:
        file.create_group("h5md").attrs["version"] = [1, 1]
        atoms = file.create_group("particles/all")
        atoms["names"] = np.array(["O ", "C", "H", "H"], dtype="S2")
        atoms["mass"] = np.array([15.994915, 12.0, 2.014102, 1.007825] if masses is None else masses)
        _element(atoms, "position", POSITIONS * 10, None, steps)
        _element(atoms, "gradients", gradients, None, steps)
        _element(atoms, "nad", nad, None, steps)
        _element(file, "observables/potential_energy", energies, None, steps)
    return gradients, nad, energies


UNITS = {"positions": "angstrom", "energies": "hartree", "forces": "hartree/bohr"}
D = {"interstate_couplings": "1/bohr"}


@pytest.mark.filterwarnings("ignore:the file does not say whether `potential_energy`")
def test_gradients_and_couplings_of_newton_x_have_the_states_last(tmp_path):
    gradients, nad, energies = _write_newtonx(tmp_path / "dyn.h5", 3)
    (group,) = read_file(tmp_path / "dyn.h5", ReadOptions(units=UNITS | D)).groups
    assert group.atomic_numbers.tolist() == SPECIES and group.name == "CHDO"
    assert np.isnan(group.forces[:, 0]).all()
    np.testing.assert_array_equal(group.forces[:, 2], -gradients[..., 2])
    h02 = nad[..., 1] * (energies[:, 2] - energies[:, 0])[:, None, None]
    np.testing.assert_allclose(group.interstate_couplings[:, 1], h02, rtol=1e-12)
    h = {"interstate_couplings": "hartree/bohr"}
    (group,) = read_file(tmp_path / "dyn.h5", ReadOptions(units=UNITS | h)).groups
    np.testing.assert_array_equal(group.interstate_couplings[:, 1], nad[..., 1])


@pytest.mark.filterwarnings("ignore:the file does not say whether `potential_energy`")
def test_a_vector_that_is_nan_in_part_or_zero_was_not_computed(tmp_path):
    _write_newtonx(tmp_path / "dyn.h5", 2)
    with h5py.File(tmp_path / "dyn.h5", "r+") as file:
        file["particles/all/gradients/value"][3, 1, 2, 1] = np.nan
        file["particles/all/nad/value"][2] = 0.0
    (group,) = read_file(tmp_path / "dyn.h5", ReadOptions(units=UNITS | D)).groups
    assert np.isnan(group.forces[:, 1]).all(axis=(1, 2)).tolist() == [False, False, False, True, False]
    assert np.isnan(group.interstate_couplings[:, 0]).all(axis=(1, 2)).nonzero()[0].tolist() == [2]


@pytest.mark.filterwarnings("ignore:the file does not say whether `potential_energy`")
@pytest.mark.parametrize(
    ("n_states", "units", "doubt"),
    [(3, UNITS, "nobody says its unit"), (5, UNITS | D, "in which order the pairs")],
)
def test_couplings_of_which_something_is_not_known_are_named(tmp_path, n_states, units, doubt):
    _write_newtonx(tmp_path / "dyn.h5", n_states)
    with pytest.warns(InputWarning, match=f"`/particles/all/nad` was not read: .*{doubt}"):
        (group,) = read_file(tmp_path / "dyn.h5", ReadOptions(units=units)).groups
    assert group.interstate_couplings is None and group.n_states == n_states


@pytest.mark.filterwarnings("ignore:the file does not say whether `potential_energy`")
def test_masses_are_in_u_or_in_electron_masses_and_nothing_else(tmp_path):
    expected = None
    for factor in (1.0, 1822.888486):
        _write_newtonx(
            tmp_path / "dyn.h5", 2, masses=factor * np.array([15.994915, 12.0, 2.014102, 1.007825])
        )
        (group,) = read_file(tmp_path / "dyn.h5", ReadOptions(units=UNITS | D)).groups
        expected = group.masses if expected is None else expected
        np.testing.assert_allclose(group.masses, expected, rtol=1e-8)
    assert group.masses[2] == pytest.approx(2.014102 * 1822.888486, rel=1e-6)
    _write_newtonx(tmp_path / "dyn.h5", 2, masses=[7.0] * 4)
    with pytest.warns(InputWarning, match="`mass` is neither in u nor in electron masses"):
        (group,) = read_file(tmp_path / "dyn.h5", ReadOptions(units=UNITS | D)).groups
    assert group.masses is None


@pytest.mark.filterwarnings("ignore:the file does not say whether `potential_energy`")
def test_arrays_that_do_not_fit_the_states_are_refused(tmp_path):
    _write_newtonx(tmp_path / "dyn.h5", 3, pairs=2)
    with pytest.raises(InputError, match=r"`/particles/all/nad` must have shape \(4, 3, 3\) in each frame"):
        read_file(tmp_path / "dyn.h5", ReadOptions(units=UNITS | D))
    with h5py.File(tmp_path / "dyn.h5", "a") as file:
        del file["particles/all/nad"], file["particles/all/gradients"]
        _element(
            file["particles/all"], "gradients", np.ones((N_FRAMES, N_ATOMS, 3)), None, np.arange(N_FRAMES)
        )
    with pytest.warns(InputWarning, match="`gradients` is of one of 3 states, and nobody says of which"):
        (group,) = read_file(tmp_path / "dyn.h5", ReadOptions(units=UNITS)).groups
    assert group.forces is None


@pytest.mark.filterwarnings("ignore:the file does not say whether `potential_energy`")
def test_folders_of_newton_x_ns_are_joined_and_tagged(tmp_path):
    seen = {}
    for name in ("TRAJ2", "TRAJ10"):
        (tmp_path / name / "RESULTS").mkdir(parents=True)
        seen[name] = _write_newtonx(tmp_path / name / "RESULTS" / "dyn.h5", 2)
    (tmp_path / "TRAJ3" / "RESULTS").mkdir(parents=True)
    with pytest.warns(InputWarning, match="1 folder left out because `RESULTS` holds no H5MD file: TRAJ3"):
        (group,) = read_file(tmp_path, ReadOptions(units=UNITS | D)).groups
    assert group.tag == ("TRAJ2",) * N_FRAMES + ("TRAJ10",) * N_FRAMES
    np.testing.assert_array_equal(group.energies[N_FRAMES:], seen["TRAJ10"][2])
    assert group.source == tmp_path.name
    assert find_reader(tmp_path / "TRAJ3") is None
