"""A loop is gone on with as it was begun: what a call says is compared, what it leaves out is kept."""

import pytest
import yaml

from nadyn.checks.errors import InputError
from nadyn.learning.asked_for import together, write_down
from nadyn.learning.folder import Folder
from nadyn.learning.learn_file import LearnConfiguration

SOURCE = {"pyscf": {"method": "sa3-casscf(2,2)/6-31g*"}}


def config(**keys: object) -> LearnConfiguration:
    return LearnConfiguration.model_validate({"molecule": "/ethylene.xyz", "source": SOURCE, **keys})


@pytest.fixture
def folder(tmp_path):
    found = Folder(tmp_path)
    begun = config(round={"labels": 60}, dynamics={"method": "fssh", "time_fs": 40})
    write_down(found, together(found, begun, resume=False))
    found.starts.touch()
    return found


def stored(folder: Folder) -> dict[str, object]:
    return yaml.safe_load(folder.learn_file.read_text(encoding="utf-8"))


def test_what_a_call_leaves_out_is_kept(folder):
    before = stored(folder)
    again = together(folder, config(), resume=True)
    assert again.round.labels == 60
    assert again.dynamics == {"method": "fssh", "dt_fs": 0.5, "time_fs": 40}
    write_down(folder, again)
    assert stored(folder) == before


def test_a_loop_of_an_older_version_goes_on_with_its_own_defaults(folder):
    content = stored(folder)
    del content["round"]["lenience"]
    content["first"]["wigner"] = 7
    folder.learn_file.write_text(yaml.safe_dump(content), encoding="utf-8")
    again = together(folder, config(), resume=True)
    assert again.first.wigner == 7
    assert again.round.lenience == config().round.lenience


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        ({"round": {"labels": 61}}, "round.labels"),
        ({"state": 2}, "state"),
        ({"dynamics": {"method": "fssh", "time_fs": 50}}, "dynamics.time_fs"),
        ({"dynamics": {"time_fs": 40, "rescale": "velocity"}}, "dynamics.rescale"),
        ({"source": {"pyscf": {"method": "sa2-casscf(2,2)/6-31g*"}}}, "source.pyscf.method"),
        ({"source": {"ase": {"calculator": "emt"}}}, "source.ase"),
        ({"source": {"pyscf": {"method": "sa3-casscf(2,2)/6-31g*", "charge": 1}}}, "source.pyscf.charge"),
        ({"training": {"steps": 10}}, "training.steps"),
        ({"data": ("/more.h5",)}, "data"),
        ({"molecule": "/ethane.xyz"}, "molecule"),
    ],
)
def test_what_a_call_says_otherwise_is_refused(folder, keys, name):
    before = stored(folder)
    with pytest.raises(InputError, match=f"as it was begun, but {name} has changed"):
        together(folder, config(**keys), resume=True)
    assert stored(folder) == before


def test_a_budget_and_who_works_may_change_key_by_key(folder):
    write_down(folder, together(folder, config(budget={"labels": 99}, force=True), resume=True))
    again = together(folder, config(budget={"minutes": 7.0}, processes=3, label_minutes=2.0), resume=True)
    assert (again.budget.labels, again.budget.minutes) == (99, 7.0)
    assert (again.processes, again.label_minutes) == (3, 2.0)
    assert again.force


def test_a_folder_in_use_wants_resume(folder):
    with pytest.raises(InputError, match="--resume to go on"):
        together(folder, config(), resume=False)


def test_a_call_of_which_nothing_has_come_yet_may_be_corrected(folder):
    folder.starts.unlink()
    anew = together(folder, config(state=2), resume=False)
    assert (anew.state, anew.round.labels) == (2, config().round.labels)
    # With `resume` what it had said stands where this one says nothing.
    again = together(folder, config(state=2), resume=True)
    assert (again.state, again.round.labels) == (2, 60)
    other = {"ase": {"calculator": "emt"}}
    assert together(folder, config(source=other), resume=True).source == other


def test_keys_of_dynamics_stand_beside_the_defaults_of_the_beginning(tmp_path):
    whole = {"method": "fssh", "dt_fs": 0.5, "time_fs": 200}
    new = Folder(tmp_path)
    assert together(new, config(dynamics={"time_fs": 200}), resume=False).dynamics == whole
    # Begun with another method: what a call leaves out is no change to the default.
    begun = config(dynamics={"method": "mash", "dt_fs": 0.25, "time_fs": 100})
    write_down(new, together(new, begun, resume=False))
    new.starts.touch()
    again = together(new, config(dynamics={"time_fs": 100}), resume=True)
    assert again.dynamics == {"method": "mash", "dt_fs": 0.25, "time_fs": 100}


def test_a_default_that_is_said_is_no_change(folder):
    said = {"pyscf": {"method": "sa3-casscf(2,2)/6-31g*", "charge": 0}}
    assert together(folder, config(source=said), resume=True).round.labels == 60


def test_shares_that_were_one_whole_before_a_new_kind_are_kept(folder):
    content = stored(folder)
    content["round"] = {"at_random": 0.4, "in_doubt": 0.35, "at_gaps": 0.25}
    folder.learn_file.write_text(yaml.safe_dump(content), encoding="utf-8")
    assert together(folder, config(), resume=True).round.at_crossings == 0.0


@pytest.mark.parametrize("text", ["- 1\n", "members: 4\n", "a: [\n"])
def test_a_damaged_learn_file_is_said(folder, text):
    folder.learn_file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"learn\.yaml"):
        together(folder, config(), resume=True)


def test_a_folder_may_be_moved_with_its_molecule(folder):
    moved = LearnConfiguration.model_validate({"molecule": "/elsewhere/ethylene.xyz", "source": SOURCE})
    assert together(folder, moved, resume=True).molecule == "/elsewhere/ethylene.xyz"


def test_a_source_may_be_moved_with_its_files_and_is_then_the_new_one(tmp_path):
    def of(folder: str, function: str = "label") -> LearnConfiguration:
        return config(
            source={
                "python": {"function": f"{folder}/my.py:{function}", "multiplicities": [1, 1], "theory": "t"}
            }
        )

    begun = Folder(tmp_path)
    write_down(begun, together(begun, of("/here"), resume=False))
    begun.starts.touch()
    moved = together(begun, of("/there"), resume=True)
    assert moved.source["python"]["function"] == "/there/my.py:label"
    with pytest.raises(InputError, match=r"source\.python\.function has changed"):
        together(begun, of("/here", "other"), resume=True)
