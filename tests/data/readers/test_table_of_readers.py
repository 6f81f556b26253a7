"""Files are known by their content, whatever they are called; a reader is one file and one line."""

import ast
import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest

import nadyn
from nadyn.checks.errors import InputError
from nadyn.data.readers.reader import ReadOptions
from nadyn.data.readers.table import READERS, find_reader, read_file
from nadyn.models.encoders.table import ENCODERS
from tests.cli.typed import typed

FILES = {
    "ethanol_60_frames.h5": "dataset of nadyn",
    "h5md_5_frames.h5md": "trajectory in H5MD",
    "mlatom_2_steps.h5md": "trajectory in H5MD",
    "ch2nh2_12_frames.db": "ASE database",
    "pyrai2md_5_frames.json": "training file of PyRAI2MD",
    "sharc_3_steps.dat": "trajectory of SHARC (output.dat)",
    "3bpa_5_frames.xyz": "extended xyz file",
    "mlatom_2_molecules.json": "database or trajectory of MLatom (JSON)",
    "emt_5_frames.npz": "NumPy file (npz)",
    "emt_2_frames.traj": "trajectory of ASE (traj)",
    "sharc_points/ICOND_00001/QM.out": "single point of SHARC (QM.out)",
    "newtonx_2.6/TRAJ1/RESULTS/dyn.out": "trajectory of Newton-X (dyn.out)",
}
PACKAGE = Path(nadyn.__file__).parent


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_known_by_its_content(fixtures, tmp_path, name):
    renamed = tmp_path / "what_is_it"
    shutil.copy(fixtures / name, renamed)
    assert find_reader(renamed).name == FILES[name]
    others = [reader for reader in READERS if reader.name != FILES[name]]
    assert not any(reader.recognises(renamed.read_bytes()[:65536]) for reader in others)


def test_every_reader_has_a_file_here():
    assert {reader.name for reader in READERS} == set(FILES.values())


@pytest.mark.filterwarnings("ignore::nadyn.checks.errors.InputWarning")
@pytest.mark.parametrize("name", [name for name in FILES if "QM.out" not in name])
def test_any_file_may_be_packed(fixtures, tmp_path, name):
    packed = tmp_path / f"{name}.gz"
    packed.parent.mkdir(parents=True, exist_ok=True)
    packed.write_bytes(gzip.compress((fixtures / name).read_bytes()))
    found, expected = read_file(packed).groups[0], read_file(fixtures / name).groups[0]
    for key, array in expected.frame_arrays().items():
        np.testing.assert_array_equal(getattr(found, key), array)


def test_commands_read_packed_files_of_nadyn_and_of_starts(fixtures, tmp_path):
    for name, words in (("ethanol_60_frames.h5", "60 frames"), ("sharc_initconds_4", "4 conditions")):
        packed = tmp_path / f"{name}.gz"
        packed.write_bytes(gzip.compress((fixtures / name).read_bytes()))
        code, said = typed("info", packed)
        assert code == 0 and words in said
        assert typed("convert", packed, tmp_path / f"{name}.h5")[0] == 0
    cut = tmp_path / "cut.gz"
    cut.write_bytes(packed.read_bytes()[:-30])
    code, said = typed("info", cut)
    assert code == 2 and "cut.gz" in said and "cannot be unpacked" in said


@pytest.mark.parametrize("kept", [10, 400])
def test_a_packed_file_that_is_cut_is_refused(fixtures, tmp_path, kept):
    packed = tmp_path / "cut.xyz.gz"
    packed.write_bytes(gzip.compress((fixtures / "3bpa_5_frames.xyz").read_bytes())[:kept])
    with pytest.raises(InputError, match="must be whole, but cannot be unpacked"):
        read_file(packed)


@pytest.mark.parametrize("content", [b"", b"hello\n", b"\x00\x01\x02", b"{}", b"[]", b"3.5\nO 0 0 0\n"])
def test_what_nobody_knows_is_refused_with_what_is_known(tmp_path, content):
    (tmp_path / "file.xyz").write_bytes(content)
    with pytest.raises(
        InputError, match=r"must be one of dataset of nadyn, .* extended xyz file, but is (a|empty)"
    ):
        read_file(tmp_path / "file.xyz")


def test_an_option_that_a_format_has_no_use_for_is_refused(fixtures):
    with pytest.raises(InputError, match="`--energy-key` must be left out for a dataset of nadyn"):
        read_file(fixtures / "ethanol_60_frames.h5", ReadOptions(energy_key="E"))


# Folders of code that is written out for some encoders.
WRITTEN_OUT = {PACKAGE / "models/kernels", PACKAGE / "training/second_order"}


def test_readers_and_encoders_are_named_in_their_table_only():
    """A new one is a file of its own and a line in its table: nothing else knows their names."""
    readers = {
        "nadyn.data.readers." + name
        for name in ("ase_database", "mlatom", "npz", "newtonx", "pyrai2md", "sharc_trajectory")
    }
    encoders = {kind.settings.__module__ for kind in ENCODERS.values()}
    tables = {PACKAGE / "data/readers/table.py", PACKAGE / "models/encoders/table.py"}
    for path in PACKAGE.rglob("*.py"):
        imported = {
            node.module for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)
        }
        if path in tables:
            continue
        # A layer may stand upon another encoder, in the same folder, and code that is written out for one.
        names_one = path.parent.name == "encoders" or path.parent in WRITTEN_OUT
        known = readers if names_one else readers | encoders
        assert not imported & known, path
