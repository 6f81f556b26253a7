"""The page of a run of 2,000 trajectories: how large it is, and how soon it can be used in Chromium.

    python benchmarks/report_page.py [--trajectories 2000] [--frames 121] [--openings 5] [--folder FOLDER]

The run is made up: ethylene that vibrates, decays, hops back, loses a hydrogen or is stopped, written by the
package's own writer. Printed are the parts of the page; then, for some openings, when it was first painted,
when everything in it could be used, how much of that the page's own thread computed, and how long a click on
a hop takes until its geometry is shown. On a busy machine the processor time is the fairer number; for times
on a clock there, on Linux and as root, give the browser the first turn:

    setsid sh -c 'echo -20 > /proc/$$/autogroup; exec nice -n -20 python benchmarks/report_page.py'
"""

import argparse
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from nadyn.analysis import report
from nadyn.structures import masses
from nadyn.trajectory import RunHeader, TrajectoryWriter
from nadyn.units import AU_PER_FEMTOSECOND, BOHR_PER_ANGSTROM

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "analysis"))
from browser import Browser

NUMBERS = np.array([6, 6, 1, 1, 1, 1])
_FLAT = np.array(
    [[0.67, 0, 0], [-0.67, 0, 0], [1.24, 0.92, 0], [1.24, -0.92, 0], [-1.24, 0.92, 0], [-1.24, -0.92, 0]]
)
_COLUMNS = "energy_from energy_to kinetic_before kinetic_after zeta probability gap".split()
READY = "document.documentElement.dataset.ready === 'yes'"


def write_run(path: Path, n: int, frames: int) -> Path:
    """Write a run of 3 states with about 1.5 accepted and 1 refused hop a trajectory."""
    random = np.random.default_rng(1)
    time_fs = np.arange(frames, dtype=float)
    falls = [random.exponential(scale, n) for scale in (15.0, 30.0)]
    first, second = falls[0], falls[0] + falls[1]
    back = np.where(random.random(n) < 0.25, second + random.exponential(8.0, n), np.inf)
    late = time_fs[:, None]
    state = 2 - (late >= first).astype(int) - (late >= second) + (late >= back) - (late >= back + 6.0)
    stopped = random.random(n) < 0.03
    last = np.where(stopped, random.integers(frames // 4, frames, n), frames - 1)
    header = RunHeader(
        config={"method": "fssh", "dt_fs": 1.0, "time_fs": float(frames - 1), "seed": 1},
        method="fssh",
        population_estimator="fraction of trajectories on each state",
        seed=1,
        n_steps=frames - 1,
        dt_au=AU_PER_FEMTOSECOND,
        write_every=1,
        n_states=3,
        n_axes=3,
        masses=masses(NUMBERS),
        weight=np.ones(n),
        model_name="made up",
        model_digest="0" * 64,
        has_committee=False,
        status_names={0: "finished", 1: "running", 2: "close_atoms"},
        status_advice={2: "Add such geometries to the data."},
        atomic_numbers=NUMBERS,
        diabatic_population_estimator="",
        multiplicities=(),
        moves_on="active state",
        on_one_state=False,
        amplitudes_are_populations=True,
    )
    summary = {"status": np.ones(n, int), "last_step": np.zeros(n, int), "energy_error_max": np.zeros(n)}
    writer = TrajectoryWriter.create(path, header, summary)
    rate, phase = random.uniform(0.3, 0.6, (n, 6, 3)), random.uniform(0, 6.3, (n, 6, 3))
    leaves = np.where(random.random(n) < 0.15, second, np.inf)
    for frame, now in enumerate(time_fs):
        positions = BOHR_PER_ANGSTROM * (_FLAT + 0.15 * np.sin(rate * now + phase))
        positions[:, 2, 1] += 0.08 * BOHR_PER_ANGSTROM * np.maximum(now - leaves, 0.0)
        energies = 0.12 * np.arange(3) + 0.02 * np.sin(rate[:, 0] * now + phase[:, 0])
        arrays = {
            "positions": positions,
            "momenta": np.zeros((n, 6, 3)),
            "energies": np.sort(energies, axis=1),
            "kinetic_energy": np.full(n, 0.1),
            "total_energy_error": 1e-4 * random.standard_normal(n),
            "coefficients": (state[frame][:, None] == np.arange(3)).astype(complex),
            "active_state": state[frame],
        }
        writer.write_frame(frame, arrays)
    moved, traj = np.nonzero(np.diff(state, axis=0))
    before, after, accepted = state[moved, traj], state[moved + 1, traj], np.ones(len(traj), int)
    refused, of = random.integers(1, frames, n), np.arange(n)
    rows = {
        "step": np.concatenate([moved + 1, refused]),
        "traj": np.concatenate([traj, of]),
        "from_state": np.concatenate([before, np.zeros(n, int)]),
        "to_state": np.concatenate([after, np.ones(n, int)]),
        "accepted": np.concatenate([accepted, np.zeros(n, int)]),
    }
    rows |= {name: np.zeros(len(rows["step"])) for name in _COLUMNS}
    rows["gap"] = random.exponential(0.02, len(rows["step"]))
    order = np.argsort(rows["step"], kind="stable")
    order = order[rows["step"][order] <= last[rows["traj"][order]]]
    writer.add_hops({name: column[order] for name, column in rows.items()})
    status = np.where(stopped, 2, 0)
    writer.checkpoint(frames - 1, {"status": status, "last_step": last, "energy_error_max": np.full(n, 4e-4)})
    writer.close()
    return path


def say_parts(text: str) -> None:
    """Print what the page is made of."""
    print(f"page {len(text.encode()) / 1e6:.2f} MB, {text.count('<a xlink')} points that lead to a moment")
    for name, part in re.findall(r'<figure id="(\w+)">(.*?)</figure>', text, flags=re.DOTALL):
        print(f"  figure {name:16s} {len(part) / 1e6:.3f} MB")
    for name, part in re.findall(r'<script [^>]*id="(view-\w+)">(.*?)</script>', text, flags=re.DOTALL):
        print(f"  {name:23s} {len(part) / 1e6:.3f} MB")


def opened(page: Path) -> dict[str, float]:
    """Open the page in a browser of its own and return what it took [s]."""
    with tempfile.TemporaryDirectory() as folder:
        browser = Browser(Path(folder), timeout=900)
        try:
            browser.call("Performance.enable", timeDomain="threadTicks")
            browser.open(page)
            browser.wait(READY)
            found = {one["name"]: one["value"] for one in browser.call("Performance.getMetrics")["metrics"]}
            painted = browser.do(
                "performance.getEntriesByName('first-contentful-paint').map(e => e.startTime / 1000)[0] ?? -1"
            )
            ready = browser.do("performance.getEntriesByName('ready')[0].startTime / 1000")
            clicked = browser.do(
                """(async () => {
                const link = [...document.querySelectorAll('#hops a')].at(-1), start = performance.now();
                const before = document.getElementById('view-moment').textContent;
                location.hash = link.getAttribute('xlink:href');
                while (document.getElementById('view-moment').textContent === before) {
                  await new Promise(done => setTimeout(done));
                }
                return (performance.now() - start) / 1000;
                })()"""
            )
            complaints = browser.complaints()
            if complaints:
                print("complaints:", complaints)
        finally:
            browser.close()
    return {
        "first painted": painted,
        "ready": ready,
        "processor time": found["TaskDuration"],
        "of it scripts": found["ScriptDuration"],
        "of it style and layout": found["LayoutDuration"] + found["RecalcStyleDuration"],
        "a click on a hop": clicked,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trajectories", type=int, default=2000)
    parser.add_argument("--frames", type=int, default=121)
    parser.add_argument("--openings", type=int, default=5)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp())
    run = folder / "run.h5"
    if not run.exists():
        write_run(run, options.trajectories, options.frames)
    started = time.process_time()
    page = report(run, folder / "report.html")
    print(f"written in {time.process_time() - started:.1f} s of processor time")
    say_parts(page.read_text(encoding="utf-8"))
    openings = [opened(page) for _ in range(options.openings)]
    for name in openings[0]:
        values = [one[name] for one in openings]
        print(f"{name:24s} median {statistics.median(values):.2f} s ({min(values):.2f} to {max(values):.2f})")


if __name__ == "__main__":
    main()
