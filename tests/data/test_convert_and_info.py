"""`nadyn convert` and `nadyn info`, as typed."""

import re
import warnings
from dataclasses import replace

import h5py
import numpy as np
import pytest

from nadyn import shipped
from nadyn.checks.errors import InputWarning
from nadyn.cli.main import main
from nadyn.data import Dataset, load_dataset, write_dataset
from nadyn.data.readers.table import read_file
from nadyn.units import ELECTRON_MASS_PER_DALTON, ELECTRONVOLT_PER_HARTREE
from tests.analysis.synthetic_run import write_run


@pytest.fixture
def nadyn(capsys):
    """Type a command; get its exit code, output and error output."""

    def type_command(*arguments):
        with warnings.catch_warnings(), pytest.raises(SystemExit) as caught:
            # Outside of tests a warning is a line on standard error.
            warnings.simplefilter("always", InputWarning)
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return caught.value.code, captured.out, captured.err

    return type_command


def test_extended_xyz_becomes_a_dataset_and_comes_back(nadyn, fixtures, tmp_path):
    xyz, h5, back = fixtures / "3bpa_5_frames.xyz", tmp_path / "a.h5", tmp_path / "b.xyz"
    code, out, _ = nadyn("convert", xyz, h5, "--theory", "DFT", "--source", "a paper", "--licence", "MIT")
    assert code == 0 and "C12H12N2O: 5 frames, 27 atoms, 1 state; energies, forces" in out
    group = load_dataset(h5).groups[0]
    assert (group.theory, group.source, group.licence) == ("DFT", "a paper", "MIT")
    assert nadyn("convert", h5, back)[0] == 0
    assert nadyn("convert", back, tmp_path / "c.h5")[0] == 0
    again = load_dataset(tmp_path / "c.h5").groups[0]
    np.testing.assert_allclose(again.forces, group.forces, rtol=1e-14)


def test_a_dataset_rewritten_keeps_its_numbers(nadyn, fixtures, tmp_path):
    source = fixtures / "butene_60_frames.h5"
    assert nadyn("convert", source, tmp_path / "a.h5")[0] == 0
    assert nadyn("convert", tmp_path / "a.h5", tmp_path / "b.h5")[0] == 0
    before, after = load_dataset(source).groups[0], load_dataset(tmp_path / "a.h5").groups[0]
    np.testing.assert_array_equal(after.interstate_couplings, before.interstate_couplings)
    assert after.theory == before.theory
    digests = [nadyn("info", tmp_path / name, "--digest")[1] for name in ("a.h5", "b.h5")]
    assert digests[0] == digests[1]


def test_the_origin_of_an_ions_dipoles_is_said_when_it_is_read(nadyn, fixtures, tmp_path):
    source = fixtures / "ch2nh2_12_frames.db"
    _, out, _ = nadyn("info", source, "--charge", 1)
    assert "not used in training: dipoles, spin_orbit" in out
    code, out, _ = nadyn(
        "convert", source, tmp_path / "a.h5", "--charge", 1, "--dipole-origin", "center_of_mass"
    )
    assert code == 0, out
    assert load_dataset(tmp_path / "a.h5").groups[0].dipole_origin == "center_of_mass"
    _, out, _ = nadyn("info", tmp_path / "a.h5")
    assert "not used in training: spin_orbit" in out
    for name, data, sentence in (
        ("middle", source, "must be one of coordinates, center_of_mass, center_of_charge"),
        ("coordinates", fixtures / "3bpa_5_frames.xyz", "`--dipole-origin` must come with dipoles"),
    ):
        code, _, error = nadyn("convert", data, tmp_path / "b.h5", "--dipole-origin", name)
        assert code == 2 and sentence in error


@pytest.mark.filterwarnings("ignore::nadyn.checks.errors.InputWarning")
def test_energies_of_states_are_told_above_the_lowest_one(nadyn, fixtures):
    group = read_file(fixtures / "pyrai2md_5_frames.json").groups[0]
    energies = ELECTRONVOLT_PER_HARTREE * (group.energies - group.energies.min())
    _, out, _ = nadyn("info", fixtures / "pyrai2md_5_frames.json")
    lowest = ELECTRONVOLT_PER_HARTREE * group.energies.min()
    assert f"energies above the lowest one, {lowest:.4f} eV" in out
    for state in range(4):
        numbers = (energies[:, state].min(), energies[:, state].max(), energies[:, state].mean())
        row = next(line for line in out.splitlines() if line.startswith(f"│     {state} │"))
        assert [f"{one:.4f}" in row for one in numbers] == [True] * 3, row


def test_an_output_is_replaced_only_on_demand(nadyn, fixtures, tmp_path):
    target = tmp_path / "a.h5"
    target.write_text("precious")
    code, _, error = nadyn("convert", fixtures / "3bpa_5_frames.xyz", target)
    assert code == 2 and "must not exist yet, but does. Use --overwrite" in error
    assert target.read_text() == "precious"
    assert nadyn("convert", fixtures / "3bpa_5_frames.xyz", target, "--overwrite")[0] == 0
    assert load_dataset(target).n_frames == 5


@pytest.mark.parametrize(
    ("source", "target", "sentence"),
    [
        ("3bpa_5_frames.xyz", "out.zip", "OUT must end in .h5, .hdf5, .xyz or .extxyz"),
        ("LICENSE.3bpa", "out.h5", "see the page `Data of other programs`"),
        ("ethanol_60_frames.h5 --energy-key E", "out.h5", "`--energy-key` must be left out for a dataset"),
        ("3bpa_5_frames.xyz --couplings H", "out.h5", "`--couplings` must be h or d, but is 'H'"),
        ("pyrai2md_5_frames.json --multiplicities 1,a", "out.h5", "`--multiplicities` must be numbers as in"),
        ("none.xyz", "out.h5", "must exist, but does not"),
        ("3bpa_5_frames.xyz", "nowhere/out.h5", "must exist, but does not. Create it first"),
    ],
)
def test_a_conversion_that_cannot_be_done_is_one_line(nadyn, fixtures, tmp_path, source, target, sentence):
    name, *options = source.split()
    code, _, error = nadyn("convert", fixtures / name, tmp_path / target, *options)
    assert code == 2 and sentence in error
    assert len(error.strip().splitlines()) == 1


def test_info_shows_the_statistics_of_a_dataset(nadyn, fixtures):
    code, out, _ = nadyn("info", fixtures / "butene_60_frames.h5")
    assert code == 0
    for expected in (
        "hexafluorobutene: 60 frames, 12 atoms, 2 states",
        "labels: energies, forces, interstate_couplings",
        "frames under 0.3 eV",
        "CASSCF",
        "MIT",
        "[eV]",
        "0-1",
    ):
        assert expected in out


def test_a_digest_is_the_same_for_equal_content_only(nadyn, fixtures, tmp_path):
    path = tmp_path / "copy.h5"
    path.write_bytes((fixtures / "ethanol_60_frames.h5").read_bytes())
    code, first, _ = nadyn("info", path, "--digest")
    assert code == 0 and re.fullmatch(r"[0-9a-f]{64}\n", first)
    with h5py.File(path, "r+") as file:
        file.attrs["date"] = "today"
    assert nadyn("info", path, "--digest")[1] == first
    with h5py.File(path, "r+") as file:
        file["ethanol/energies"][3, 0] += 1e-9
    assert nadyn("info", path, "--digest")[1] != first


def test_info_shows_initial_conditions(nadyn, tmp_path):
    path = tmp_path / "initial.h5"
    with h5py.File(path, "w") as file:
        file.attrs["format"] = "nadyn-initial"
        file.attrs["origin"] = "by hand"
        file.create_dataset("positions", data=np.zeros((5, 4, 3))).attrs["unit"] = "bohr"
    code, out, _ = nadyn("info", path)
    assert code == 0 and "by hand" in out and "5 x 4 x 3 bohr" in out


@pytest.mark.parametrize("digest", [[], ["--digest"]])
def test_info_says_what_it_cannot_read(nadyn, fixtures, tmp_path, digest):
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file.attrs["format"] = "something else"
    cut = tmp_path / "cut.h5"
    cut.write_bytes((fixtures / "ethanol_60_frames.h5").read_bytes()[:9000])
    for path, sentence in (
        (fixtures / "LICENSE.3bpa", "must be a dataset, model, trajectory or initial file"),
        (other, "must be a dataset, model, trajectory or initial file"),
        (cut, "must be whole, but is truncated or damaged"),
        (tmp_path / "none.h5", "must exist, but does not"),
    ):
        code, _, error = nadyn("info", path, *digest)
        assert code == 2 and sentence in error
        assert len(error.strip().splitlines()) == 1


def test_info_shows_trajectories(nadyn, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.yaml").write_text(
        "model: {name: tully, variant: 1}\n"
        "initial: {position_au: -10, momentum_au: 20, n: 4, state: 0}\n"
        "method: fssh\ndt_fs: 0.5\ntime_fs: 1\noutput: run.h5\n"
    )
    assert nadyn("run", "run.yaml")[0] == 0
    code, out, _ = nadyn("info", "run.h5")
    assert code == 0
    for expected in ("tully-1", "fssh", "2 of 2", "4 finished"):
        assert expected in out
    code, out, _ = nadyn("info", "run.h5", "--digest")
    assert code == 0 and re.fullmatch(r"[0-9a-f]{64}\n", out)


def test_info_names_the_molecule_of_a_run_with_its_isotopes(nadyn, tmp_path):
    masses = np.array([14.0031, 1.0078, 2.0141, 1.0078]) * ELECTRON_MASS_PER_DALTON
    positions = np.broadcast_to(2.0 * np.eye(4, 3), (3, 2, 4, 3))
    numbers = np.array([7, 1, 1, 1])
    state = np.zeros((3, 2), int)
    path = tmp_path / "run.h5"
    write_run(path, state, n_states=2, positions=positions, masses=masses, atomic_numbers=numbers)
    assert re.search(r"molecule +│ NH2D ", nadyn("info", path)[1])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pyrai2md_5_frames.json", "4 states (2S+1: 1 1 3 3); energies, forces, spin_orbit_norms"),
        ("ch2nh2_12_frames.db", "3 states; energies, forces, interstate_couplings, dipoles, spin_orbit"),
        ("sharc_3_steps.dat", "3 frames, 6 atoms, 3 states; energies, forces, interstate_couplings"),
    ],
)
def test_files_of_other_programs_become_datasets_with_all_that_is_in_them(
    nadyn, fixtures, tmp_path, name, words
):
    code, out, _ = nadyn("convert", fixtures / name, tmp_path / "a.h5")
    assert code == 0 and words in out
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        expected, found = read_file(fixtures / name).groups[0], load_dataset(tmp_path / "a.h5").groups[0]
    assert found.multiplicities == expected.multiplicities
    for key, array in expected.frame_arrays().items():
        np.testing.assert_array_equal(getattr(found, key), array)


def test_doubtful_frames_are_named_and_left_out_on_demand(nadyn, fixtures, tmp_path):
    source, target = fixtures / "ch2nh2_12_frames.db", tmp_path / "a.h5"
    _, out, error = nadyn("convert", source, target)
    assert (
        "in 3 of 12 frames (0, 1, 2)" in error and "`nadyn convert --drop-doubtful` leaves them out" in error
    )
    code, out, error = nadyn("convert", source, target, "--drop-doubtful", "--overwrite", "--charge", 1)
    assert code == 0 and error == "" and "CH4N: left out 3 of 12 frames (0, 1, 2)." in out
    assert load_dataset(target).n_frames == 9


@pytest.mark.parametrize("command", ["info", "convert"])
def test_every_doubtful_frame_is_named_on_demand(nadyn, fixtures, tmp_path, command):
    right = load_dataset(fixtures / "butene_60_frames.h5").groups[0]
    positions, wrong = right.positions.copy(), range(3, 33, 2)
    positions[list(wrong)] *= 0.4
    source = tmp_path / "a.h5"
    write_dataset(source, Dataset((replace(right, positions=positions, forces=None),)))
    more = [tmp_path / "b.h5", "--overwrite"] * (command == "convert")
    short = "".join(nadyn(command, source, *more)[1:])
    assert "in 15 of 60 frames (3, 5, 7, 9, 11, 13, 15, 17, …; `nadyn info --all-frames` names all)" in short
    code, *outputs = nadyn(command, source, "--all-frames", *more)
    assert code == 0 and f"in 15 of 60 frames ({', '.join(map(str, wrong))})" in "".join(outputs)


def test_couplings_that_are_d_become_h(nadyn, tmp_path):
    source, target = shipped.path("ammonia/ammonia_near_intersection.h5"), tmp_path / "a.h5"
    right = load_dataset(source).groups[0]
    wrong = replace(right, interstate_couplings=right.interstate_couplings / _gap(right))
    write_dataset(tmp_path / "d.h5", Dataset((wrong,)))
    code, _, error = nadyn("convert", tmp_path / "d.h5", target)
    assert code == 0 and "as d does" in error
    code, _, error = nadyn("convert", tmp_path / "d.h5", target, "--couplings", "d", "--overwrite")
    assert code == 0 and error == ""
    found = load_dataset(target).groups[0].interstate_couplings
    np.testing.assert_allclose(found, right.interstate_couplings, rtol=1e-12)


def _gap(group):
    return np.diff(group.energies, axis=1)[:, :, None, None]


def test_info_says_everything_that_looks_wrong_at_once(nadyn, fixtures, tmp_path):
    right = load_dataset(fixtures / "butene_60_frames.h5").groups[0]
    positions, forces = right.positions.copy(), right.forces[:, ::-1]
    positions[7] *= 0.4
    energies = right.energies.copy()
    energies[20] += 10.0
    group = replace(right, positions=positions, energies=energies, forces=forces)
    write_dataset(tmp_path / "a.h5", Dataset((group,)))
    code, out, error = nadyn("info", tmp_path / "a.h5")
    warned = [line for line in out.splitlines() if line.startswith("warning: ")]
    assert code == 0 and error == ""
    for words in ("in 1 of 60 frames (7) some are closer", "in 1 of 60 frames (20) they are not", "`forces`"):
        assert sum(words in line for line in warned) == 1
    code, out, error = nadyn("info", fixtures / "butene_60_frames.h5")
    assert "warning" not in out + error and "nothing looks wrong: bond lengths" in out


def test_info_and_training_say_what_is_not_used(nadyn, fixtures, tmp_path):
    source = fixtures / "carbon_periodic_6_frames.xyz"
    assert "not used in training" not in nadyn("info", source)[1]
    nadyn("convert", source, tmp_path / "crystal.h5")
    slab = replace(load_dataset(tmp_path / "crystal.h5").groups[0], pbc=np.array([True, True, False]))
    write_dataset(tmp_path / "a.h5", Dataset((slab,)))
    assert "not used in training: stress\n" in nadyn("info", tmp_path / "a.h5")[1]
    # Training ends after what it has to say: the output is in the way.
    (tmp_path / "m.safetensors").write_text("")
    code, out, _ = nadyn("train", tmp_path / "a.h5", "--output", tmp_path / "m.safetensors")
    words = " ".join(out.split())
    assert code == 2 and "`stress` of the data is not used in the training. About stress: only in" in words


def test_masses_are_kept_and_shown(nadyn, tmp_path):
    (tmp_path / "d.xyz").write_text("2\nProperties=species:S:1:pos:R:3 energy=-1.0\nH 0 0 0\nD 0 0 0.74\n")
    code, out, _ = nadyn("convert", tmp_path / "d.xyz", tmp_path / "a.h5")
    assert code == 0 and "energies, masses" in out
    for name in ("a.h5", "d.xyz"):
        assert "masses [u]: H 1.0078, H 2.0141" in nadyn("info", tmp_path / name)[1]
    assert nadyn("convert", tmp_path / "a.h5", tmp_path / "back.xyz")[0] == 0
    assert "masses [u]: H 1.0078, H 2.0141" in nadyn("info", tmp_path / "back.xyz")[1]


def test_leaving_out_doubtful_frames_is_offered_only_where_some_are_left(nadyn, tmp_path):
    # Two molecules of water in a box, each cut by its wall.
    frame = '3\nLattice="9 0 0 0 9 0 0 0 9" pbc="F F F" Properties=species:S:1:pos:R:3 energy=-1 charge=0\n{}'
    cut = frame.format("O 0.1 0 4\nH 0.1 0 4.97\nH 8.16 0 3.76\n")
    whole = frame.format("O 4 0 4\nH 4 0 4.97\nH 3.06 0 3.76\n")
    for text, offered in ((cut + whole, True), (cut + cut, False)):
        (tmp_path / "a.xyz").write_text(text, encoding="utf-8")
        printed = "".join(nadyn("info", tmp_path / "a.xyz")[1:])
        assert "a molecule is cut by the wall" in printed
        assert ("`nadyn convert --drop-doubtful` leaves them out." in printed) == offered
        assert ("No frame would be left without the doubtful ones: correct the data" in printed) != offered
        code, *outputs = nadyn(
            "convert", tmp_path / "a.xyz", tmp_path / "a.h5", "--drop-doubtful", "--overwrite"
        )
        assert code == (0 if offered else 2)
        assert ("must keep a frame, but all of them are doubtful. Correct the data" in outputs[1]) != offered
