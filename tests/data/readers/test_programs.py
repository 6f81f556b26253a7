"""Files of PyRAI2MD, SchNarc, SPaiNN and SHARC against their numbers as they stand in the file."""

import json
import re
from dataclasses import replace

import ase
import ase.db
import h5py
import numpy as np
import pytest

from nadyn.checks.errors import InputError, InputWarning
from nadyn.data import Dataset, load_dataset, write_dataset
from nadyn.data.readers.ase_database import read_ase_database
from nadyn.data.readers.pyrai2md import read_pyrai2md
from nadyn.data.readers.reader import ReadOptions
from nadyn.data.readers.sharc_trajectory import read_sharc_trajectory
from nadyn.units import ANGSTROM_PER_BOHR, INVERSE_CM_PER_HARTREE

SPINS = (1, 1, 3, 3)
# Of SPaiNN, whose arrays have the states second.
ASCENDING = np.array([[-40.0, -39.9, -39.8, -39.7]])


def written_json(tmp_path, fixtures, **changes):
    content = json.loads((fixtures / "pyrai2md_5_frames.json").read_text()) | changes
    path = tmp_path / "data.json"
    path.write_text(json.dumps(content))
    return path, content


@pytest.mark.parametrize("given", [(1, 1, 3), (1, 1, 1), (1, 1, 3, 3, 3)])
def test_multiplicities_of_another_number_of_states_are_refused(fixtures, given):
    with pytest.raises(InputError, match="must hold 2S\\+1 of each of the 4 states"):
        read_pyrai2md(fixtures / "pyrai2md_5_frames.json", multiplicities=given)


@pytest.mark.parametrize("given", [(1, 1, 1, 1), (1, 3, 3, 3), (3, 3, 3, 3)])
def test_multiplicities_that_would_leave_out_spin_orbit_norms_are_refused(fixtures, given):
    sentence = "the file has 4 spin-orbit couplings a frame, as 1 1 3 3 has, but `--multiplicities` says "
    with pytest.raises(
        InputError, match=f"{sentence}{' '.join(map(str, given))}, which has [03]: they would"
    ):
        read_pyrai2md(fixtures / "pyrai2md_5_frames.json", multiplicities=given)


def test_multiplicities_that_a_database_contradicts_are_refused(tmp_path):
    path, _ = database(tmp_path, spainn=True)
    with pytest.raises(
        InputError, match="those of the metadata, 1 1 3 3, but `--multiplicities` says 1 1 1 1"
    ):
        read_ase_database(path, ReadOptions(multiplicities=(1, 1, 1, 1)))
    (same,) = read_ase_database(path, ReadOptions(multiplicities=SPINS)).groups
    assert same.spin_orbit is not None
    # Without a word in the metadata the number of spin-orbit couplings tells.
    nothing = {"n_singlets": 0, "n_triplets": 0}
    (tmp_path / "silent").mkdir()
    data = {"smooth_nacs": np.ones((4, 6, 3)), "dipoles": np.ones((10, 3)), "energy": ASCENDING}
    silent, _ = database(tmp_path / "silent", spainn=True, metadata=nothing, data=data)
    with pytest.raises(InputError, match=r"the 8 spin components .* but 1 1 1 1 gives 4: .* be left out"):
        read_ase_database(silent, ReadOptions(multiplicities=(1, 1, 1, 1)))
    (given,) = read_ase_database(silent, ReadOptions(multiplicities=SPINS)).groups
    assert given.spin_orbit is not None and given.note == ""


def test_multiplicities_that_were_guessed_are_kept_in_the_note(tmp_path, fixtures):
    with pytest.warns(InputWarning, match="taken as 1 1 3 3"):
        (guessed,) = read_pyrai2md(fixtures / "pyrai2md_5_frames.json").groups
    assert guessed.note.endswith("they are taken as 1 1 3 3")
    (given,) = read_pyrai2md(fixtures / "pyrai2md_5_frames.json", multiplicities=SPINS).groups
    assert given.note == ""
    path, _ = database(
        tmp_path,
        spainn=True,
        metadata={"n_singlets": 0, "n_triplets": 0, "info": "by hand"},
        data={
            "energy": ASCENDING,
            "smooth_nacs": np.ones((4, 6, 3)),
            "dipoles": np.ones((10, 3)),
            "socs": np.ones(12),
        },
    )
    with pytest.warns(InputWarning, match="tell no multiplicities"):
        (group,) = read_ase_database(path).groups
    assert group.note == "by hand; the metadata tell no multiplicities; all states are taken as singlets"
    # A dataset that does not say them keeps it too.
    write_dataset(tmp_path / "a.h5", Dataset((replace(group, note="by hand"),)))
    with h5py.File(tmp_path / "a.h5", "a") as file:
        del file[group.name].attrs["multiplicities"]
    with pytest.warns(InputWarning, match="`multiplicities` is missing"):
        (read,) = load_dataset(tmp_path / "a.h5").groups
    assert read.note == "by hand; `multiplicities` is missing; all states are taken as singlets"


def test_singlets_triplets_and_their_couplings_are_all_read(fixtures):
    path = fixtures / "pyrai2md_5_frames.json"
    raw = json.loads(path.read_text())
    with pytest.warns(InputWarning, match="by its 4 spin-orbit couplings .* taken as 1 1 3 3"):
        (group,) = read_pyrai2md(path).groups
    assert (group.name, group.n_frames, group.multiplicities) == ("C9H8O", 5, SPINS)
    first = [float(x) for x in raw["xyz"][2][4][1:]]
    np.testing.assert_allclose(group.positions[2, 4] * ANGSTROM_PER_BOHR, first, rtol=1e-12)
    np.testing.assert_array_equal(group.energies, raw["energy"])
    np.testing.assert_array_equal(group.forces, -np.array(raw["grad"]))
    assert group.interstate_couplings is None
    norms = group.spin_orbit_norms * INVERSE_CM_PER_HARTREE
    for place, (k, l) in enumerate([(0, 2), (0, 3), (1, 2), (1, 3)]):
        np.testing.assert_allclose(norms[:, k, l], np.array(raw["soc"])[:, place], rtol=1e-12)
        np.testing.assert_array_equal(norms[:, l, k], norms[:, k, l])
    assert np.isnan(norms[:, [0, 1, 2, 3], [1, 0, 3, 2]]).all()


def test_gradients_that_were_not_computed_are_missing_not_zero(tmp_path, fixtures):
    path, content = written_json(tmp_path, fixtures)
    gradients = np.array(content["grad"])
    gradients[:, 1] = 0.0
    path, _ = written_json(tmp_path, fixtures, grad=gradients.tolist())
    (group,) = read_pyrai2md(path, multiplicities=SPINS).groups
    assert np.isnan(group.forces[:, 1]).all() and np.isfinite(group.forces[:, 2]).all()


@pytest.mark.parametrize("n_pairs", [2, 6, 3])
def test_couplings_stand_for_the_pairs_of_one_multiplicity_or_for_all(tmp_path, fixtures, n_pairs):
    nac = np.random.default_rng(1).normal(size=(5, n_pairs, 18, 3))
    path, _ = written_json(tmp_path, fixtures, nac=nac.tolist(), nnac=n_pairs)
    if n_pairs == 3:
        with pytest.warns(InputWarning, match="`nac` must have 2 pairs of states, but has 3.*not read"):
            assert read_pyrai2md(path, multiplicities=SPINS).groups[0].interstate_couplings is None
        return
    (group,) = read_pyrai2md(path, multiplicities=SPINS).groups
    places = [0, 5] if n_pairs == 2 else range(6)
    np.testing.assert_array_equal(group.interstate_couplings[:, places], nac)
    assert np.isfinite(group.interstate_couplings).all(axis=(0, 2, 3)).sum() == n_pairs


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"soc": [], "nsoc": 0}, "state 2 lies below state 1 in most frames"),
        ({"soc": [[1.0] * 5] * 5}, "the multiplicities of 4 states with 5 .* must be given"),
        ({"grad": [[1.0]]}, "`grad` must have shape"),
        ({"xyz": [["C"]]}, "`xyz` must hold rows of a symbol and three numbers"),
        ({"energy": "none"}, "`energy` must be an array of numbers"),
    ],
)
def test_a_training_file_that_cannot_be_used_is_refused(tmp_path, fixtures, change, sentence):
    path, _ = written_json(tmp_path, fixtures, **change)
    with pytest.raises(InputError, match=sentence):
        read_pyrai2md(path)


def test_the_old_training_files_are_read(tmp_path, fixtures):
    _, new = written_json(tmp_path, fixtures)
    old = [18, 4, new["xyz"], [], new["energy"], new["grad"], [], [], []]
    (tmp_path / "old.json").write_text(json.dumps(old))
    (group,) = read_pyrai2md(tmp_path / "old.json", multiplicities=SPINS).groups
    np.testing.assert_array_equal(group.energies, new["energy"])


def test_a_database_of_spainn_is_read_with_h_from_d(fixtures):
    path = fixtures / "ch2nh2_12_frames.db"
    rows = list(ase.db.connect(path).select())
    (group,) = read_ase_database(path).groups
    assert (group.name, group.n_frames, group.multiplicities) == ("CH4N", 12, (1, 1, 1))
    assert group.theory.startswith("MR-CISD(6,4)")
    for frame, row in enumerate(rows):
        data = row.data
        np.testing.assert_array_equal(group.positions[frame], row.positions)
        np.testing.assert_array_equal(group.energies[frame], data["energy"][0])
        np.testing.assert_array_equal(group.forces[frame, 2], data["forces"][:, 2])
        for pair, (k, l) in enumerate(group.pairs):
            gap = data["energy"][0][l] - data["energy"][0][k]
            expected = data["nacs"][:, pair] * gap
            np.testing.assert_allclose(group.interstate_couplings[frame, pair], expected, rtol=1e-12)
            # The file holds (E_k - E_l) d under this name.
            np.testing.assert_allclose(expected, -data["smooth_nacs"][:, pair], atol=1e-12)
        np.testing.assert_array_equal(group.dipoles[frame, 0, 2], data["dipoles"][2])
        np.testing.assert_array_equal(group.dipoles[frame, 2, 1], data["dipoles"][4])


def database(tmp_path, *, spainn, data=None, metadata=None, n_atoms=4):
    """Write two rows of two singlets and two triplets, as SchNarc or SPaiNN lay them out."""
    random = np.random.default_rng(7)
    path, expected = tmp_path / "data.db", []
    with ase.db.connect(path) as new:
        for _ in range(2):
            forces, nacs = random.normal(size=(4, n_atoms, 3)), random.normal(size=(2, n_atoms, 3))
            energy = np.array([0.0, 0.2, 0.1, 0.25]) - 40.0
            row = {
                "energy": energy[None] if spainn else energy,
                "forces": forces.transpose(1, 0, 2) if spainn else forces,
                "smooth_nacs": nacs.transpose(1, 0, 2) if spainn else nacs,
                "dipoles": random.normal(size=(6, 3)),
                "socs": random.normal(size=8 * 7),
            } | (data or {})
            positions = np.cumsum(np.ones((n_atoms, 3)), axis=0) + 0.1 * random.normal(size=(n_atoms, 3))
            new.write(ase.Atoms("CHON"[:n_atoms], positions=positions), data=row)
            expected.append((forces, nacs, row))
        new.metadata = {"n_singlets": 2, "n_triplets": 2, "_distance_unit": "Bohr"} | (metadata or {})
    return path, expected


# With four atoms as many as states, the shape does not tell the two programs apart.
@pytest.mark.parametrize("n_atoms", [3, 4])
@pytest.mark.parametrize("spainn", [True, False])
def test_triplets_and_both_layouts_of_arrays_are_read(tmp_path, spainn, n_atoms):
    path, expected = database(tmp_path, spainn=spainn, n_atoms=n_atoms)
    (group,) = read_ase_database(path).groups
    assert group.multiplicities == SPINS
    for frame, (forces, nacs, row) in enumerate(expected):
        np.testing.assert_array_equal(group.forces[frame], forces)
        np.testing.assert_array_equal(group.interstate_couplings[frame, [0, 5]], -nacs)
        assert np.isnan(group.interstate_couplings[frame, 1:5]).all()
        np.testing.assert_array_equal(group.dipoles[frame, 0, 1], row["dipoles"][1])
        np.testing.assert_array_equal(group.dipoles[frame, 3, 2], row["dipoles"][4])
        assert np.isnan(group.dipoles[frame, 0, 2]).all()
        # Row by row: element 0-1 first, then 0-2, each with its real and imaginary part.
        np.testing.assert_array_equal(group.spin_orbit[frame, 0, 2], row["socs"][2:4])
        np.testing.assert_array_equal(group.spin_orbit[frame, 2, 0], row["socs"][2:4] * [1, -1])
        np.testing.assert_array_equal(group.spin_orbit[frame, 6, 7], row["socs"][-2:])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"metadata": {"_distance_unit": None}}, "must say the unit of positions in `_distance_unit`"),
        ({"metadata": {"n_triplets": 1}}, "tell of 2 singlets and 1 triplets. Give `--multiplicities`"),
        ({"data": {"forces": np.zeros((4, 5, 3))}}, r"`forces` must have shape \(4, 4, 3\)"),
    ],
)
def test_a_database_that_cannot_be_used_is_refused(tmp_path, options, sentence):
    path, _ = database(tmp_path, spainn=True, **options)
    with pytest.raises(InputError, match=sentence):
        read_ase_database(path)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"hessian": np.zeros(3)}, "not read: `hessian`"),
        ({"dipoles": np.zeros((5, 3))}, "`dipoles` must have 6 pairs"),
        ({"socs": np.zeros(5)}, "`socs` must hold 56 numbers for 8 spin components"),
    ],
)
def test_what_a_database_holds_beside_is_named(tmp_path, data, sentence):
    path, _ = database(tmp_path, spainn=True, data=data)
    with pytest.warns(InputWarning, match=sentence):
        read_ase_database(path)


def test_a_trajectory_of_sharc_is_read(fixtures):
    path = fixtures / "sharc_3_steps.dat"
    (group,) = read_sharc_trajectory(path).groups
    assert (group.name, group.n_frames, group.multiplicities, group.masses) == ("CH4N", 3, (1, 1, 1), None)
    # Line 24 and following of the file: H_11 of the first step, and `ezero`.
    assert group.energies[0, 0] == pytest.approx(0.01497413580 - 94.7095344465, abs=1e-12)
    np.testing.assert_array_equal(group.positions[0, 1], [-0.1206813e-1, -0.3502740e-1, 2.44121859])
    np.testing.assert_array_equal(group.forces[0, 1, 0], [-0.02218480, -0.7145280e-3, 0.03489760])
    gap = 0.3653272536 - 0.0149741358
    expected = np.array([0.3428461e-2, -0.06327137, -0.1891423]) * gap
    np.testing.assert_allclose(group.interstate_couplings[0, 1, 0], expected, rtol=1e-9)
    np.testing.assert_array_equal(group.dipoles[0, 0, 2], [0.002372, 0.012821, -1.127361])
    assert not group.spin_orbit.any()


def sharc_text(gradients):
    """Return two steps of CO with one singlet and one triplet, of which only some gradients are there."""
    random = np.random.default_rng(3)
    matrix = random.normal(size=(4, 4, 2))
    matrix = 0.001 * (matrix + matrix.transpose(1, 0, 2) * [1, -1])
    matrix[range(4), range(4), 1] = 0.0
    matrix[range(4), range(4), 0] = [0.0, 0.2, 0.2, 0.2]

    def rows(array):
        return "\n".join(" ".join(f"{x:.13E}" for x in row) for row in array) + "\n"

    head = "SHARC_version   2.0\n maxmult 3\n nstates_m 1 0 1\n natom 2\n ezero -100.0\n***** End *****\n"
    head += "! Atomic numbers\n 6.0E+000\n 8.0E+000\n! Elements\n C \n O \n"
    head += "! Atomic masses\n 0.2369850E+005\n 0.2915695E+005\n***** End *****\n"
    step = ""
    for number in range(2):
        step += f"! 0 Step\n {number}\n! 1 Hamiltonian (MCH) in a.u.\n{rows(matrix.reshape(4, 8))}"
        for axis in "XYZ":
            step += f"! 3 Dipole moments {axis} (MCH) in a.u.\n{rows(np.ones((4, 8)))}"
        step += (
            f"! 8 states (diag, MCH)\n 1 1\n! 11 Geometry in a.u.\n{rows([[0, 0, 0], [0, 0, 2.1 + number]])}"
        )
        for state in range(4):
            values = np.full((2, 3), state + 1.0) if state in gradients else np.zeros((2, 3))
            step += f"! 15 Gradients (MCH) State  {state + 1}\n{rows(values)}"
    return head + step, matrix


def test_triplets_spin_orbit_couplings_and_isotopes_of_sharc_are_read(tmp_path):
    text, matrix = sharc_text({1, 2, 3})
    # A writer that was killed leaves a step without its end.
    (tmp_path / "output.dat").write_text(text + "! 0 Step\n 2\n! 1 Hamiltonian (MCH) in a.u.\n 0.0 0.0\n")
    (group,) = read_sharc_trajectory(tmp_path / "output.dat").groups
    assert (group.n_frames, group.multiplicities) == (2, (1, 3))
    np.testing.assert_allclose(group.energies[0], [-100.0, -99.8])
    np.testing.assert_array_equal(group.masses, [23698.5, 29156.95])
    assert np.isnan(group.forces[:, 0]).all()
    assert (group.forces[:, 1] == -2.0).all()
    assert group.interstate_couplings is None
    off = matrix.copy()
    off[range(4), range(4)] = 0.0
    np.testing.assert_allclose(group.spin_orbit[1], off, rtol=1e-12)
    assert np.isnan(group.dipoles[:, 0, 1]).all() and (group.dipoles[:, 1, 1] == 1.0).all()


@pytest.mark.parametrize("missing", ["nstates_m", "ezero", "Atomic numbers"])
def test_a_header_of_sharc_without_what_is_needed_is_refused(fixtures, tmp_path, missing):
    text = re.sub(missing, "other", (fixtures / "sharc_3_steps.dat").read_text())
    (tmp_path / "output.dat").write_text(text)
    with pytest.raises(InputError, match=f"`{missing}` must stand in the header"):
        read_sharc_trajectory(tmp_path / "output.dat")
