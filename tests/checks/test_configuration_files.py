"""Configuration files: every key is validated, and what is wrong is said in one sentence."""

from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError, field_validator

from nadyn.checks.configuration import Configuration, parse_configuration, read_configuration
from nadyn.checks.errors import InputError


class Decoherence(Configuration):
    name: Literal["edc"]
    damps: Literal["populations", "amplitudes"] = "populations"


class Sampled(Configuration):
    sample: Literal["wigner", "thermal"]
    temperature_kelvin: float = 0.0


class Given(Configuration):
    file: str


class Run(Configuration):
    dt_fs: Annotated[float, Field(gt=0)]
    method: str = "fssh"
    decoherence: Decoherence | Literal["none"] = "none"
    initial: Sampled | Given = Sampled(sample="wigner")

    @field_validator("method")
    @classmethod
    def _known(cls, method: str) -> str:
        if method != "fssh":
            raise ValueError(f"`method` must be fssh, but is {method!r}.")
        return method


def test_a_file_is_read_with_its_defaults(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("dt_fs: 0.5\ninitial: {file: initial.h5}\ndecoherence: {name: edc}\n")
    run = read_configuration(path, Run)
    assert (run.dt_fs, run.method, run.initial.file, run.decoherence.damps) == (
        0.5,
        "fssh",
        "initial.h5",
        "populations",
    )


def test_an_empty_file_is_all_defaults(tmp_path):
    path = tmp_path / "empty.yaml"
    path.write_text("# nothing\n")
    with pytest.raises(InputError, match="`dt_fs` must be given, but is missing"):
        read_configuration(path, Run)
    assert read_configuration(path, Configuration) == Configuration()


def test_a_configuration_cannot_be_changed():
    run = parse_configuration({"dt_fs": 0.5}, Run, where="here")
    with pytest.raises(ValidationError, match="frozen"):
        run.dt_fs = 1.0


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"dt_sf": 0.5, "dt_fs": 0.5}, "run.yaml: `dt_sf` is not a known key. Did you mean `dt_fs`?"),
        (
            {"xyzzy": 1, "dt_fs": 0.5},
            "`xyzzy` is not a known key. Known keys: decoherence, dt_fs, initial, method.",
        ),
        ({"dt_fs": -1.0}, "run.yaml: `dt_fs` must be greater than 0, but is -1.0."),
        ({"dt_fs": "fast"}, "run.yaml: `dt_fs` must be a number, but is 'fast'."),
        ({"dt_fs": 1, "method": "md"}, "run.yaml: `method` must be fssh, but is 'md'."),
        ({}, "run.yaml: `dt_fs` must be given, but is missing."),
        ([1, 2], "run.yaml must hold `key: value` lines, but holds a list."),
    ],
)
def test_what_is_wrong_is_one_sentence(content, sentence):
    with pytest.raises(InputError) as caught:
        parse_configuration(content, Run, where="run.yaml")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_mistyped_key_of_a_section_is_answered_with_the_nearest():
    content = {"dt_fs": 1, "decoherence": {"name": "edc", "damp": "amplitudes"}}
    with pytest.raises(InputError, match=r"Did you mean `damps`\?"):
        parse_configuration(content, Run, where="run.yaml")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"dt_fs: [0.5\n", "must be YAML, but cannot be read at line"),
        (b"\xff\xfe\x81", "must be YAML, but is a file of another kind"),
        (b"just words", "must hold `key: value` lines, but holds text"),
        (b"!!python/object/apply:os.system ['echo x']", "must be YAML, but cannot be read"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path, content, sentence):
    path = tmp_path / "run.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=sentence):
        read_configuration(path, Run)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("dt_fs: 1\nmethod: fssh\ndt_fs: 2\n", "`dt_fs` must be given once, but is in lines 1 and 3."),
        (
            "decoherence:\n  name: edc\n  name: edc\n",
            "`decoherence.name` must be given once, but is in lines 2",
        ),
        ("initial: {file: a, file: b}\n", "`initial.file` must be given once, but is in lines 1 and 1"),
    ],
)
def test_a_key_given_twice_is_refused_with_its_lines(tmp_path, text, named):
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_configuration(path, Run)
    assert named in str(caught.value) and "run.yaml" in str(caught.value)


def test_a_section_merged_into_another_may_be_overridden(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("decoherence: &d {name: edc}\ndt_fs: 1\ninitial: {<<: {file: a}, file: b}\n")
    assert read_configuration(path, Run).initial.file == "b"


def test_a_configuration_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="must exist, but does not"):
        read_configuration(tmp_path / "run.yaml", Run)
