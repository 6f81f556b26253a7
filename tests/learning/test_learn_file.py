"""The learn file: its page is true, and what it must not hold is refused before any work."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from nadyn.checks.errors import InputError
from nadyn.data.validation import group_from_arrays
from nadyn.learning.learn_file import (
    LearnConfiguration,
    check_first_budget,
    check_sections,
    training_settings,
)
from nadyn.learning.plan import settings_of

SOURCE = {"pyscf": {"method": "sa3-casscf(2,2)/6-31g*"}}
PAGE = Path(__file__).parents[2] / "docs" / "learn_file.md"


def config(**keys: object) -> LearnConfiguration:
    return LearnConfiguration.model_validate({"molecule": "ethylene.xyz", "source": SOURCE, **keys})


def test_the_page_shows_every_key_with_its_default():
    of_the_file = PAGE.read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", of_the_file, re.S)
    shown, default = yaml.safe_load(block), config().model_dump(mode="json")
    for name, final in (("training", False), ("final", True)):
        settings = training_settings(config(), 3, final=final)
        settings["model"].pop("basis")
        default[name] = {key: value for key, value in settings.items() if value}
    assert shown == default


def test_a_length_that_is_given_takes_the_place_of_the_default():
    assert "steps" not in training_settings(config(training={"epochs": 5}), 3, final=False)
    assert training_settings(config(), 3, final=False)["model"]["basis"] == "3x0e + 1x1o + 1x1e"
    own = training_settings(config(training={"model": {"basis": "auto"}}), 3, final=False)
    assert own["model"] == {"hidden": [256, 128, 64], "properties": [], "basis": "auto"}
    assert "properties" not in training_settings(config(), 3, final=True)["model"]
    assert "basis" not in training_settings(config(), 1, final=False)["model"]


def test_couplings_count_less_where_there_are_any_unless_the_file_says_how_much():
    own = config(training={"weights": {"force": 20, "coupling": 5}}, final={"weights": {"force": 20}})
    assert training_settings(own, 3, final=True)["weights"] == {"force": 20, "coupling": 3}
    assert training_settings(own, 3, final=True, couplings=False)["weights"] == {"force": 20}
    assert training_settings(own, 3, final=False)["weights"] == {"force": 20, "coupling": 5}
    assert training_settings(own, 3, final=False, couplings=False)["weights"]["coupling"] == 5


@pytest.mark.parametrize("labelled", [True, False])
def test_a_round_weights_couplings_only_where_labels_have_them(labelled):
    molecule = np.zeros((10, 2, 3))
    molecule[:, 1, 2] = np.linspace(1.2, 1.6, 10)
    couplings = {"interstate_couplings": np.ones((10, 1, 2, 3))} if labelled else {}
    group = group_from_arrays(
        "hf",
        atomic_numbers=[9, 1],
        positions=molecule,
        energies=np.tile([0.0, 0.1], (10, 1)),
        forces=np.arange(120.0).reshape(10, 2, 2, 3),
        **couplings,
    )
    settings = [settings_of(config(), group, number, final=True) for number in (1, 2)]
    assert [one["weights"] for one in settings] == 2 * [{"coupling": 3.0} if labelled else {}]
    assert settings[0]["seed"] != settings[1]["seed"]
    assert settings[0]["split_seed"] == settings[1]["split_seed"]


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"dynamics": {"method": "fssh", "time_fs": 10, "seed": 3}}, "`dynamics` must not hold `seed`"),
        ({"dynamics": {"method": "fssh", "time_fs": 10, "dt": 1}}, "`dynamics`.*dt_fs"),
        ({"training": {"epoch": 3}}, "`training`.*epochs"),
        ({"final": {"seed": 3}}, "`final` must not hold `seed`"),
        (
            {"dynamics": {"method": "fssh", "time_fs": 10, "write_every": 2}},
            "`dynamics.write_every` must be 1",
        ),
    ],
)
def test_wrong_sections_are_refused_in_one_sentence(keys, sentence):
    with pytest.raises(InputError, match=sentence):
        check_sections(config(**keys))
    check_sections(config())


def test_shares_of_a_round_are_of_one_whole():
    with pytest.raises(ValueError, match=r"must not add up to more than 1, but make 1\.1"):
        config(round={"at_random": 0.5, "in_doubt": 0.3, "at_gaps": 0.25})


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        (
            {"dynamics": {"method": "mash2", "dt_fs": 0.5, "time_fs": 9}},
            "`method` must be a known one, but is 'mash2'.*mash",
        ),
        ({"source": {"folder": {"folder": "asked"}}}, "`source` must answer while a loop waits, but folder"),
    ],
)
def test_what_would_fail_after_hours_is_refused_at_once(keys, sentence):
    with pytest.raises(InputError, match=sentence):
        check_sections(config(**keys))


def test_a_budget_that_leaves_nothing_for_a_round_is_refused():
    # 26 look at the level, 60 are of the sample, 4 trajectories have 120 steps; half a round is kept.
    with pytest.raises(
        InputError, match=r"must be at least 816: 566 come before the first round .*But it is 815"
    ):
        check_first_budget(config(budget={"labels": 815}), moves=True)
    check_first_budget(config(budget={"labels": 816}), moves=True)
    check_first_budget(config(budget={"labels": 400}), moves=False)
    check_first_budget(config(budget={"labels": 400}, first={"direct": 0}), moves=True)
