"""Files of MLatom, sGDML, ASE, Newton-X and folders of SHARC: numbers, units, signs, and what is said."""

import json
import warnings

import ase
import ase.db
import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io.trajectory import Trajectory

import nadyn
from nadyn.checks.errors import InputError, InputWarning
from nadyn.data.readers.reader import ReadOptions
from nadyn.data.readers.table import read_file
from nadyn.units import (
    ANGSTROM_PER_BOHR,
    BOHR_PER_ANGSTROM,
    ELECTRON_MASS_PER_DALTON,
    HARTREE_PER_EV,
    KCAL_PER_MOL_PER_HARTREE,
)


def test_a_database_of_mlatom(fixtures):
    content = json.loads((fixtures / "mlatom_2_molecules.json").read_text())["molecules"]
    (group,) = read_file(fixtures / "mlatom_2_molecules.json").groups
    assert (group.n_frames, group.n_states, group.n_atoms, group.charge) == (2, 3, 3, 0)
    state = content[1]["electronic_states"][2]
    assert group.energies[1, 2] == state["energy"]
    oxygen = state["atoms"][0]
    np.testing.assert_allclose(
        group.positions[1, 0] * ANGSTROM_PER_BOHR, oxygen["xyz_coordinates"], rtol=1e-14
    )
    # hartree/angstrom is a smaller unit than hartree/bohr.
    wanted = -np.array(oxygen["energy_gradients"]) * ANGSTROM_PER_BOHR
    np.testing.assert_allclose(group.forces[1, 2, 0], wanted, rtol=1e-14)
    d = np.array(content[1]["nacv"][0][2]) * ANGSTROM_PER_BOHR
    gap = group.energies[1, 2] - group.energies[1, 0]
    np.testing.assert_allclose(group.interstate_couplings[1, 1], d * gap, rtol=1e-14)
    assert not group.assumed


def test_steps_of_mlatom_are_frames(fixtures):
    (group,) = read_file(fixtures / "mlatom_2_steps.json").groups
    assert (group.n_frames, group.n_states) == (2, 3)


def mlatom(tmp_path, fixtures, change):
    content = json.loads((fixtures / "mlatom_2_molecules.json").read_text())
    change(content["molecules"])
    (tmp_path / "m.json").write_text(json.dumps(content))
    return tmp_path / "m.json"


def test_a_gradient_that_mlatom_did_not_compute_is_missing(tmp_path, fixtures):
    def change(molecules):
        for atom in molecules[0]["electronic_states"][1]["atoms"]:
            atom["energy_gradients"] = [float("nan")] * 3
        molecules[0]["nacv"][0][1] = None

    (group,) = read_file(mlatom(tmp_path, fixtures, change)).groups
    assert np.isnan(group.forces[0, 1]).all() and np.isfinite(group.forces[0, [0, 2]]).all()
    assert np.isnan(group.interstate_couplings[0, 0]).all()
    assert np.isfinite(group.interstate_couplings[1]).all()


def test_a_gradient_of_mlatom_that_is_of_no_state_in_particular_is_of_none(tmp_path, fixtures):
    def change(molecules):
        states = molecules[0]["electronic_states"]
        for atom, own in zip(molecules[0]["atoms"], states[0]["atoms"], strict=True):
            atom["energy_gradients"] = own["energy_gradients"]
        for state in states[1:]:
            del state["atoms"]

    (group,) = read_file(mlatom(tmp_path, fixtures, change)).groups
    assert np.isfinite(group.forces[0, 0]).all() and np.isnan(group.forces[0, 1:]).all()


def test_states_of_mlatom_are_put_in_the_order_of_their_multiplicity(tmp_path, fixtures):
    def change(molecules):
        for molecule in molecules:
            molecule["electronic_states"][1]["multiplicity"] = 3

    (group,) = read_file(mlatom(tmp_path, fixtures, change)).groups
    (plain,) = read_file(fixtures / "mlatom_2_molecules.json").groups
    assert group.multiplicities == (1, 1, 3)
    np.testing.assert_array_equal(group.energies, plain.energies[:, [0, 2, 1]])
    np.testing.assert_array_equal(group.forces, plain.forces[:, [0, 2, 1]])


@pytest.mark.parametrize(
    "change, complaint",
    [
        (lambda m: m[1].update(atoms=[]), "`atoms` must be a list of atoms"),
        (lambda m: m[1]["electronic_states"][0].pop("energy"), "each state must have an `energy`"),
        (lambda m: m[1]["electronic_states"].pop(), "must have the states of frame 0, 3 of them, but has 2"),
        (lambda m: m[0]["atoms"][0].update(xyz_coordinates=[1.0]), "`xyz_coordinates`, 3 numbers"),
    ],
)
def test_a_database_of_mlatom_that_cannot_be_used(tmp_path, fixtures, change, complaint):
    with pytest.raises(InputError, match=complaint):
        read_file(mlatom(tmp_path, fixtures, change))


def test_what_is_not_read_of_mlatom_is_said(tmp_path, fixtures):
    path = mlatom(tmp_path, fixtures, lambda m: m[0].update(dipole_moment=[0, 0, 1]))
    with pytest.warns(InputWarning, match="`dipole_moment` stands in 1 of 2 molecules and was not read"):
        read_file(path)


def test_arrays_of_sgdml_have_their_own_units(fixtures):
    with np.load(fixtures / "emt_5_frames.npz") as arrays:
        E, F, R = arrays["E"], arrays["F"], arrays["R"]
    (group,) = read_file(fixtures / "emt_5_frames.npz").groups
    np.testing.assert_allclose(group.energies[:, 0], E * HARTREE_PER_EV, rtol=1e-14)
    np.testing.assert_allclose(group.positions, R * BOHR_PER_ANGSTROM, rtol=1e-14)
    np.testing.assert_allclose(group.forces[:, 0], F * HARTREE_PER_EV * ANGSTROM_PER_BOHR, rtol=1e-14)
    assert group.theory == "unknown"


def test_arrays_of_revised_md17_are_in_kcal(tmp_path, fixtures):
    with np.load(fixtures / "emt_5_frames.npz") as arrays:
        own = {"nuclear_charges": arrays["z"], "coords": arrays["R"], "energies": arrays["E"]}
        own |= {"forces": arrays["F"], "old_indices": np.arange(5)}
    np.savez(tmp_path / "r.npz", **own)
    (group,) = read_file(tmp_path / "r.npz").groups
    np.testing.assert_allclose(group.energies[:, 0], own["energies"] / KCAL_PER_MOL_PER_HARTREE, rtol=1e-14)
    wanted = own["forces"] / KCAL_PER_MOL_PER_HARTREE * ANGSTROM_PER_BOHR
    np.testing.assert_allclose(group.forces[:, 0], wanted, rtol=1e-14)


def test_arrays_without_units_need_them(tmp_path):
    random = np.random.default_rng(3)
    arrays = {
        "numbers": np.array([8, 1, 1]),
        "positions": np.arange(9.0).reshape(1, 3, 3) + 0.1 * random.normal(size=(5, 3, 3)),
        "energies": np.sort(random.normal(size=(5, 2)), axis=1),
        "d": random.normal(size=(5, 1, 3, 3)),
    }
    np.savez(tmp_path / "a.npz", **arrays)
    keys = {"atomic_numbers": "numbers", "interstate_couplings": "d"}
    with pytest.raises(InputError, match=r"unit of `positions` must be said.*--unit positions=angstrom"):
        read_file(tmp_path / "a.npz", ReadOptions(keys=keys))
    units = {"positions": "bohr", "energies": "hartree"}
    with pytest.raises(InputError, match=r"unit of `interstate_couplings` must be said"):
        read_file(tmp_path / "a.npz", ReadOptions(keys=keys, units=units))
    units["interstate_couplings"] = "1/angstrom"
    (group,) = read_file(tmp_path / "a.npz", ReadOptions(keys=keys, units=units)).groups
    gap = (arrays["energies"][:, 1] - arrays["energies"][:, 0])[:, None, None]
    np.testing.assert_allclose(
        group.interstate_couplings[:, 0], arrays["d"][:, 0] * ANGSTROM_PER_BOHR * gap, rtol=1e-13
    )


def test_a_unit_is_not_said_twice_in_two_ways(fixtures):
    path = fixtures / "emt_5_frames.npz"
    assert read_file(path, ReadOptions(units={"energies": "eV"})).n_frames == 5
    with pytest.raises(InputError, match="must be what the file says, eV, but `--unit` says kcal/mol"):
        read_file(path, ReadOptions(units={"energies": "kcal/mol"}))
    with pytest.raises(InputError, match=r"`--unit` must name a label .* Did you mean `energies`"):
        read_file(path, ReadOptions(units={"energie": "eV"}))


def test_objects_in_arrays_are_refused(tmp_path):
    np.savez(tmp_path / "o.npz", z=np.array([8, {}], dtype=object))
    with pytest.raises(InputError, match="numbers and text only, but one holds objects"):
        read_file(tmp_path / "o.npz")


def images(n_frames=4):
    random = np.random.default_rng(8)
    for _ in range(n_frames):
        atoms = ase.Atoms(
            "OHH", [[0, 0, 0], [0.76, 0.59, 0], [-0.76, 0.59, 0]] + 0.05 * random.normal(size=(3, 3))
        )
        forces = random.normal(size=(3, 3))
        atoms.calc = SinglePointCalculator(atoms, energy=random.normal(), forces=forces)
        yield atoms


@pytest.mark.parametrize("kind", ["traj", "db"])
def test_files_of_ase_are_in_ev_and_angstrom(tmp_path, kind):
    path, frames = tmp_path / f"a.{kind}", list(images())
    if kind == "traj":
        with Trajectory(str(path), "w") as file:
            for atoms in frames:
                file.write(atoms)
    else:
        with ase.db.connect(str(path)) as database:
            for atoms in frames:
                database.write(atoms)
    (group,) = read_file(path).groups
    energies = [atoms.get_potential_energy() * HARTREE_PER_EV for atoms in frames]
    np.testing.assert_allclose(group.energies[:, 0], energies, rtol=1e-14)
    forces = [atoms.get_forces() * HARTREE_PER_EV * ANGSTROM_PER_BOHR for atoms in frames]
    np.testing.assert_allclose(group.forces[:, 0], forces, rtol=1e-14)
    np.testing.assert_allclose(group.positions, [atoms.positions * BOHR_PER_ANGSTROM for atoms in frames])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=r"must be (whole|readable), but"):
        read_file(path)


def schnetpack(tmp_path, metadata, **data):
    path = tmp_path / "s.db"
    with ase.db.connect(str(path)) as database:
        database.metadata = metadata
        for atoms in images():
            atoms.calc = None
            database.write(atoms, data={key: np.array(value) for key, value in data.items()})
    return path


def test_a_database_of_schnetpack_has_units(tmp_path):
    metadata = {
        "_distance_unit": "Ang",
        "_property_unit_dict": {"energy": "kcal/mol", "forces": "kcal/mol/Ang"},
    }
    path = schnetpack(tmp_path, metadata, energy=[-5.0], forces=np.arange(9.0).reshape(3, 3))
    with pytest.warns(InputWarning, match="no multiplicities"):
        (group,) = read_file(path).groups
    np.testing.assert_allclose(group.energies, -5.0 / KCAL_PER_MOL_PER_HARTREE)
    np.testing.assert_allclose(
        group.forces[2, 0, 1], np.arange(3, 6) / KCAL_PER_MOL_PER_HARTREE * ANGSTROM_PER_BOHR
    )


def test_a_database_of_schnetpack_without_units_needs_them(tmp_path):
    path = schnetpack(tmp_path, {"_distance_unit": "Ang"}, U0=[-5.0])
    with pytest.raises(InputError, match="unit of `energies` must be said"):
        read_file(path, ReadOptions(keys={"energies": "U0"}))
    options = ReadOptions(keys={"energies": "U0"}, units={"energies": "eV"}, multiplicities=(1,))
    np.testing.assert_allclose(read_file(path, options).groups[0].energies, -5.0 * HARTREE_PER_EV)


def test_forces_of_newton_x_follow_from_its_energies(fixtures):
    with pytest.warns(InputWarning, match="does not say the multiplicities"):
        (group,) = read_file(fixtures / "newtonx_2.6").groups
    assert (group.n_frames, group.n_states, group.n_atoms) == (14, 7, 10)
    assert set(group.tag) == {"TRAJ1"} and group.masses is None
    known = ~np.isnan(group.forces[:, :, 0, 0])
    # On the fourth of its states; where the program wrote zeros, there is none.
    np.testing.assert_array_equal(known[:12], np.arange(7) == np.full((12, 1), 3))
    assert not known[12].any()
    changes, works = [], []
    for now in range(11):
        step = group.positions[now + 1] - group.positions[now]
        changes.append(group.energies[now + 1, 3] - group.energies[now, 3])
        works.append(-(0.5 * group.forces[now : now + 2, 3].sum(axis=0) * step).sum())
    np.testing.assert_allclose(works, changes, atol=3e-4)
    assert np.std(changes) > 20 * np.std(np.subtract(works, changes))


def test_a_file_of_newton_x_by_itself(fixtures, tmp_path):
    path = fixtures / "newtonx_2.6/TRAJ1/RESULTS/dyn.out"
    text = path.read_text()
    (tmp_path / "one").write_text(text[: text.rindex("New velocity")])
    (group,) = read_file(tmp_path / "one", ReadOptions(multiplicities=(1,) * 7)).groups
    assert group.n_frames == 13 and not group.assumed & {"multiplicities"}
    assert group.energies[0, 2] == -263.767285390 and group.positions[0, 1, 2] == 0.02344945
    nitrogen = -0.00000021 * 14.00307401 * ELECTRON_MASS_PER_DALTON
    np.testing.assert_allclose(group.forces[0, 3, 0, 0], nitrogen, rtol=1e-6)
    (tmp_path / "one").write_text(text.replace("Initial geometry", "Nothing").replace(" N     7.0", " N7"))
    with pytest.raises(InputError, match=r"step 0 must hold a geometry|same atoms"):
        read_file(tmp_path / "one", ReadOptions(multiplicities=(1,) * 7))


def test_version_2_2_of_newton_x_has_no_forces(fixtures):
    with pytest.warns(InputWarning, match="does not say the multiplicities"):
        (group,) = read_file(fixtures / "newtonx_2.2").groups
    assert (group.n_frames, group.n_states, group.forces) == (3, 3, None)


def test_single_points_of_sharc_in_folders(fixtures):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (group,) = read_file(fixtures / "sharc_points").groups
    assert group.tag == ("ICOND_00000", "ICOND_00001", "ICOND_00002")
    assert group.energies[1, 0] == -156.0828320 and group.positions[1, 0, 0] == 0.16298526
    assert group.forces[1, 0, 0, 0] == 2.770955349e-2
    assert group.dipoles[1, 0, 1, 2] == 1.421682230e-1
    (one,) = read_file(fixtures / "sharc_points/ICOND_00001/QM.out").groups
    np.testing.assert_array_equal(one.interstate_couplings[0], group.interstate_couplings[1])


def test_single_points_of_sharc_that_are_not_finished_are_said(fixtures, tmp_path):
    for name in ("ICOND_00000", "ICOND_00001"):
        (tmp_path / name).mkdir()
        for file in ("QM.in", "QM.out"):
            (tmp_path / name / file).write_text((fixtures / "sharc_points" / name / file).read_text())
    out = tmp_path / "ICOND_00000/QM.out"
    out.write_text(out.read_text().partition("! 8")[0])
    with pytest.warns(InputWarning, match="1 folder left out because its `QM.out` has no end: ICOND_00000"):
        assert read_file(tmp_path).n_frames == 1
    asked = tmp_path / "ICOND_00001/QM.in"
    asked.write_text(asked.read_text().replace("states 3", "states 2"))
    with pytest.raises(InputError, match="must hold 1 of shape 2 2"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read_file(tmp_path)
    with pytest.raises(InputError, match="must be bohr or angstrom, but is fathom"):
        asked.write_text(asked.read_text().replace("unit bohr", "unit fathom"))
        read_file(tmp_path / "ICOND_00001/QM.out")


def test_trajectories_of_sharc_in_folders(fixtures, tmp_path):
    text = (fixtures / "sharc_3_steps.dat").read_text()
    for name in ("TRAJ_00002", "TRAJ_00010", "TRAJ_00011"):
        (tmp_path / "Singlet_2" / name).mkdir(parents=True)
        (tmp_path / "Singlet_2" / name / "output.dat").write_text(text)
    (tmp_path / "Singlet_2/TRAJ_00010/DONT_ANALYZE").touch()
    with pytest.warns(InputWarning, match="left out because `DONT_ANALYZE` is in it: TRAJ_00010"):
        (group,) = read_file(tmp_path).groups
    assert group.tag == ("Singlet_2/TRAJ_00002",) * 3 + ("Singlet_2/TRAJ_00011",) * 3
    assert group.parts == (3, 3)


def test_a_folder_of_nothing_known(tmp_path):
    with pytest.raises(
        InputError, match=r"folder .* must be one of trajectories of SHARC, .*, but holds no file"
    ):
        read_file(tmp_path)


def x_mace(tmp_path, extra=""):
    """One frame of three atoms and two states, as the tutorials of X-MACE have it."""
    random = np.random.default_rng(9)
    energies, forces = np.array([[-2.0, -1.5]]), random.normal(size=(3, 2, 3))
    nacs = random.normal(size=(3, 1, 3))
    header = " ".join(
        f'{key}="_JSON {json.dumps(value.tolist())}"'
        for key, value in (("REF_energy", energies), ("REF_forces", forces), ("REF_nacs", nacs))
    )
    rows = "O 0 0 0\nH 0.76 0.59 0\nH -0.76 0.59 0\n"
    (tmp_path / "x.xyz").write_text(f'3\nProperties=species:S:1:pos:R:3 {header} {extra}pbc="F F F"\n{rows}')
    return tmp_path / "x.xyz", forces, nacs


def test_states_of_x_mace_stand_in_the_header(tmp_path):
    path, forces, nacs = x_mace(tmp_path)
    force = HARTREE_PER_EV * ANGSTROM_PER_BOHR
    with pytest.warns(InputWarning, match="`REF_nacs` stands in 1 of 1 frames and was not read.*1/angstrom"):
        (group,) = read_file(path).groups
    np.testing.assert_allclose(group.energies, [[-2.0 * HARTREE_PER_EV, -1.5 * HARTREE_PER_EV]])
    np.testing.assert_allclose(group.forces[0], forces.transpose(1, 0, 2) * force)
    keys = {"interstate_couplings": "REF_nacs"}
    with pytest.raises(InputError, match="unit of `interstate_couplings` must be said"):
        read_file(path, ReadOptions(keys=keys))
    h = {"interstate_couplings": "eV/angstrom"}
    (group,) = read_file(path, ReadOptions(keys=keys, units=h)).groups
    np.testing.assert_allclose(group.interstate_couplings[0, 0], nacs[:, 0] * force)
    d = {"interstate_couplings": "1/angstrom"}
    (group,) = read_file(path, ReadOptions(keys=keys, units=d)).groups
    np.testing.assert_allclose(group.interstate_couplings[0, 0], nacs[:, 0] * 0.5 * force)


def test_units_of_an_extended_xyz_file_may_be_given(tmp_path):
    path, forces, _ = x_mace(tmp_path)
    options = ReadOptions(units={"energies": "hartree", "positions": "bohr", "forces": "hartree/bohr"})
    with pytest.warns(InputWarning, match="not read"):
        (group,) = read_file(path, options).groups
    assert group.energies[0, 1] == -1.5 and group.positions[0, 1, 0] == 0.76
    np.testing.assert_allclose(group.forces[0], forces.transpose(1, 0, 2))


@pytest.mark.parametrize("key", ["virial", "virials", "REF_virials", "REF_virial", "stress", "REF_stress"])
def test_stress_and_virial_of_mace(tmp_path, key):
    path = tmp_path / "c.xyz"
    cell, nine = '"8 0 0 0 5 0 0 0 6"', '"1 2 3 2 4 5 3 5 6"'
    path.write_text(
        f'1\nLattice={cell} Properties=species:S:1:pos:R:3 REF_energy=1 {key}={nine} pbc="T T T"\nCu 0 0 0\n'
    )
    (group,) = read_file(path).groups
    factor = 1.0 if "stress" in key else -1.0 / 240
    wanted = factor * HARTREE_PER_EV * ANGSTROM_PER_BOHR**3 * np.array([[1, 2, 3], [2, 4, 5], [3, 5, 6]])
    np.testing.assert_allclose(group.stress[0, 0], wanted)


@pytest.mark.parametrize(("key", "factor"), [("virial", -1.0 / 240), ("stress", 1.0)])
def test_a_stress_has_the_units_that_are_given_for_energies_and_positions(tmp_path, key, factor):
    path = tmp_path / "c.xyz"
    path.write_text(
        f'1\nLattice="8 0 0 0 5 0 0 0 6" Properties=species:S:1:pos:R:3 energy=1 {key}="1 2 3 2 4 5 3 5 6" '
        'pbc="T T T"\nCu 0 0 0\n'
    )
    (group,) = read_file(path, ReadOptions(units={"energies": "hartree", "positions": "bohr"})).groups
    np.testing.assert_allclose(group.stress[0, 0], factor * np.array([[1, 2, 3], [2, 4, 5], [3, 5, 6]]))


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("sulfur_dioxide/triplets.template", r"a template of a vibronic model of SHARC\. Run it"),
        ("sulfur_dioxide/V0.txt", "the potential of a vibronic model of SHARC"),
    ],
)
def test_what_is_known_and_no_data_is_said(name, complaint):
    with pytest.raises(InputError, match=f"must hold labelled geometries, but is {complaint}"):
        read_file(nadyn.shipped.path(name))


def test_starts_and_vibrations_are_no_data(fixtures):
    with pytest.raises(InputError, match="is a Molden file"):
        read_file(fixtures / "water_6-31g.freq.molden")
    with pytest.raises(InputError, match="is a file of starts"):
        read_file(fixtures / "sharc_initconds_4")
