"""What a file is by its content, and commands that get two files in each other's place."""

import gzip

import h5py
import pytest
import safetensors.numpy
from numpy import zeros

from nadyn import load_dataset, load_model, shipped
from nadyn.checks.errors import InputError
from nadyn.checks.kinds import Kind, kind_of, what_it_is
from nadyn.trajectory import open_run
from nadyn.trajectory.initial_conditions import read_initial_conditions
from tests.cli.typed import typed

CONTENTS = {
    "empty": (b"", Kind.EMPTY),
    "packed": (gzip.compress(b"3\n\nH 0 0 0\n"), Kind.PACKED),
    "database": (b"SQLite format 3\x00" + bytes(100), Kind.DATABASE),
    "numbers": (b'{"time_fs": [0, 1]}', Kind.JSON),
    "page": (b"<!DOCTYPE html>\n<html></html>", Kind.PAGE),
    "svg": (b'<?xml version="1.0"?>\n<svg/>', Kind.PICTURE),
    "pdf": (b"%PDF-1.4\n", Kind.PICTURE),
    "xyz": (b"2\ncomment: none\nH 0 0 0\nH 0 0 1\n", Kind.GEOMETRY),
    "run file": (b"# a run\n\ntime_fs: 10\n", Kind.SETTINGS),
    "long run file": (b"initial: {sample: wigner,\n  n: 2}\n" + b"time_fs: 10\n" * 500, Kind.SETTINGS),
    "notes": (b"# Notes\nthreads: a, b\npeople saw: much\n", Kind.TEXT),
    "text": ("Ein Tag wie andere: überall.\n".encode(), Kind.TEXT),
    "long text": (b"a" + "ü".encode() * 4095, Kind.TEXT),
    "bytes": (bytes(range(256)), Kind.OTHER),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """One file of each kind that commands read."""
    folder = tmp_path_factory.mktemp("kinds")
    for name, text in {
        "run.yaml": "model: {name: tully, variant: 1}\n",
        "geometry.xyz": "2\n\nH 0 0 0\nH 0 0 1\n",
        "numbers.json": '{"time_fs": [0]}',
    }.items():
        (folder / name).write_text(text, encoding="utf-8")
    for name in ("dataset", "trajectories", "initial"):
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file.attrs["format"] = f"nadyn-{name}"
    (folder / "m.safetensors").write_bytes(shipped.path("ammonia/ammonia.safetensors").read_bytes())
    return folder


@pytest.mark.parametrize("name", CONTENTS)
def test_a_file_is_known_by_its_content(tmp_path, name):
    content, kind = CONTENTS[name]
    (tmp_path / "file").write_bytes(content)
    assert kind_of(tmp_path / "file") is kind


def test_files_of_nadyn_are_known_by_name(tmp_path, files):
    assert kind_of(files / "m.safetensors") is Kind.MODEL
    safetensors.numpy.save_file({"a": zeros(3)}, tmp_path / "other")
    assert kind_of(tmp_path / "other") is Kind.MODEL
    assert what_it_is(files / "dataset.h5", "nadyn-dataset") == "a dataset of nadyn"
    assert what_it_is(files / "dataset.h5") == what_it_is(files / "dataset.h5", "other") == "an HDF5 file"


@pytest.mark.parametrize(
    ("read", "name", "found"),
    [
        (load_model, "dataset.h5", "must be a nadyn model file, but is a dataset of nadyn."),
        (load_model, "trajectories.h5", "must be a nadyn model file, but is a trajectory file of nadyn."),
        (load_model, "run.yaml", "must be a nadyn model file, but is a YAML file, such as a run file."),
        (load_dataset, "m.safetensors", "must be an HDF5 file, but is a model file."),
        (load_dataset, "trajectories.h5", "is 'nadyn-trajectories': it is a trajectory file of nadyn."),
        (load_dataset, "geometry.xyz", "must be an HDF5 file, but is an xyz file. Convert it first: nadyn"),
        (open_run, "run.yaml", "must be an HDF5 file, but is a YAML file, such as a run file."),
        (open_run, "m.safetensors", "must be an HDF5 file, but is a model file."),
        (read_initial_conditions, "geometry.xyz", "must be an HDF5 file, but are an xyz file."),
    ],
)
def test_a_file_of_another_kind_is_named_by_what_it_is(files, read, name, found):
    with pytest.raises(InputError) as caught:
        read(files / name)
    assert found in str(caught.value)


@pytest.mark.parametrize(
    ("command", "right"),
    [
        ("evaluate dataset.h5 m.safetensors", "nadyn evaluate m.safetensors dataset.h5"),
        (
            "evaluate dataset.h5 initial.h5 m.safetensors",
            "nadyn evaluate m.safetensors dataset.h5 initial.h5",
        ),
        (
            "train m.safetensors --from dataset.h5 --output new.safetensors",
            "nadyn train dataset.h5 --from m.safetensors --output new.safetensors",
        ),
        (
            "train run.yaml --config dataset.h5 --output new.safetensors",
            "nadyn train dataset.h5 --config run.yaml --output new.safetensors",
        ),
        (
            "sample geometry.xyz --geometry m.safetensors --n 2 --output new.h5",
            "nadyn sample m.safetensors --geometry geometry.xyz",
        ),
        (
            "report numbers.json --beside trajectories.h5 --output new.html",
            "nadyn report trajectories.h5 --beside numbers.json",
        ),
    ],
)
def test_two_files_in_each_others_place_are_one_sentence_with_the_right_line(
    files, monkeypatch, command, right
):
    monkeypatch.chdir(files)
    code, printed = typed(*command.split())
    assert code == 2
    assert printed.endswith(f"but each is what the other must be. Exchange them: {right}\n")
    assert len(printed.splitlines()) == 1


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("run trajectories.h5", "'trajectories.h5' must be YAML, but is an HDF5 file."),
        ("run m.safetensors", "'m.safetensors' must be YAML, but is a model file."),
        ("info run.yaml", "`nadyn convert` reads, but is a YAML file, such as a run file."),
        ("convert m.safetensors new.h5", "but is a model file."),
        ("convert new.h5 geometry.xyz", "is there: name what is read first, then what is written."),
    ],
)
def test_a_command_that_gets_another_kind_of_file_says_what_it_is(files, monkeypatch, command, sentence):
    monkeypatch.chdir(files)
    code, printed = typed(*command.split())
    assert code == 2 and sentence in printed and len(printed.splitlines()) == 1
