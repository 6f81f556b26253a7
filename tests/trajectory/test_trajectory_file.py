"""What is written is read; what is wrong is refused in a sentence; the digest sees contents only."""

import h5py
import numpy as np
import pytest
import toy_run

from nadyn.checks.errors import InputError, RunError
from nadyn.trajectory import TrajectoryWriter, digest, open_run
from nadyn.trajectory.raw_file import RawFile


@pytest.fixture
def finished(tmp_path):
    path = tmp_path / "run.h5"
    toy_run.run(path, n_steps=20, resume=False)
    return path


def test_frames_hops_and_summary_come_back_as_written(finished):
    run = open_run(finished)
    states = [toy_run.start()]
    for number in range(1, 21):
        states.append(toy_run.step(states[-1], number, 20))
    assert run.committed_frames == 11
    for index in range(11):
        written = toy_run.frame(states[2 * index])
        assert np.array_equal(run.momenta[index], written["momenta"])
        assert np.array_equal(run.coefficients[index, :, :, 1], written["coefficients"].imag)
        assert np.array_equal(run.active_state[index], written["active_state"])
    assert np.array_equal(run.time_fs, run.time_fs[1] * np.arange(11))
    assert np.array_equal(run.status, [0, 2, 0, 0, 0])
    assert np.array_equal(run.last_step, [20, 9, 20, 20, 20])
    assert np.array_equal(run.alive()[:, 1], np.arange(11) <= 4)
    hops = [toy_run.hops(state, number, 1) for number, state in enumerate(states)][1:]
    for name in ("step", "gap", "accepted"):
        assert np.array_equal(run.hops[name], np.concatenate([item[name] for item in hops]))
    assert run.config == {"method": "toy", "dt_fs": 0.5}
    assert run.timings == {"wall_s": 1.0}


def test_every_array_is_contiguous_and_has_a_unit_or_counts_something(finished):
    with h5py.File(finished, "r") as file:
        datasets = {}
        file.visititems(
            lambda name, item: datasets.update({name: item}) if isinstance(item, h5py.Dataset) else None
        )
        for name, item in datasets.items():
            assert item.chunks is None, name
            if item.dtype.kind == "f" and not name.startswith("checkpoint/"):
                assert item.attrs["unit"], name
        assert file["positions"].attrs["unit"] == "bohr"
        assert file["momenta"].attrs["unit"] == "electron_mass*bohr/au_time"


def test_an_unfinished_file_is_read_up_to_its_checkpoint_while_it_is_written(tmp_path):
    path = tmp_path / "run.h5"
    state = toy_run.start()
    writer = TrajectoryWriter.create(path, toy_run.header(20), state)
    assert open_run(path).committed_frames == 0
    writer.write_frame(0, toy_run.frame(state))
    writer.checkpoint(0, state)
    writer.write_frame(1, toy_run.frame(state))
    run = open_run(path)
    assert run.committed_frames == 1
    assert run.positions.shape == (1, 5, 4, 3)
    assert np.array_equal(run.status, [1, 1, 1, 1, 1])
    writer.close()


def test_the_digest_sees_one_bit_but_not_host_date_timings_or_storage(finished, tmp_path):
    before = digest(finished)
    with h5py.File(finished, "r+") as file:
        file.attrs["host"], file.attrs["date"] = "elsewhere", "another day"
    assert digest(finished) == before
    copy = tmp_path / "chunked.h5"
    with h5py.File(finished, "r") as source, h5py.File(copy, "w") as target:
        for name in reversed(list(source.attrs)):
            target.attrs[name] = source.attrs[name]
        for name in reversed(list(source)):
            source.copy(name, target)
        data, unit = target["energies"][:], target["energies"].attrs["unit"]
        del target["energies"]
        target.create_dataset("energies", data=data, chunks=(3, 2, 1), compression="gzip").attrs["unit"] = (
            unit
        )
    assert digest(copy) == before
    assert digest(copy, chunk_bytes=100) == before
    with h5py.File(copy, "r+") as file:
        file["energies"][4, 2, 1] = np.nextafter(file["energies"][4, 2, 1], 1e9)
    assert digest(copy) != before
    with h5py.File(finished, "r+") as file:
        file.attrs["seed"] = 8
    assert digest(finished) != before


def test_how_often_a_checkpoint_was_written_does_not_show_in_the_digest(tmp_path, finished):
    path = tmp_path / "other.h5"
    state = toy_run.start()
    writer = TrajectoryWriter.create(path, toy_run.header(20), state)
    writer.write_frame(0, toy_run.frame(state))
    for number in range(1, 21):
        state = toy_run.step(state, number, 20)
        writer.add_hops(toy_run.hops(state, number, 1))
        if number % 2 == 0:
            writer.write_frame(number // 2, toy_run.frame(state))
        writer.checkpoint(number, state)
    writer.close({"wall_s": 99.0})
    assert digest(path) == digest(finished)


def test_an_existing_output_is_kept(finished):
    before = digest(finished)
    with pytest.raises(InputError, match="Try --resume to continue that run or --overwrite to start again"):
        TrajectoryWriter.create(finished, toy_run.header(20), toy_run.start())
    assert digest(finished) == before
    TrajectoryWriter.create(finished, toy_run.header(20), toy_run.start(), overwrite=True).close()
    assert open_run(finished).committed_frames == 0


@pytest.mark.parametrize("keep", [0.0, 0.4, 0.999])
def test_a_truncated_file_is_refused_in_one_sentence(finished, keep):
    data = finished.read_bytes()
    finished.write_bytes(data[: int(keep * len(data))])
    for function in (open_run, digest, TrajectoryWriter.resume):
        with pytest.raises(InputError, match=r"must be an HDF5 file, but (is empty|cannot be opened as one)"):
            function(finished)


def test_other_files_are_refused_in_one_sentence(tmp_path):
    with pytest.raises(InputError, match=r"must exist, but does not"):
        open_run(tmp_path / "none.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.attrs["format"] = "nadyn-dataset"
    with pytest.raises(InputError, match="must be a trajectory file, but its format is 'nadyn-dataset'"):
        open_run(tmp_path / "other.h5")


def test_wrong_frames_hops_and_states_are_refused(tmp_path, unchecked_annotations):
    state = toy_run.start()
    writer = TrajectoryWriter.create(tmp_path / "run.h5", toy_run.header(20), state)
    with pytest.raises(InputError, match="`frame` must be 0, the next one, but is 1"):
        writer.write_frame(1, toy_run.frame(state))
    with pytest.raises(InputError, match=r"`energies` must have shape \(5, 2\), but has shape \(5, 3\)"):
        writer.write_frame(0, {**toy_run.frame(state), "energies": np.zeros((5, 3))})
    with pytest.raises(InputError, match="`arrays` must hold positions"):
        writer.write_frame(0, {"positions": state["positions"]})
    with pytest.raises(InputError, match="`records` must hold step"):
        writer.add_hops({"step": np.zeros(1)})
    with pytest.raises(InputError, match="`positions` must have dtype float64, but has float32"):
        writer.checkpoint(1, {**state, "positions": state["positions"].astype(np.float32)})
    with pytest.raises(InputError, match=r"`state` must hold .* but lacks last_step"):
        TrajectoryWriter.create(
            tmp_path / "new.h5", toy_run.header(20), {k: v for k, v in state.items() if k != "last_step"}
        )
    writer.close()


def test_a_full_disk_is_said_and_the_run_can_go_on(tmp_path, monkeypatch):
    path = tmp_path / "run.h5"
    state = toy_run.start()
    writer = TrajectoryWriter.create(path, toy_run.header(20), state)
    writer.write_frame(0, toy_run.frame(state))
    writer.checkpoint(0, state)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("nadyn.trajectory.raw_file.os.pwrite", full)
        with pytest.raises(RunError, match=r"No space left on device.*continue with --resume"):
            writer.write_frame(1, toy_run.frame(state))
    writer._file.close()
    assert TrajectoryWriter.resume(path)[0].next_frame == 1


def test_a_copy_of_rows_never_reaches_the_neighbouring_dataset(finished):
    file = RawFile(finished)
    with pytest.raises(IndexError, match="do not fit"):
        file.write_rows("energies", 10, np.zeros((2, 5, 2)))
    file.close()


@pytest.mark.parametrize("mode", ["r", "r+"])
@pytest.mark.parametrize("locking", [None, False, True])
def test_a_file_that_is_open_elsewhere_in_the_process_is_read_all_the_same(finished, mode, locking):
    expected = digest(finished)
    with h5py.File(finished, mode, locking=locking):
        assert open_run(finished).committed_frames == 11
        assert digest(finished) == expected
