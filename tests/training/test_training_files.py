"""Files and settings that are in the way of a training are named in one sentence."""

import typing
from dataclasses import replace

import pytest
import torch
from teacher import configuration, dataset

from nadyn.checks.configuration import Configuration, parse_configuration, read_configuration
from nadyn.checks.errors import InputError
from nadyn.data import Dataset
from nadyn.models.model_file import digest
from nadyn.training.averaging import WeightAverage
from nadyn.training.checkpoint import restore
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.origin import check_origin, origin
from nadyn.training.output import checkpoint_path
from nadyn.training.train import train


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


def test_resuming_before_there_is_a_checkpoint_begins(tmp_path):
    begun, resumed = tmp_path / "begun.safetensors", tmp_path / "m.safetensors"
    train(dataset(12), begun, configuration(epochs=1))
    train(dataset(12), resumed, configuration(epochs=1), resume=True)
    assert digest(begun) == digest(resumed)
    _refused(tmp_path, r"must be unfinished to be resumed, but is complete. Nothing to do", resume=True)


def test_a_broken_checkpoint_is_refused(tmp_path):
    checkpoint_path(tmp_path / "m.safetensors").write_bytes(b"\x00" * 100)
    _refused(tmp_path, r"must be a training checkpoint, but cannot be read", resume=True)


class Stop(Exception):
    """Raised in the middle of a training."""


def _interrupt(tmp_path, data=None, **changes):
    def stop(progress):
        if progress.step == 4:
            raise Stop

    with pytest.raises(Stop):
        train(data or dataset(12), tmp_path / "m.safetensors", configuration(**changes), report=stop)


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """The checkpoint of three epochs, interrupted at step 4."""
    folder = tmp_path_factory.mktemp("interrupted")
    _interrupt(folder, epochs=3, checkpoint_every=3)
    return checkpoint_path(folder / "m.safetensors").read_bytes()


@pytest.mark.parametrize(
    "changes, message",
    [
        (
            {"epochs": 4},
            r"`epochs` must stay 3 when the training is resumed, but is 4\. Use the configuration of the "
            r"interrupted training, or --overwrite to start again",
        ),
        # The first in the order of the file is named.
        (
            {"seed": 2, "model": {"hidden": [16, 9], "basis": "2x0e"}},
            r"`model\.hidden` must stay \[16, 8\] .* but is \[16, 9\]",
        ),
        (
            {"epochs": None, "time_limit_minutes": 3.0},
            r"`time_limit_minutes` must stay None .* but is 3\.0",
        ),
        ({"weights": {"coupling": 1.0}}, r"`weights\.coupling` must stay 10\.0 .* but is 1\.0"),
        (
            {"encoder": {"name": "acsf", "cutoff_angstrom": 3.5, "n_radial": 5}},
            r"`encoder\.name` must stay 'moments' .* but is 'acsf'",
        ),
    ],
)
def test_a_training_goes_on_with_its_own_configuration_only(tmp_path, interrupted, changes, message):
    checkpoint_path(tmp_path / "m.safetensors").write_bytes(interrupted)
    _refused(tmp_path, message, settings=configuration(**({"epochs": 3} | changes)), resume=True)
    assert checkpoint_path(tmp_path / "m.safetensors").read_bytes() == interrupted


def test_a_training_goes_on_with_another_number_of_threads():
    check_origin(origin(configuration(threads=2), dataset(12)), origin(configuration(threads=1), dataset(12)))


def test_a_training_goes_on_with_other_checkpoints(tmp_path, interrupted):
    checkpoint_path(tmp_path / "m.safetensors").write_bytes(interrupted)
    settings = configuration(epochs=3, checkpoint_every=1)
    # Three steps before the interruption are in the checkpoint.
    steps = []
    train(
        dataset(12),
        tmp_path / "m.safetensors",
        settings,
        resume=True,
        report=lambda progress: steps.append(progress.step),
    )
    assert steps == [4, 5, 6]


@pytest.mark.parametrize("changed", ["positions", "energies", "forces", "interstate_couplings"])
def test_a_training_goes_on_with_its_own_data_only(tmp_path, interrupted, changed):
    checkpoint_path(tmp_path / "m.safetensors").write_bytes(interrupted)
    data = dataset(12)
    getattr(data.groups[0], changed)[7].flat[1] += 1e-12
    _refused(
        tmp_path,
        r"the data must stay the same when the training is resumed, but group 'toy' differs",
        data=data,
        settings=configuration(epochs=3),
        resume=True,
    )


def test_groups_that_come_or_go_or_change_places_are_other_data(tmp_path):
    one = dataset(12).groups[0]
    two = replace(dataset(13).groups[0], name="two")
    _interrupt(tmp_path, Dataset((one, two)), epochs=3)
    for groups, name in (((one,), "two"), ((one, two, replace(one, name="new")), "new"), ((two, one), "two")):
        _refused(
            tmp_path,
            f"group '{name}' differs",
            data=Dataset(groups),
            settings=configuration(epochs=3),
            resume=True,
        )


def test_a_checkpoint_of_another_network_is_refused(tmp_path, interrupted):
    checkpoint_path(tmp_path / "m.safetensors").write_bytes(interrupted)
    network = torch.nn.Linear(2, 3)
    with pytest.raises(InputError, match=r"must belong to a network of this version of nadyn, but does not"):
        restore(
            checkpoint_path(tmp_path / "m.safetensors"),
            potential=network,
            average=WeightAverage(network, 0.9),
            optimizer=torch.optim.AdamW(network.parameters()),
        )


def test_a_folder_that_does_not_exist_is_refused(tmp_path):
    _refused(tmp_path / "absent", r"folder .* must exist, but does not. Create it first")


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
        ({"basis": "1x0e"}, r"`basis` must have at least 2 rows for 2 states"),
        ({"basis": "1x0e + 1x0o", "start": ["0e", "0e"]}, r"`start` must name functions of the basis"),
        ({"basis": "1x0e", "start": ["0e"]}, r"`basis` must have at least 2 rows for 2 states"),
        ({"basis": "2x0f"}, r"`basis` must be a sum like"),
        ({"basis": "0x0e + 2x0e"}, r"`basis` must be a sum like"),
        ({"basis": "98x0e + 1x1o"}, r"`basis` must have 100 rows or fewer, but .* has 101"),
        ({"basis": "9" * 5000 + "x0e"}, r"`basis` must be a sum like"),
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
        (
            {"encoder": {"name": "fchl"}},
            r"`encoder.name` must be one of moments, .* or acsf, but is 'fchl'",
        ),
        ({"model": {"hidden": []}}, r"`model.hidden` must"),
        ({"model": {"hidden": [16, 8193]}}, r"`model.hidden\[1\]` must be less than or equal to 8192"),
        ({"seed": -1}, r"`seed` must be greater than or equal to 0, but is -1"),
        ({"seed": 10**20}, r"`seed` must be less than 2147483648"),
        ({"threads": 1025}, r"`threads` must be less than or equal to 1024"),
        (
            {"encoder": {"cutoff_angstrom": 30.1}},
            r"`encoder.cutoff_angstrom` must be less than or equal to 30",
        ),
        ({"encoder": {"n_radial": 257}}, r"`encoder.n_radial` must be less than or equal to 256"),
        ({"encoder": {"n_channels": 257}}, r"`encoder.n_channels` must be less than or equal to 256"),
        ({"warmup_steps": 10**400}, r"`warmup_steps` must be less than or equal to 1000000000"),
        ({"outlier_sigmas": 1e-200}, r"`outlier_sigmas` must be greater than or equal to 0.001"),
        ({"label_noise": {"energy_ev": 1e-200}}, r"`label_noise.energy_ev` must be greater than or equal to"),
        ({"label_noise": {"energy_ev": 1e200}}, r"`label_noise.energy_ev` must be less than or equal to"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(content, message):
    with pytest.raises(InputError, match=message):
        parse_configuration(content, TrainingConfiguration, where="train.yaml")


def _floats(section, path=()):
    """Keys of all numbers that are no whole numbers, sections looked into."""
    for name, field in section.model_fields.items():
        inner = field.annotation
        members = [inner, *typing.get_args(inner)]
        sections = [part for part in members if isinstance(part, type) and issubclass(part, Configuration)]
        if sections:
            # Of sections that a name tells apart the first is the default.
            yield from _floats(sections[0], (*path, name))
        elif inner is float or float in typing.get_args(inner) or "float" in str(inner):
            yield (*path, name)


FLOATS = list(_floats(TrainingConfiguration))


def test_the_numbers_of_every_section_are_looked_at():
    assert {("learning_rate",), ("encoder", "cutoff_angstrom"), ("label_noise", "energy_ev")} < set(FLOATS)
    assert len(FLOATS) == 25


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
@pytest.mark.parametrize("keys", FLOATS, ids=".".join)
def test_no_number_may_be_infinite_or_none_at_all(keys, value):
    content = value
    for key in reversed(keys):
        content = {key: content}
    with pytest.raises(InputError, match=rf"`{'.'.join(keys)}` must be"):
        parse_configuration(content, TrainingConfiguration, where="train.yaml")


def test_an_empty_training_file_is_the_default(tmp_path):
    (tmp_path / "train.yaml").write_text("", encoding="utf-8")
    assert read_configuration(tmp_path / "train.yaml", TrainingConfiguration) == TrainingConfiguration()
