"""A loop is gone on with as it was begun: what a call says is compared, what it leaves out is kept."""

import pytest
import yaml

from nadyn.checks.errors import InputError
from nadyn.learning.asked_for import kept_with
from nadyn.learning.folder import Folder
from nadyn.learning.learn_file import LearnConfiguration

SOURCE = {"pyscf": {"method": "sa3-casscf(2,2)/6-31g*"}}


def config(**keys: object) -> LearnConfiguration:
    return LearnConfiguration.model_validate({"molecule": "/ethylene.xyz", "source": SOURCE, **keys})


@pytest.fixture
def folder(tmp_path):
    found = Folder(tmp_path)
    kept_with(found, config(round={"labels": 60}, dynamics={"method": "fssh", "time_fs": 40}), resume=False)
    return found


def stored(folder: Folder) -> dict[str, object]:
    return yaml.safe_load(folder.learn_file.read_text(encoding="utf-8"))


def test_what_a_call_leaves_out_is_kept(folder):
    before = stored(folder)
    again = kept_with(folder, config(), resume=True)
    assert again.round.labels == 60
    assert again.dynamics == {"method": "fssh", "time_fs": 40}
    assert stored(folder) == before


def test_a_loop_of_an_older_version_goes_on_with_its_own_defaults(folder):
    content = stored(folder)
    del content["round"]["at_crossings"]
    content["round"]["lenience"] = 2.0
    folder.learn_file.write_text(yaml.safe_dump(content), encoding="utf-8")
    again = kept_with(folder, config(), resume=True)
    assert again.round.lenience == 2.0
    assert again.round.at_crossings == config().round.at_crossings


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        ({"round": {"labels": 61}}, "round.labels"),
        ({"state": 2}, "state"),
        ({"dynamics": {"method": "fssh", "time_fs": 50}}, "dynamics.time_fs"),
        ({"dynamics": {"method": "fssh", "rescale": "velocity"}}, "dynamics.rescale"),
        ({"source": {"pyscf": {"method": "sa2-casscf(2,2)/6-31g*"}}}, "source.pyscf.method"),
        ({"source": {"ase": {"calculator": "emt"}}}, "source.ase"),
        ({"training": {"steps": 10}}, "training.steps"),
        ({"data": ("/more.h5",)}, "data"),
    ],
)
def test_what_a_call_says_otherwise_is_refused(folder, keys, name):
    before = stored(folder)
    with pytest.raises(InputError, match=f"as it was begun, but {name} has changed"):
        kept_with(folder, config(**keys), resume=True)
    assert stored(folder) == before


def test_a_budget_and_who_works_may_change_key_by_key(folder):
    kept_with(folder, config(budget={"labels": 99}), resume=True)
    again = kept_with(folder, config(budget={"minutes": 7.0}, processes=3, label_minutes=2.0), resume=True)
    assert (again.budget.labels, again.budget.minutes) == (99, 7.0)
    assert (again.processes, again.label_minutes) == (3, 2.0)
    assert stored(folder)["budget"]["labels"] == 99


def test_a_folder_in_use_wants_resume(folder):
    with pytest.raises(InputError, match="--resume to go on"):
        kept_with(folder, config(), resume=False)
