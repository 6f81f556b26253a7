"""Files and settings that are in the way of a training are named in one sentence."""

from dataclasses import replace

import pytest
from teacher import configuration, dataset

from nadyn.checks.configuration import parse_configuration, read_configuration
from nadyn.checks.errors import InputError
from nadyn.data import Dataset
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.train import checkpoint_path, train


def _refused(tmp_path, message, *, data=None, settings=None, **options):
    with pytest.raises(InputError, match=message):
        train(data or dataset(12), tmp_path / "m.safetensors", settings or configuration(), **options)


def test_an_existing_model_is_not_overwritten_unless_asked(tmp_path):
    path = tmp_path / "m.safetensors"
    path.write_text("precious", encoding="utf-8")
    _refused(
        tmp_path, r"`output` must be a new file, but .*m.safetensors' exists. Try another name or --overwrite"
    )
    assert path.read_text(encoding="utf-8") == "precious"
    train(dataset(12), path, configuration(epochs=1), overwrite=True)
    assert path.stat().st_size > 1000


def test_a_checkpoint_left_behind_is_neither_forgotten_nor_continued_by_chance(tmp_path):
    checkpoint = checkpoint_path(tmp_path / "m.safetensors")
    checkpoint.write_text("half done", encoding="utf-8")
    _refused(tmp_path, r"checkpoint' must not exist for a new training.*--resume.*--overwrite")
    assert checkpoint.exists()
    train(dataset(12), tmp_path / "m.safetensors", configuration(epochs=1), overwrite=True)
    assert not checkpoint.exists()


def test_resuming_nothing_is_refused(tmp_path):
    _refused(
        tmp_path, r"checkpoint .* must exist to resume, but does not. Start without --resume", resume=True
    )
    train(dataset(12), tmp_path / "m.safetensors", configuration(epochs=1))
    _refused(tmp_path, r"must be unfinished to be resumed, but is complete. Nothing to do", resume=True)


def test_a_broken_checkpoint_is_refused(tmp_path):
    checkpoint_path(tmp_path / "m.safetensors").write_bytes(b"\x00" * 100)
    _refused(tmp_path, r"must be a training checkpoint, but cannot be read", resume=True)


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path):
    class Stop(Exception):
        pass

    def stop(progress):
        if progress.step == 4:
            raise Stop

    with pytest.raises(Stop):
        train(dataset(12), tmp_path / "m.safetensors", configuration(epochs=3), report=stop)
    other = configuration(epochs=3, model={"hidden": [16, 9]})
    _refused(
        tmp_path, r"must belong to this configuration, but was made with another", settings=other, resume=True
    )


def test_a_folder_that_does_not_exist_is_refused(tmp_path):
    _refused(tmp_path / "absent", r"folder of `output` must exist")


def test_data_that_cannot_be_trained_on_are_refused(tmp_path):
    _refused(tmp_path, r"at least 10 frames to be trained on, but holds 9", data=dataset(9))
    two, one = dataset(12).groups[0], dataset(12, basis=None, n_states=1).groups[0]
    mixed = Dataset((two, replace(one, name="one")))
    _refused(tmp_path, r"same number of states, but have \[1, 2\]", data=mixed)
    triplet = Dataset((replace(two, multiplicities=(1, 3)),))
    _refused(tmp_path, r"`multiplicities` must be the same for all states, but are \[1, 3\]", data=triplet)


@pytest.mark.parametrize(
    "section, message",
    [
        (
            {"kind": "atomic_sum"},
            r"atomic_sum must have data of one state, but the data have 2. Try diabatic",
        ),
        ({"repulsion": "zbl"}, r"`model.repulsion` must be none for a diabatic model"),
        ({"basis": "1x0e"}, r"must be given where the basis has fewer functions than states"),
        ({"basis": "1x0e", "start": ["0e"]}, r"`basis` must have at least 2 rows for 2 states"),
        ({"basis": "2x0f"}, r"`basis` must be a sum like"),
        ({"activation": "relu"}, r"`activation` must be smooth"),
    ],
)
def test_a_model_that_does_not_fit_the_data_is_refused(tmp_path, section, message):
    _refused(tmp_path, message, settings=configuration(model=section))


@pytest.mark.parametrize(
    "content, message",
    [
        ({"epoch": 3}, r"`epoch` is not a known key. Did you mean `epochs`\?"),
        (
            {"encoder": {"cutof_angstrom": 5}},
            r"`encoder.cutof_angstrom` is not a known key.*`cutoff_angstrom`",
        ),
        ({"epochs": 3, "time_limit_minutes": 5}, r"`epochs` and `time_limit_minutes` must not both be given"),
        ({"epochs": 0}, r"`epochs` must be greater than 0, but is 0"),
        ({"validation_fraction": 1.0}, r"`validation_fraction` must be less than 1"),
        ({"encoder": {"name": "soap"}}, r"`encoder.name` must be 'moments' or 'acsf', but is 'soap'"),
        ({"model": {"hidden": []}}, r"`model.hidden` must"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(content, message):
    with pytest.raises(InputError, match=message):
        parse_configuration(content, TrainingConfiguration, where="train.yaml")


def test_an_empty_training_file_is_the_default(tmp_path):
    (tmp_path / "train.yaml").write_text("", encoding="utf-8")
    assert read_configuration(tmp_path / "train.yaml", TrainingConfiguration) == TrainingConfiguration()
