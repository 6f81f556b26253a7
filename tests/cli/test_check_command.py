"""`nadyn check`: what it says comes true, and what it refuses a run refuses too."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from nadyn import shipped
from nadyn.checks.forecast import size_in_words, time_in_words
from nadyn.cli.check import kind_of_settings
from tests.cli.typed import typed

RUN = {
    "model": {"name": "tully", "variant": 1},
    "initial": {"position_au": -2.0, "momentum_au": 20.0, "n": 7, "state": 1},
    "method": "fssh",
    "dt_fs": 0.25,
    "time_fs": 30.0,
    "write_every": 3,
    "output": "run.h5",
}


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def _written(**changes) -> str:
    Path("run.yaml").write_text(yaml.safe_dump(RUN | changes), encoding="utf-8")
    return "run.yaml"


def _words(text: str) -> str:
    # Where the terminal is narrow, a table becomes lines of `name: value`.
    return " ".join(re.sub(r"(?m)^(\w[\w ]*): ", r"\1 ", text.replace("│", " ")).split())


def test_steps_frames_and_size_are_those_of_the_run():
    # 120 steps, a frame every third one: 41 frames.
    code, said = typed("check", _written())
    assert code == 0 and not Path("run.h5").exists(), said
    words = _words(said)
    assert "steps 120 steps of 0.25 fs; a frame every 3 steps" in words
    assert "output run.h5: 41 frames" in words
    size = float(re.search(r"41 frames, ([\d.]+) kB", words)[1])
    assert typed("run", "run.yaml", "--quiet")[0] == 0
    assert Path("run.h5").stat().st_size / 1000 == pytest.approx(size, rel=0.06)
    assert "populations should be of 100 trajectories or more, but there are 7" in said


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"metod": "fssh"}, "`metod` is not a known key"),
        ({"method": "surface"}, "`method` must be a known one"),
        ({"model": {"name": "tully", "variant": 9}}, "variant"),
        ({"output": "run.xyz"}, "`output` must end in .h5"),
        ({"output": "no/run.h5"}, "must exist, but does not"),
        ({"initial": RUN["initial"] | {"state": 2}}, "`state` must be from 0 to 1"),
        ({"thermostat": {"name": "langevin", "temperature_kelvin": 300}}, "`thermostat` must be left out"),
    ],
)
def test_what_a_run_refuses_is_refused_with_the_same_sentence_and_code(changes, sentence):
    path = _written(**changes)
    checked, ran = typed("check", path), typed("run", path)
    assert sentence in checked[1]
    last = [said.strip().splitlines()[-1] for _, said in (checked, ran)]
    assert checked[0] == ran[0] == 2 and last[0] == last[1]


def test_an_output_that_is_there_is_refused_unless_it_may_be_replaced_or_goes_on():
    path = _written(time_fs=2.0)
    assert typed("run", path, "--quiet")[0] == 0
    assert typed("check", path)[0] == 2
    assert typed("check", path, "--overwrite")[0] == 0
    longer = _written(time_fs=4.0)
    code, said = typed("check", longer, "--resume")
    assert code == 0 and "steps 18 steps of 0.25 fs, of which 9 are done" in _words(said)


def test_a_step_that_is_too_long_and_a_start_on_the_lowest_state_are_doubtful():
    shutil.copy(shipped.path("ammonia/ammonia.safetensors"), "nh3.safetensors")
    initial = {"sample": "wigner", "n": 3, "temperature_kelvin": 0}
    code, said = typed("check", _written(model="nh3.safetensors", initial=initial, dt_fs=1.5, time_fs=30))
    assert code == 0
    assert "doubtful: `dt_fs` should be at most" in said
    assert "should start on an excited state, but start on state 0" in said
    assert "2 states, 4 atoms" in said and re.search(r"memory about [\d.]+ [MG]B", _words(said))


def test_two_files_are_checked_one_after_the_other():
    first = _written(time_fs=2.0)
    Path("train.yaml").write_text("{seed: 3}", encoding="utf-8")
    code, said = typed("check", first, "train.yaml")
    assert code == 0 and "run file run.yaml" in said and "train file train.yaml" in said
    assert "the data should be named" in said


@pytest.mark.slow
def test_a_training_is_tried_with_its_data():
    shutil.copy(shipped.path("ammonia/ammonia_near_intersection.h5"), "data.h5")
    settings = {"steps": 50, "model": {"basis": "1x0e + 1x1o", "hidden": [5, 4]}, "batch_size": 8}
    Path("train.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    code, said = typed("check", "train.yaml", "--data", "data.h5")
    words = _words(said)
    assert code == 0 and "labels energies, couplings" in words, said
    assert "steps 50 steps, " in words and "a training should have 2000 steps or more, but has 50" in words
    assert sorted(path.name for path in Path().iterdir()) == ["data.h5", "train.yaml"]
    Path("train.yaml").write_text("{weights: {stress: 2}}", encoding="utf-8")
    code, said = typed("check", "train.yaml", "--data", "data.h5")
    assert code == 2 and "`weights.stress` must be left out for data without" in said


def test_a_learn_file_is_looked_at_and_its_budget_too():
    pytest.importorskip("pyscf")
    Path("h2.xyz").write_text("2\n\nH 0 0 0\nH 0 0 0.74\n", encoding="utf-8")
    content = {"molecule": "h2.xyz", "source": {"pyscf": {"method": "sa2-casscf(2,2)/sto-3g"}}}
    Path("learn.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    code, said = typed("check", "learn.yaml", "--no-trial")
    assert code == 0 and "2 states, starts on state 1" in _words(said) and "fssh, 200 steps of 0.5 fs" in said
    Path("learn.yaml").write_text(yaml.safe_dump(content | {"budget": {"labels": 50}}), encoding="utf-8")
    code, said = typed("check", "learn.yaml", "--no-trial")
    assert code == 2 and "`budget.labels` must be at least" in said
    Path("learn.yaml").write_text(yaml.safe_dump(content | {"state": 2}), encoding="utf-8")
    assert "`state` must be from 0 to 1" in typed("check", "learn.yaml", "--no-trial")[1]


def test_kinds_of_files_are_told_by_their_keys():
    assert kind_of_settings({"initial": {}, "seed": 1}) == "run"
    assert kind_of_settings({"source": {}, "seed": 1}) == "learn"
    assert kind_of_settings({"encoder": {}, "seed": 1}) == "train"
    assert kind_of_settings(None) == "train"


def test_sizes_and_times_have_two_digits():
    assert [size_in_words(n) for n in (1.0, 999.0, 12_345.0, 2.5e6, 7e9)] == [
        "1 byte",
        "999 bytes",
        "12 kB",
        "2.5 MB",
        "7 GB",
    ]
    times = [time_in_words(t) for t in (0.0123, 75.0, 130.0, 3700.0, 200_000.0)]
    assert times == ["0.012 s", "75 s", "2.2 minutes", "1 hour", "2.3 days"]
