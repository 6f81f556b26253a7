"""Labels by the workers of a dask scheduler are those of processes here, whatever is lost on the way."""

import gc
import os
import signal
import threading
import time

import numpy as np
import pytest

from nadyn.checks.errors import InputError, RunError
from nadyn.cli.main import main
from nadyn.electronic.labels import Known, Quality
from nadyn.interfaces import scheduled_pool
from nadyn.learning.desk import Desk

distributed = pytest.importorskip("distributed")
# dask leaves sockets and loops to the garbage collector, which says so.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SOURCE = '''
"""A spring. A short one is slow the first time, a long one fails."""

import os
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent


def label(positions):
    way = positions[1] - positions[0]
    r = np.linalg.norm(way)
    if r > 1.5:
        raise RuntimeError("no convergence")
    if r < 0.9:
        with (HERE / "begun.txt").open("a") as file:
            file.write(f"{os.getppid()} {os.getpid()}\\n")
        if len((HERE / "begun.txt").read_text().splitlines()) == 1:
            time.sleep(300)
    slope = (r - 1.0) * way / r
    forces = np.zeros((2, 2, 3))
    forces[0] = slope, -slope
    return {"energies": [0.5 * (r - 1.0) ** 2, 1.0], "forces": forces}
'''
ASKED = {
    "function": "spring.py:label",
    "theory": "a spring",
    "multiplicities": [1, 1],
    "gives": ["forces"],
    "length_unit": "bohr",
    "energy_unit": "hartree",
}


def geometries(*lengths):
    return np.array([[[0.0, 0.0, 0.0], [0.0, 0.0, length]] for length in lengths])


def labelled(folder, store, lengths, **keys):
    (folder / "spring.py").write_text(SOURCE)
    with Desk({"python": ASKED}, (8, 8), folder / store, folder=folder, **keys) as desk:
        return desk.label(geometries(*lengths)), desk.store.records


@pytest.fixture(autouse=True)
def tidy():
    """No garbage for the tests after this one."""
    yield
    gc.collect()


@pytest.fixture
def cluster(tidy):
    """Two workers of one thread, in this process."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None, memory_limit=0
    ) as found:
        yield found


@pytest.mark.slow
def test_labels_of_workers_are_those_of_processes_and_failed_ones_are_kept(tmp_path, cluster):
    lengths = [1.0, 1.1, 1.6, *np.linspace(1.0, 1.2, 12)]
    address = cluster.scheduler_address
    workers, stored = labelled(tmp_path, "workers", lengths, scheduler=address)
    alone, _ = labelled(tmp_path, "alone", lengths, processes=1)
    assert [label.quality for label in workers] == [label.quality for label in alone]
    assert workers[2].quality is Quality.FAILED and "no convergence" in workers[2].reason
    for one, other in zip(workers, alone, strict=True):
        np.testing.assert_array_equal(one.energies, other.energies)
        np.testing.assert_array_equal(one.forces, other.forces)
    assert sum(record.quality == "failed" for record in stored) == 1


@pytest.mark.slow
def test_a_label_whose_worker_is_killed_is_computed_by_another(tmp_path):
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, memory_limit=0
    ) as cluster:

        def kill_the_first():
            begun = tmp_path / "begun.txt"
            while not begun.exists() or not begun.read_text():
                time.sleep(0.05)
            os.kill(int(begun.read_text().split()[0]), signal.SIGKILL)

        threading.Thread(target=kill_the_first, daemon=True).start()
        (tmp_path / "spring.py").write_text(SOURCE)
        keys = {"folder": tmp_path, "scheduler": cluster.scheduler_address}
        with Desk({"python": ASKED}, (8, 8), tmp_path / "store", **keys) as desk:
            labels = desk.label(geometries(0.8, 1.0, 1.1))
    assert [label.quality for label in labels] == [Quality.TRUSTED] * 3
    first, second = ((tmp_path / "begun.txt").read_text()).splitlines()
    assert first != second
    # The process that the killed worker had begun does not go on with its label.
    deadline = time.monotonic() + 60
    while os.path.exists(f"/proc/{first.split()[1]}") and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not os.path.exists(f"/proc/{first.split()[1]}")


def test_a_geometry_that_loses_every_worker_has_failed_and_a_lost_scheduler_is_a_sentence(
    tmp_path, cluster, monkeypatch
):
    (tmp_path / "spring.py").write_text(SOURCE)
    pool = scheduled_pool.ScheduledPool(
        {"python": ASKED}, (8, 8), scheduler=cluster.scheduler_address, folder=tmp_path
    )
    assert (pool.at_once, pool.has_room) == (2, True)
    known = Known(geometries(1.0)[0], scheduled_pool.failed_label((1, 1), "none"))
    monkeypatch.setattr(scheduled_pool, "label_on_worker", lambda asked, positions, near: near[0].label)
    pool.submit(4, geometries(1.0)[0], [known])
    assert [(key, label.reason) for key, label in pool.wait()] == [(4, "none")]
    lost = distributed.KilledWorker("a task", _Somewhere(), 3)
    monkeypatch.setattr(scheduled_pool, "label_on_worker", _raises(lost))
    pool.submit(5, geometries(1.0)[0])
    ((key, label),) = pool.wait()
    assert (key, label.quality) == (5, Quality.FAILED) and "its workers were lost" in label.reason
    monkeypatch.setattr(scheduled_pool, "label_on_worker", _raises(InputError("the source must not.")))
    pool.submit(6, geometries(1.0)[0])
    with pytest.raises(InputError, match="the source must not"):
        pool.wait()
    monkeypatch.setattr(scheduled_pool, "label_on_worker", _raises(ModuleNotFoundError("no pyscf")))
    pool.submit(7, geometries(1.0)[0])
    with pytest.raises(RunError, match="must have the packages of nadyn and of the source, but one failed"):
        pool.wait()
    monkeypatch.setattr(scheduled_pool, "label_on_worker", _sleeps)
    pool.submit(8, geometries(1.0)[0])
    pool._client.cancel(list(pool._tasks))
    with pytest.raises(RunError, match="the scheduler must answer until all is labelled"):
        pool.wait()
    pool.close()


class _Somewhere:
    address = "tcp://10.0.0.1:1"


def _raises(error):
    def fail(asked, positions, near):
        raise error

    return fail


def _sleeps(asked, positions, near):
    time.sleep(1)


def test_a_scheduler_without_workers_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "spring.py").write_text(SOURCE)
    monkeypatch.setattr(scheduled_pool, "_WORKERS_SECONDS", 0.1)
    with (
        distributed.LocalCluster(n_workers=0, processes=False, dashboard_address=None) as cluster,
        pytest.raises(InputError, match="must have workers that label, but has none"),
    ):
        scheduled_pool.ScheduledPool(
            {"python": ASKED}, (8, 8), scheduler=cluster.scheduler_address, folder=tmp_path
        )


def test_processes_do_not_stand_beside_a_scheduler(tmp_path, capsys):
    (tmp_path / "source.yaml").write_text("ase: {calculator: emt}\n")
    (tmp_path / "start.xyz").write_text("1\n\nCu 0 0 0\n")
    given = [str(tmp_path / "start.xyz"), "--source", str(tmp_path / "source.yaml"), "--processes", "2"]
    with pytest.raises(SystemExit) as left:
        main(["label", *given, "--scheduler", "tcp://127.0.0.1:1"])
    assert left.value.code == 2
    assert "`--processes` must not come with `--scheduler`" in capsys.readouterr().err
