"""A folder or nothing where a file is expected: each reader says which of the two."""

import os

import pytest

from nadyn.checks.configuration import read_configuration
from nadyn.checks.errors import InputError
from nadyn.cli.info import file_kind
from nadyn.data import load_dataset
from nadyn.data.readers.extxyz import read_extxyz
from nadyn.models import load_model
from nadyn.models.analytic.vibronic import read_vibronic_model
from nadyn.structures.geometry import read_xyz
from nadyn.training.configuration import TrainingConfiguration
from nadyn.trajectory import open_run
from nadyn.trajectory.initial_conditions import read_initial_conditions

READERS = {
    "configuration": lambda path: read_configuration(path, TrainingConfiguration),
    "dataset": load_dataset,
    "extended xyz": read_extxyz,
    "geometry": read_xyz,
    "info": file_kind,
    "initial conditions": read_initial_conditions,
    "model": load_model,
    "trajectories": open_run,
    "vibronic": read_vibronic_model,
}

every_reader = pytest.mark.parametrize("read", READERS.values(), ids=READERS)


@every_reader
def test_a_folder_is_called_a_folder(read, tmp_path):
    with pytest.raises(InputError, match=r"must be a file, but is a folder\. Name a file in it") as refused:
        read(tmp_path)
    assert str(tmp_path) in str(refused.value)


@every_reader
def test_nothing_is_called_nothing(read, tmp_path):
    with pytest.raises(InputError, match=r"must exist, but does not\. Check the path"):
        read(tmp_path / "absent")


@every_reader
def test_a_pipe_is_not_called_absent(read, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="must be a file on disk, but is a pipe or a device"):
        read(tmp_path / "pipe")
