"""A full disk and a folder that takes no files: one sentence from every command, and nothing left behind."""

import errno
import os
import resource
import shutil
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from nadyn.checks.errors import RunError
from nadyn.checks.output import new_file
from nadyn.cli.main import main
from nadyn.data import Dataset, write_dataset
from nadyn.data.validation import group_from_arrays
from nadyn.dynamics.run.loop import run
from nadyn.training.averaging import WeightAverage
from nadyn.training.checkpoint import write_checkpoint
from nadyn.trajectory import digest, open_run

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

RUN = {
    "model": {"name": "tully", "variant": 1},
    "initial": {"position_au": -2, "momentum_au": 20, "n": 40, "state": 0},
    "method": "fssh",
    "time_fs": 8,
}


@contextmanager
def full_disk(n_bytes: int):
    """No file may become longer than this: the system refuses as it does on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder with a run file, a run of it, a dataset and a model."""
    made = tmp_path_factory.mktemp("prepared")
    (made / "run.yaml").write_text(yaml.safe_dump(RUN), encoding="utf-8")
    (made / "model.yaml").write_text("{name: pyrazine, variant: 4}", encoding="utf-8")
    run({**RUN, "output": str(made / "before.h5")}, progress=False)
    noise = np.random.default_rng(1).normal(scale=0.05, size=(12, 3, 3))
    water = np.array([[0.0, 0.0, 0.0], [1.43, 1.1, 0.0], [-1.43, 1.1, 0.0]])
    forces = -0.1 * noise[:, None]
    arrays = {
        "positions": water + noise,
        "energies": (0.05 * noise**2).sum((1, 2))[:, None],
        "forces": forces,
    }
    group = group_from_arrays("water", atomic_numbers=np.array([8, 1, 1]), pbc=(False,) * 3, **arrays)
    write_dataset(made / "data.h5", Dataset((group,)))
    # Some versions of torch write files of their own when an optimizer is made for the first time.
    torch.optim.AdamW([torch.zeros(1, requires_grad=True)])
    (made / "train.yaml").write_text("{epochs: 1, model: {hidden: [8]}}", encoding="utf-8")
    return made


@pytest.fixture
def folder(prepared, tmp_path, monkeypatch):
    """A copy of it, in which commands are given."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


COMMANDS = {
    "sample": ("sample", "model.yaml", "--n", "60", "--output"),
    "run": ("run",),
    "analyse": ("analyse", "before.h5", "--json"),
    "report": ("report", "before.h5", "--output"),
    "convert": ("convert", "data.h5"),
    "train": ("train", "data.h5", "--config", "train.yaml", "--quiet", "--output"),
}
every_command = pytest.mark.parametrize("name", COMMANDS)
ENDING = {"report": ".html", "analyse": ".json", "train": ".safetensors"}


def call(name: str, output: Path, capsys) -> tuple[int, str]:
    """Exit code and what was written on stderr."""
    arguments = [*COMMANDS[name], str(output)]
    if name == "run":
        Path("there.yaml").write_text(yaml.safe_dump({**RUN, "output": str(output)}), encoding="utf-8")
        arguments = ["run", "there.yaml", "--quiet"]
    with pytest.raises(SystemExit) as leaving:
        main(arguments)
    return leaving.value.code, capsys.readouterr().err.splitlines()[-1]


@every_command
def test_a_full_disk_is_one_sentence_and_leaves_nothing(name, folder, capsys):
    output = folder / f"out{ENDING.get(name, '.h5')}"
    (folder / "there.yaml").touch()
    before = sorted(path.name for path in folder.iterdir())
    with full_disk(1500):
        code, error = call(name, output, capsys)
    assert code == 1, error
    assert f"{output.name}" in error and "cannot be written (File too large)." in error
    assert sorted(path.name for path in folder.iterdir()) == before


@pytest.fixture
def closed(tmp_path):
    """A folder in which no file can be made, by root either where the system has one."""
    system = Path("/sys")
    if system.is_dir():
        yield system
        return
    own = tmp_path / "closed"
    own.mkdir(mode=0o555)
    yield own
    own.chmod(0o755)


@every_command
def test_a_folder_that_takes_no_files_is_refused_before_the_work(name, folder, closed, capsys):
    code, error = call(name, closed / f"out{ENDING.get(name, '.h5')}", capsys)
    assert code == 2, error
    assert f"must be in a folder that can be written to, but {str(closed)!r} cannot" in error


def test_a_disk_that_becomes_full_keeps_what_was_committed(tmp_path):
    """The hop table of a long run outgrows its place; there is no room for the larger file."""
    config = {**RUN, "write_every": 1, "output": str(tmp_path / "run.h5")}
    whole = {**config, "output": str(tmp_path / "whole.h5"), "time_fs": 16}
    run(config, progress=False)
    run(whole, progress=False)
    size, before = (tmp_path / "run.h5").stat().st_size, digest(tmp_path / "run.h5")
    with full_disk(size + 100), pytest.raises(RunError, match=r"What was committed is kept.*--resume"):
        run({**config, "time_fs": 16}, resume=True, progress=False)
    assert digest(tmp_path / "run.h5") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.h5", "whole.h5"]
    run({**config, "time_fs": 16}, resume=True, progress=False)
    assert digest(tmp_path / "run.h5") == digest(tmp_path / "whole.h5")
    assert open_run(tmp_path / "run.h5").damaged_frames() == []


def test_a_checkpoint_that_finds_no_room_leaves_the_one_before_it(tmp_path):
    network = torch.nn.Linear(20, 20)
    parts = {
        "potential": network,
        "average": WeightAverage(network, 0.99),
        "best": {},
        "optimizer": torch.optim.AdamW(network.parameters()),
    }
    path = tmp_path / "model.safetensors.checkpoint"
    with full_disk(1500), pytest.raises(RunError, match="Nothing of it was written"):
        write_checkpoint(path, **parts, progress={"step": 1})
    write_checkpoint(path, **parts, progress={"step": 1})
    before = path.read_bytes()
    with full_disk(1500), pytest.raises(RunError, match=r"checkpoint before it is kept.*--resume"):
        write_checkpoint(path, **parts, progress={"step": 2})
    assert path.read_bytes() == before and [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ESTALE, errno.EIO])
def test_quotas_and_disks_that_have_gone_are_told_as_a_full_one_is(number, tmp_path):
    path = tmp_path / "x"
    with pytest.raises(RunError, match="cannot be written"), new_file(path, overwrite=False) as temporary:
        temporary.touch()
        raise OSError(number, os.strerror(number))
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_the_program_is_not_told_as_one_of_the_disk(tmp_path):
    with pytest.raises(FileNotFoundError), new_file(tmp_path / "x", overwrite=False):
        (tmp_path / "absent").read_text(encoding="utf-8")
    assert list(tmp_path.iterdir()) == []
