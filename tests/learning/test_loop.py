"""A whole learning loop with a model as the teacher: small, and the same after an interruption."""

import json
import shutil

import numpy as np
import pytest

import nadyn
from nadyn.analysis.learning_record import read_record
from nadyn.checks.errors import InputError
from nadyn.learning.learn_file import LearnConfiguration
from nadyn.learning.loop import _check_states, learn
from nadyn.models.committee import Committee
from nadyn.shipped import path
from nadyn.trajectory import open_run

pytestmark = pytest.mark.slow

LEARN = {
    "source": {"model": {"model": str(path("ammonia/ammonia_trajectories.safetensors"))}},
    "dynamics": {"method": "fssh", "dt_fs": 0.5, "time_fs": 15, "decoherence": "none"},
    "sample": {"n": 40},
    "first": {"wigner": 20, "direct": 2, "direct_fs": 6, "direct_every": 2},
    "members": 2,
    "round": {"trajectories": 12, "final_trajectories": 16, "labels": 14},
    "training": {"model": {"hidden": [16, 16]}, "steps": 100, "batch_size": 8, "validation_fraction": 0.25},
    "final": {"model": {"hidden": [16, 16]}, "steps": 150, "validation_fraction": 0.25},
    "budget": {"labels": 500, "minutes": 100, "final_minutes": 1, "rounds": 2},
    "processes": 1,
}
GEOMETRY = "4\n\nN 0 0 0.1\nH 0.94 0 -0.2\nH -0.47 0.81 -0.2\nH -0.47 -0.81 -0.2\n"


def what_was_found(record):
    """Everything of a round but the seconds that it took."""
    return dict(vars(record)) | {"seconds": None}


class Told:
    def __init__(self, stop_at=None):
        self.stages, self.rounds, self.stop_at, self.folder = [], [], stop_at, None

    def stage(self, text):
        self.stages.append(text)
        if len(self.stages) == self.stop_at:
            raise KeyboardInterrupt

    def progress(self, text):
        pass

    def note(self, text):
        pass

    def watch(self, folder):
        self.folder = folder

    def round(self, record):
        self.rounds.append(record)
        if self.folder is not None:
            assert read_record(self.folder).rounds[-1] == record


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    geometry = tmp_path_factory.mktemp("learn") / "ammonia.xyz"
    geometry.write_text(GEOMETRY)
    return LearnConfiguration.model_validate({**LEARN, "molecule": str(geometry)})


@pytest.fixture(scope="module")
def learned(config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("learned") / "out"
    told = Told()
    told.watch(folder)
    return folder, learn(config, folder, narrator=told), told


def test_a_loop_ends_with_a_committee_its_data_and_a_verdict(learned, config):
    folder, record, told = learned
    assert record == read_record(folder)
    assert record.converged in (True, False) and record.rounds[-1].final
    model = nadyn.load_model(folder / "model.safetensors")
    assert isinstance(model, Committee) and len(model.members) == 2
    group = nadyn.load_dataset(folder / "dataset.h5").groups[0]
    trusted = sum(a.trusted for r in record.rounds[:-1] for a in r.asked if a.kind != "direct, between")
    assert group.n_frames == trusted == record.rounds[-1].frames
    assert [one.number for one in told.rounds] == [0, 1, 2, 3]


def test_all_swarms_begin_alike_and_every_pick_has_its_reason(learned, config):
    folder, record, _ = learned
    first = [
        np.array(open_run(folder / f"round_{one.number:02d}" / swarm.run).positions[0])
        for one in record.rounds
        for swarm in one.swarms
    ]
    for starts in first[1:]:
        np.testing.assert_array_equal(starts[:12], first[0][:12])
    picks = json.loads((folder / "round_01" / "picks.json").read_text())["picks"]
    assert 0 < len(picks) <= config.round.labels
    assert all(one["why"].startswith("round 1, member ") for one in picks)


def test_an_interrupted_loop_comes_to_the_same_end(learned, config, tmp_path):
    folder, record, _ = learned
    here = tmp_path / "out"
    for stop_at in (2, 4, 5, 7):
        with pytest.raises(KeyboardInterrupt):
            learn(config, here, resume=True, narrator=Told(stop_at))
        # It goes on where it was moved to, too.
        here = here.rename(tmp_path / f"moved_{stop_at}")
    again = learn(config, here, resume=True)
    assert [what_was_found(one) for one in again.rounds] == [what_was_found(one) for one in record.rounds]
    models = [nadyn.models.model_file.digest(f / "model.safetensors") for f in (folder, here)]
    assert models[0] == models[1]
    # The last models' trajectories have a name of their own.
    last = [swarm for one in record.rounds if one.final for swarm in one.swarms]
    for swarm in last:
        for of in (folder, here):
            run = nadyn.trajectory.open_run(of / f"run_{swarm.member}.h5")
            assert run.n_trajectories == swarm.n
            # They go on beyond an objection, and are judged as the record counts them.
            assert nadyn.trajectory.doubt_limits(run).lenience == 3.0
            names = [run.status_names[int(code)] for code in nadyn.trajectory.judged(run).status]
            assert names.count("finished") == swarm.n_results
    assert last


def test_a_folder_is_not_begun_twice_nor_gone_on_with_as_another(learned, config):
    folder, _, _ = learned
    with pytest.raises(InputError, match="must be new, but holds a learning loop"):
        learn(config, folder)
    other = config.model_copy(update={"state": 0})
    with pytest.raises(InputError, match="must be gone on with as it was begun, but state has changed"):
        learn(other, folder, resume=True)


def test_a_loop_that_has_ended_goes_on_with_a_larger_budget(learned, config, tmp_path):
    folder, record, _ = learned
    copy = tmp_path / "out"
    shutil.copytree(folder, copy)
    unchanged = learn(config, copy, resume=True)
    assert len(unchanged.rounds) == len(record.rounds)
    larger = config.model_copy(update={"budget": config.budget.model_copy(update={"rounds": 4})})
    further = learn(larger, copy, resume=True)
    assert len(further.rounds) > len(record.rounds) and further.rounds[-1].final
    before = [what_was_found(one) for one in record.rounds]
    assert [what_was_found(one) for one in further.rounds[: len(before)]] == before


def test_states_of_several_multiplicities_are_refused_before_a_label_is_made(config):
    with pytest.raises(InputError, match=r"states of one multiplicity .* but has those of 1 and 3"):
        _check_states(config, (1, 1, 3))


def test_labels_are_kept_to_judge_the_last_models(learned, config, tmp_path):
    few = config.model_copy(update={"budget": config.budget.model_copy(update={"labels": 90})})
    record = learn(few, tmp_path / "out")
    last = record.rounds[-1]
    assert last.final and sum(one.trusted + one.doubtful + one.failed for one in last.asked) == 7
    assert "90 labels" in record.verdict
