"""`nadyn convert` and `nadyn info`, as typed."""

import re

import h5py
import numpy as np
import pytest

from nadyn.cli.main import main
from nadyn.data import load_dataset


@pytest.fixture
def nadyn(capsys):
    """Type a command; get its exit code, output and error output."""

    def type_command(*arguments):
        with pytest.raises(SystemExit) as caught:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return caught.value.code, captured.out, captured.err

    return type_command


def test_extended_xyz_becomes_a_dataset_and_comes_back(nadyn, fixtures, tmp_path):
    xyz, h5, back = fixtures / "3bpa_5_frames.xyz", tmp_path / "a.h5", tmp_path / "b.xyz"
    code, out, _ = nadyn("convert", xyz, h5, "--theory", "DFT", "--source", "a paper", "--licence", "MIT")
    assert code == 0 and "C12H12N2O: 5 frames, 27 atoms, 1 states; energies, forces" in out
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
        ("3bpa_5_frames.xyz", "out.zip", "OUT must end in one of .h5"),
        ("LICENSE.3bpa", "out.h5", "see the page `Data of other programs`"),
        ("none.xyz", "out.h5", "must exist, but does not"),
        ("3bpa_5_frames.xyz", "nowhere/out.h5", "must exist, but does not. Create it first"),
    ],
)
def test_a_conversion_that_cannot_be_done_is_one_line(nadyn, fixtures, tmp_path, source, target, sentence):
    code, _, error = nadyn("convert", fixtures / source, tmp_path / target)
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
        (fixtures / "3bpa_5_frames.xyz", "must be a dataset, model, trajectory or initial file"),
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
