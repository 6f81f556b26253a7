"""A training by several processes is that of one but for rounding."""

import copy
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing.shared_memory import SharedMemory

import numpy as np
import psutil
import pytest
import torch
from contracts.predicted import OUTPUTS, weighted_sum
from contracts.untrained import untrained
from teacher import Stop, configuration, dataset
from test_together import frames, three
from thread_ranks import in_threads

from nadyn.checks.errors import InputError, RunError
from nadyn.data import write_dataset
from nadyn.models.heads.dipole import DipoleSettings
from nadyn.models.heads.polarisability import PolarisabilitySettings
from nadyn.models.model_file import digest, load_model
from nadyn.training import shared_memory, shared_predictions, together
from nadyn.training.checkpoint import read_progress
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.optimizers import OPTIMIZERS, _owners
from nadyn.training.predictions import label_pairs, predict_beside
from nadyn.training.ranks import ALONE
from nadyn.training.samples import displaced_frames, samples_together
from nadyn.training.shared_predictions import predict_shared
from nadyn.training.train import learn, nobody, train


def _gradient_of(potential, batch, displaced, ranks):
    """The loss and the sum of the gradients of all processes, by name of the parameter."""
    own = copy.deepcopy(potential).requires_grad_(True)
    pairs = label_pairs(batch, own.n_states)
    predictions, gaps = predict_shared(ranks, own, batch, pairs, displaced)
    loss = weighted_sum(predictions, gaps)
    if loss.requires_grad:
        loss.backward()
    ranks.add_gradients(own.parameters())
    return predictions, loss.item(), {name: one.grad for name, one in own.named_parameters()}


def _agree(potential, batch, displaced, size):
    (one,) = [_gradient_of(potential, batch, displaced, ALONE)]
    for predictions, loss, gradient in in_threads(
        size, lambda ranks: _gradient_of(potential, batch, displaced, ranks)
    ):
        assert loss == pytest.approx(one[1], rel=1e-11)
        for mine, alone in zip(predictions, one[0], strict=True):
            for name in OUTPUTS:
                if getattr(mine, name) is not None:
                    torch.testing.assert_close(
                        getattr(mine, name), getattr(alone, name), rtol=1e-10, atol=1e-12
                    )
        compared = 0
        for name, expected in one[2].items():
            if expected is None or not expected.any():
                assert (gradient[name] is None) == (expected is None), name
                assert expected is None or not gradient[name].any(), name
                continue
            compared += 1
            largest = float(expected.abs().max())
            torch.testing.assert_close(gradient[name], expected, rtol=1e-9, atol=1e-10 * largest)
        assert compared > 8


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("basis, n_states", [(None, 1), ("2x0e + 1x1o", 2)])
def test_molecules_and_crystals_are_shared_out_with_their_gradient(basis, n_states, size):
    crystal, molecule, larger = three(basis, n_states)
    # Of the last there is one frame: most processes have none of it.
    batch = samples_together((crystal, molecule, larger.select(np.arange(1))))
    potential = untrained("moments", basis, n_states=n_states, cutoff=5.0).double().potential
    displaced = displaced_frames(batch[1:], 0.4, seed=1, step=3) if basis else ()
    _agree(potential, batch, displaced, size)


def test_properties_are_shared_out_where_only_some_molecules_have_labels():
    heads = (DipoleSettings(), PolarisabilitySettings())
    potential = untrained("moments", "2x0e + 1x1o", heads=heads, cutoff=5.0).double().potential
    groups = [
        frames(name, numbers, n, basis="2x0e + 1x1o", n_states=2, seed=n)
        for name, numbers, n in (("a", (7, 1, 1, 9), 5), ("b", (6, 6, 1, 1, 9), 2))
    ]
    groups[0] = replace(groups[0], dipoles=np.zeros((5, 2, 2, 3)), polarisabilities=np.zeros((5, 2, 3, 3)))
    batch = samples_together(tuple(groups))
    alone, _ = predict_beside(potential, batch, label_pairs(batch, 2), ())
    assert alone[0].dipoles.abs().max() > 0
    # What no label asks for is not sent.
    for found in in_threads(2, lambda ranks: _gradient_of(potential, batch, (), ranks))[:1]:
        assert found[0][0].dipoles is not None and found[0][1].dipoles is None


def test_single_frames_of_molecules_are_dealt_out_in_turn():
    groups = tuple(frames(f"{n}", (7, 1, 1, 9), n, basis="2x0e", n_states=2) for n in (1, 1, 1, 4, 1, 3))
    batch = samples_together(groups)
    for size, expected in ((2, [6, 5]), (3, [4, 4, 3])):
        found = [shared_predictions._frames(batch, rank, size) for rank in range(size)]
        assert [sum(map(len, one)) for one in found] == expected
        for place, part in enumerate(batch):
            assert sorted(torch.cat([one[place] for one in found]).tolist()) == list(range(len(part)))


def test_fewer_frames_than_processes_are_all_learned_all_the_same():
    potential = untrained("moments", "2x0e", cutoff=5.0).double().potential
    batch = samples_together((frames("a", (7, 1, 1, 9), 2, basis="2x0e", n_states=2),))
    _agree(potential, batch, (), 3)


def test_matrices_are_dealt_out_so_that_all_have_as_much_to_do():
    shapes = [
        torch.Size(one) for one in ((64, 128), (128, 128), (128, 546), (64, 128), (128, 546), (128, 128))
    ]
    owners = _owners(shapes, 2)
    work = [sum(max(s) * min(s) ** 2 for s, o in zip(shapes, owners, strict=True) if o == k) for k in (0, 1)]
    assert work[0] == work[1]


@pytest.mark.parametrize("size", [1, 2, 3])
def test_matrices_are_made_orthogonal_by_all(size):
    generator = torch.Generator().manual_seed(1)
    shapes = [(6, 4), (4, 6), (3, 9), (6, 4), (5, 5), (1, 7)]
    start = [torch.randn(shape, generator=generator) for shape in shapes]
    slopes = [torch.randn(shape, generator=generator) for shape in shapes]
    slopes[2].zero_()

    def moved(ranks):
        parameters = [torch.nn.Parameter(one.clone()) for one in start]
        optimizer = OPTIMIZERS["muon"]([{"params": parameters, "weight_decay": 0.1}], lr=0.1, ranks=ranks)
        for _ in range(3):
            for parameter, slope in zip(parameters, slopes, strict=True):
                parameter.grad = slope.clone()
            optimizer.step()
        return [one.detach() for one in parameters]

    alone = moved(ALONE)
    for found in in_threads(size, moved):
        for one, two in zip(found, alone, strict=True):
            torch.testing.assert_close(one, two, rtol=1e-6, atol=1e-7)


def _learn(tmp_path, data, settings, ranks, **more):
    return learn(
        data, tmp_path / "m.checkpoint", settings, resume=more.pop("resume", False), ranks=ranks, **more
    )


@pytest.mark.parametrize("basis", ["2x0e + 1x1o", "auto"])
def test_a_whole_training_is_that_of_one_process(tmp_path, basis):
    """With the search of a basis, its trials and their files too."""
    settings = configuration(model={"hidden": [8], "basis": basis}, small_starts=2, epochs=3)
    data = dataset(24)
    (tmp_path / "one").mkdir()
    alone = _learn(tmp_path / "one", data, settings, ALONE)
    found = in_threads(2, lambda ranks: _learn(tmp_path, data, settings, ranks))
    assert found[0].outcome.progress.best_score == pytest.approx(alone.outcome.progress.best_score, abs=2e-3)
    assert found[1].outcome.progress.best_score == found[0].outcome.progress.best_score
    assert found[1].outcome.progress.history == []
    expected = dict(alone.model.potential.named_parameters())
    first, second = (dict(one.model.potential.named_parameters()) for one in found)
    for name, value in first.items():
        assert torch.equal(value, second[name])
        torch.testing.assert_close(value, expected[name], rtol=0, atol=2e-3, msg=name)


def test_interrupted_in_one_of_them_all_stop_after_the_same_step_and_go_on(tmp_path):
    settings, data = configuration(epochs=4, checkpoint_every=5), dataset(24)
    (tmp_path / "whole").mkdir()
    whole = in_threads(2, lambda ranks: _learn(tmp_path / "whole", data, settings, ranks))[0]

    def stopping(progress):
        if progress.step == 7:
            raise Stop

    with pytest.raises(Stop):
        in_threads(
            2,
            lambda ranks: _learn(
                tmp_path, data, settings, ranks, report=stopping if ranks.is_first else nobody
            ),
        )
    resumed = in_threads(2, lambda ranks: _learn(tmp_path, data, settings, ranks, resume=True))
    for one in resumed:
        for name, value in one.model.potential.named_parameters():
            assert torch.equal(value, dict(whole.model.potential.named_parameters())[name]), name


def test_all_go_by_the_clock_of_the_first(tmp_path):
    """A time limit gives all the same number of steps, though their clocks differ."""
    settings = configuration(epochs=None, time_limit_minutes=0.05)
    data = dataset(24)

    def slow(rank):
        started = time.monotonic()
        return lambda: (time.monotonic() - started) * (1.0 if rank == 0 else 50.0) + 1e6 * rank

    found = in_threads(2, lambda ranks: _learn(tmp_path, data, settings, ranks, clock=slow(ranks.rank)))
    steps = [one.outcome.progress.step for one in found]
    assert steps[0] == steps[1] > 1


def _command(folder, *, processes=2, more=(), settings=None):
    write_dataset(folder / "data.h5", dataset(24))
    content = configuration(
        **(settings or {"epochs": 4000, "patience_epochs": 10**6, "checkpoint_every": 2})
    ).model_dump_json()
    (folder / "train.yaml").write_text(content, encoding="utf-8")
    command = ["nadyn", "train", "data.h5", "--output", "m.safetensors", "--config", "train.yaml"]
    return [sys.executable, "-m", *command, "--processes", str(processes), *more]


def _steps(checkpoint):
    return read_progress(checkpoint)["progress"]["step"]


def _started(command, folder):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    process = subprocess.Popen(command, cwd=folder, env=environment, **pipes)
    checkpoint = folder / "m.safetensors.checkpoint"
    while process.poll() is None and not (checkpoint.exists() and _steps(checkpoint) > 3):
        time.sleep(0.05)
    assert process.poll() is None, process.communicate()[0]
    return process, psutil.Process(process.pid).children(recursive=True)


@pytest.mark.slow
def test_processes_of_a_command_train_and_end_together(tmp_path):
    settings = {"epochs": 3}
    done = subprocess.run(_command(tmp_path, settings=settings), cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "one").mkdir()
    command = _command(tmp_path / "one", processes=1, settings=settings)
    assert subprocess.run(command, cwd=tmp_path / "one", check=False, capture_output=True).returncode == 0
    two, one = (load_model(folder / "m.safetensors") for folder in (tmp_path, tmp_path / "one"))
    for name, value in two.potential.named_parameters():
        torch.testing.assert_close(value, dict(one.potential.named_parameters())[name], rtol=0, atol=1e-3)


@pytest.mark.slow
def test_torchrun_starts_them_too_and_the_first_writes(tmp_path):
    _command(tmp_path)
    content = configuration(epochs=3).model_dump_json()
    (tmp_path / "train.yaml").write_text(content, encoding="utf-8")
    rest = ["train", "data.h5", "--output", "m.safetensors", "--config", "train.yaml"]
    run = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "nadyn", *rest]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(run, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("wrote m.safetensors") == done.stdout.count("toy: 24 frames") == 1
    assert load_model(tmp_path / "m.safetensors").trained_on["steps"] == 12
    again = subprocess.run(
        [*run, "--members", "2", "--overwrite"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert again.returncode != 0 and "must train without torchrun" in again.stderr


@pytest.mark.slow
@pytest.mark.parametrize("whom", ["the other", "the first"])
def test_when_one_is_killed_the_others_end_and_the_training_goes_on(tmp_path, whom):
    process, others = _started(_command(tmp_path), tmp_path)
    assert others
    victims = [one for one in others if "spawn_main" in " ".join(one.cmdline())]
    (victims[0] if whom == "the other" else psutil.Process(process.pid)).kill()
    said, _ = process.communicate(timeout=60)
    if whom == "the other":
        assert process.returncode == 1, said
        assert "one of them has ended" in said and "Traceback" not in said
    _, alive = psutil.wait_procs(others, timeout=30)
    assert not alive
    done = []

    def stopping(progress):
        done.append(progress.step)
        raise Stop

    settings = configuration(epochs=4000, patience_epochs=10**6, checkpoint_every=2)
    with pytest.raises(Stop):
        train(dataset(24), tmp_path / "m.safetensors", settings, resume=True, report=stopping)
    assert done[0] > 1


@pytest.mark.slow
def test_what_asks_to_end_is_heard_by_all(tmp_path):
    process, others = _started(_command(tmp_path), tmp_path)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130 and "--resume" in said and "--processes 2" in said
    _, alive = psutil.wait_procs(others, timeout=10)
    assert not alive


@pytest.mark.parametrize("size", [2, 3])
def test_memory_that_is_shared_gives_all_the_same_bits_piece_by_piece(monkeypatch, size):
    monkeypatch.setattr(shared_memory, "PIECE", 40)
    context = multiprocessing.get_context("spawn")
    memory = SharedMemory(create=True, size=2 * size * 40)
    arrivals = tuple(tuple(context.Semaphore(0) for _ in range(size)) for _ in range(size))
    meeting = shared_memory.Meeting(memory.name, arrivals)
    generator = torch.Generator().manual_seed(3)
    numbers = [torch.randn(7, 5, generator=generator) for _ in range(size)]
    doubles = [torch.randn(13, generator=generator).double() for _ in range(size)]

    def all_of_it(rank):
        place = shared_memory.opened(meeting, memory)
        ranks = shared_memory.MemoryRanks(rank, size, meeting, lambda has_met: None, place)
        found = []
        # Some are slower than others, each in its turn.
        for turn in range(30):
            time.sleep(0.002 * ((turn + rank) % size == 0))
            total, first = numbers[rank] * turn, doubles[rank].clone() + turn
            ranks._add(total)
            ranks._broadcast(first)
            found.append((total, first, ranks._gather(numbers[rank] + turn), ranks.any(rank == turn)))
        return found

    with ThreadPoolExecutor(size) as pool:
        results = list(pool.map(all_of_it, range(size)))
    memory.close()
    memory.unlink()
    for found in results:
        for turn, (total, first, gathered, one) in enumerate(found):
            expected = numbers[0] * turn
            for other in numbers[1:]:
                expected = expected + other * turn
            assert torch.equal(total, expected) and torch.equal(first, doubles[0] + turn)
            assert all(torch.equal(a, b + turn) for a, b in zip(gathered, numbers, strict=True))
            assert one == (turn < size)


def test_who_waits_for_a_process_that_has_ended_says_so():
    context = multiprocessing.get_context("spawn")
    memory = SharedMemory(create=True, size=4 * shared_memory.PIECE)
    arrivals = tuple(tuple(context.Semaphore(0) for _ in range(2)) for _ in range(2))
    meeting = shared_memory.Meeting(memory.name, arrivals)

    def check(has_met):
        raise RunError("has ended" if has_met else "has not begun")

    ranks = shared_memory.MemoryRanks(0, 2, meeting, check, shared_memory.opened(meeting, memory))
    with pytest.raises(RunError, match="has not begun"):
        ranks.wait()
    ranks.place.met = 3
    with pytest.raises(RunError, match="has ended"):
        ranks.of_the_first(1.0)
    memory.close()
    memory.unlink()


@pytest.mark.parametrize(
    ("cores", "load", "settings", "members", "expected"),
    [
        (2, 0.1, {}, None, 2),
        (8, 0.5, {}, None, 2),
        (1, 0.0, {}, None, 1),
        # Somebody else is at work.
        (2, 1.4, {}, None, 1),
        (8, 7.0, {}, None, 1),
        # A length in steps promises the bits, whatever the machine.
        (8, 0.1, {"steps": 10}, None, 1),
        (8, 0.1, {"epochs": 1}, None, 1),
        (8, 0.1, {}, 4, 1),
        (8, 0.1, {"batch_size": 1}, None, 1),
    ],
)
def test_a_training_of_some_time_uses_a_second_idle_core(
    monkeypatch, cores, load, settings, members, expected
):
    monkeypatch.setattr(together.os, "sched_getaffinity", lambda pid: set(range(cores)), raising=False)
    monkeypatch.setattr(together.os, "getloadavg", lambda: (load, 0.0, 0.0))
    assert together.processes_for(TrainingConfiguration.model_validate(settings), members) == expected


def test_without_memory_to_share_one_process_trains_or_says_so(monkeypatch, tmp_path):
    def none(*arguments, **keywords):
        raise PermissionError(13, "Permission denied", "/dev/shm")

    monkeypatch.setattr(together, "SharedMemory", none)
    monkeypatch.setattr(together.os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr(together.os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    assert together.processes_for(TrainingConfiguration(), None) == 1
    with pytest.raises(
        RunError, match=r"this machine gives none .*Permission denied.* Train with `--processes 1`"
    ):
        train(dataset(24), tmp_path / "m.safetensors", configuration(), processes=2)


def test_more_processes_than_frames_of_a_step_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"`--processes` must be from 1 to 5, the frames of a step"):
        train(dataset(24), tmp_path / "m.safetensors", configuration(), processes=6)


@pytest.mark.slow
def test_two_processes_give_the_same_bits_again_and_after_a_kill(tmp_path):
    settings = {"epochs": 12, "checkpoint_every": 2}
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    for name in ("a", "b"):
        done = subprocess.run(
            _command(tmp_path / name, settings=settings), cwd=tmp_path / name, stdout=subprocess.DEVNULL
        )
        assert done.returncode == 0
    command = _command(tmp_path / "c", settings=settings)
    process, _ = _started(command, tmp_path / "c")
    process.kill()
    process.communicate()
    again = [*command, "--resume"]
    assert subprocess.run(again, cwd=tmp_path / "c", stdout=subprocess.DEVNULL).returncode == 0
    assert len({digest(tmp_path / name / "m.safetensors") for name in ("a", "b", "c")}) == 1
