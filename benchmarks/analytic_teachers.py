"""Loops that learn a known answer: populations beside the teacher's, and errors by number of labels.

    python benchmarks/analytic_teachers.py reference TEACHER --output FOLDER [--n 2000]
    python benchmarks/analytic_teachers.py learn TEACHER PICKS --output FOLDER [--labels 1000]
    python benchmarks/analytic_teachers.py show --output FOLDER [--figure picks.png]

TEACHER is `ammonia` (the shipped model of its trajectories) or `sulfur_dioxide` (three singlets in normal
coordinates, asked in Cartesian ones). PICKS says what is labelled in a round beside the sixth at random from
where nothing was objected to:

- `committee`: the loop with its defaults, four members, last models at full quality;
- `novelty`: trajectories stop only where an atom's surroundings are new; labels at stops and small gaps;
- `random`: nothing stops a trajectory; all labels are frames at random.

The last two train two members a round and small last models. `show` judges the models of every round on
frames of the reference, 2,000 trajectories on the teacher itself, and puts populations of the last models
beside those of the reference with the distance in standard errors. What is there is not made again.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from ase.build import molecule
from ase.io import write

import nadyn
from nadyn.analysis import analyse_members
from nadyn.analysis.learning_record import round_from
from nadyn.analysis.pairs import known_occupations
from nadyn.analysis.plots_style import COLOURS, legend_above, new_figure, save_picture
from nadyn.cli.demo import run_file
from nadyn.learning.learn_file import ROUND_TRAINING, LearnConfiguration
from nadyn.learning.loop import learn
from nadyn.models.analytic import sulfur_dioxide
from nadyn.models.model_file import load_model
from nadyn.shipped import path
from nadyn.trajectory import Run, open_run
from nadyn.units import ELECTRONVOLT_PER_HARTREE

_FRAMES, _SMALL_GAP_EV = 2000, 0.5
_DEMO = run_file(n=1, time_fs=60.0)
TEACHERS: dict[str, dict[str, object]] = {
    "ammonia": {
        "molecule": "NH3",
        "source": {"model": {"model": str(path("ammonia/ammonia_trajectories.safetensors"))}},
        "dynamics": {key: _DEMO[key] for key in ("method", "dt_fs", "time_fs", "decoherence", "rescale")},
        "direct_fs": 10.0,
    },
    "sulfur_dioxide": {
        "molecule": "SO2",
        "source": {"model": {"model": {"name": "sulfur_dioxide", "variant": "singlets"}}},
        "dynamics": {"method": "fssh", "dt_fs": 0.5, "time_fs": 100.0},
        "direct_fs": 20.0,
    },
}
PICKS: dict[str, dict[str, object]] = {
    "committee": {"members": 4, "round": {}, "stop": {}, "final": {}},
    "novelty": {
        "members": 2,
        "round": {"in_doubt": 0.0, "at_crossings": 0.0, "at_gaps": 0.25},
        "stop": {"committee": False},
        "final": ROUND_TRAINING,
    },
    "random": {
        "members": 2,
        "round": {"at_random": 1.0, "in_doubt": 0.0, "at_crossings": 0.0, "at_gaps": 0.0},
        "stop": {"committee": False, "novelty": 1.0},
        "final": ROUND_TRAINING,
    },
}


def geometry(folder: Path, teacher: str) -> Path:
    """Return the .xyz that a loop begins from."""
    found = folder / f"{teacher}.xyz"
    if not found.exists():
        write(found, molecule(TEACHERS[teacher]["molecule"]))
    return found


def reference(folder: Path, teacher: str, n: int) -> None:
    """Run the teacher itself, sulfur dioxide in its normal coordinates."""
    own = TEACHERS[teacher]
    output = folder / f"{teacher}_reference.h5"
    nadyn.run(
        {
            **own["dynamics"],
            "model": own["source"]["model"]["model"],
            "initial": {"sample": "wigner", "n": n, "state": 1},
            "seed": 2,
            "output": str(output),
        },
        resume=output.exists(),
    )


def loop(folder: Path, teacher: str, picks: str, labels: int) -> None:
    """Learn the teacher."""
    own, how = TEACHERS[teacher], PICKS[picks]
    dynamics = dict(own["dynamics"])
    if how["stop"]:
        dynamics["stop"] = how["stop"]
    config = LearnConfiguration.model_validate(
        {
            "molecule": str(geometry(folder, teacher).absolute()),
            "source": own["source"],
            "state": 1,
            "dynamics": dynamics,
            "first": {"wigner": 60, "direct": 2, "direct_fs": own["direct_fs"]},
            "members": how["members"],
            "round": {"labels": 200, **how["round"]},
            "final": how["final"],
            "budget": {"labels": labels, "minutes": 600.0},
        }
    )
    output = folder / f"{teacher}_{picks}"
    learn(config, output, resume=output.exists())


def frames_of(run: Run) -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    """Return Cartesian positions, energies [eV] and active states at random, of what has not stopped."""
    alive = np.array(run.alive())[: run.committed_frames]
    alive[0] = False
    frames, trajectories = np.nonzero(alive)
    chosen = np.sort(np.random.default_rng(0).permutation(len(frames))[:_FRAMES])
    frames, trajectories = frames[chosen], trajectories[chosen]
    energies = np.array(run.energies)[frames, trajectories] * ELECTRONVOLT_PER_HARTREE
    active = np.array(run.active_state)[frames, trajectories].astype(int)
    positions = torch.from_numpy(np.array(run.positions)[frames, trajectories])
    if positions.shape[-1] == 1:
        positions = sulfur_dioxide("singlets").frame.positions(positions)
    return positions, energies, active


def judged(folder: Path, run: Run) -> list[dict[str, float]]:
    """Return for each round its frames, and mean absolute errors of the active energy and of small gaps."""
    stored = folder / "judged.json"
    known = json.loads(stored.read_text(encoding="utf-8")) if stored.exists() else []
    positions, energies, active = frames_of(run)
    rows = []
    for done in sorted(folder.glob("round_*/round.json")):
        content = json.loads(done.read_text(encoding="utf-8"))
        if not (done.parent / "model.safetensors").exists():
            continue
        record = round_from(content)
        if (before := [row for row in known if row["round"] == record.number]) != []:
            rows += before
            continue
        found = [
            nadyn.surfaces(member, positions).energies.numpy() * ELECTRONVOLT_PER_HARTREE
            for member in load_model(done.parent / "model.safetensors").members
        ]
        off = [np.take_along_axis(one - energies, active[:, None], axis=1) for one in found]
        gap = energies[:, 1] - energies[:, 0]
        small = gap < _SMALL_GAP_EV
        off_gap = [(one[:, 1] - one[:, 0] - gap)[small] for one in found]
        rows.append(
            {
                "round": record.number,
                "final": record.final,
                "frames": record.frames,
                "energy_ev": float(np.mean(np.abs(off))),
                "spread_ev": float(np.std([np.abs(one).mean() for one in off])),
                "small_gap_ev": float(np.mean(np.abs(off_gap))),
            }
        )
    stored.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return rows


def beside(folder: Path, run: Run) -> None:
    """Print populations of the last models beside those of the teacher."""
    last = max(folder.glob("round_*/round.json"), key=lambda done: done.parent.name)
    runs = sorted(last.parent.glob("swarm_*.h5"))
    numbers = analyse_members(runs) if len(runs) > 1 else None
    truth = known_occupations(run)
    worst = 0.0
    values = [known_occupations(open_run(one)) for one in runs]
    pooled = np.concatenate([one[: min(len(v) for v in values)] for one in values], axis=1)
    times = np.array(open_run(runs[0]).time_fs)
    for frame in range(0, min(len(truth), len(pooled)), max(1, len(truth) // 10)):
        mean, exact = np.nanmean(pooled[frame], axis=0), np.nanmean(truth[frame], axis=0)
        n, n_exact = np.isfinite(values[0][frame][:, 0]).sum(), np.isfinite(truth[frame][:, 0]).sum()
        # Members share their starts, so that four of them count as one.
        error = np.sqrt(exact * (1 - exact) * (1 / n_exact + 1 / n) + 1e-12)
        far = np.abs(mean - exact) / np.maximum(error, 1.0 / n)
        worst = max(worst, float(far.max()))
        text = ", ".join(f"{a:.3f} ({b:.3f})" for a, b in zip(mean, exact, strict=True))
        print(f"  {times[frame]:5.1f} fs: {text}, {far.max():.1f} standard errors apart")
    stopped = [int((~np.isfinite(one[-1][:, 0])).sum()) for one in values]
    print(
        f"  {folder.name}: at most {worst:.1f} standard errors apart; unknown at the end "
        f"{stopped} of {values[0].shape[1]}"
    )
    if numbers is not None:
        print(f"  {numbers.get('n_stopped')} stopped of {numbers.get('n_trajectories')} in all")


def show(folder: Path, figure_file: Path | None) -> None:
    """Print everything that is there, and draw it."""
    figure, axes = new_figure(3.4, columns=len(TEACHERS), widths=(1.0,) * len(TEACHERS))
    for place, teacher in zip(np.atleast_1d(axes), TEACHERS, strict=True):
        place.set(xlabel="labels that train", ylabel="active energy, mean error (eV)", yscale="log")
        place.set_title(teacher.replace("_", " "), fontsize=10)
        for colour, picks in zip(COLOURS, PICKS, strict=False):
            own = folder / f"{teacher}_{picks}"
            if not (own / "learning.json").exists():
                continue
            run = open_run(folder / f"{teacher}_reference.h5")
            rows = judged(own, run)
            small = [row for row in rows if not row["final"]]
            for row in rows:
                print(
                    f"{own.name}, {row['frames']} frames{' (last models)' if row['final'] else ''}: active "
                    f"energy off by {row['energy_ev']:.4f} ± {row['spread_ev']:.4f} eV, gaps below "
                    f"{_SMALL_GAP_EV} eV by {row['small_gap_ev']:.4f} eV"
                )
            beside(own, run)
            frames = [row["frames"] for row in small]
            place.errorbar(
                frames,
                [row["energy_ev"] for row in small],
                yerr=[row["spread_ev"] for row in small],
                color=colour,
                marker="o",
                label=picks,
            )
        legend_above(place)
    if figure_file is not None:
        save_picture(figure, figure_file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("reference", "learn", "show"))
    parser.add_argument("teacher", nargs="?", choices=tuple(TEACHERS))
    parser.add_argument("picks", nargs="?", choices=tuple(PICKS))
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--labels", type=int, default=1000)
    parser.add_argument("--figure", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.output.mkdir(parents=True, exist_ok=True)
    if arguments.what == "show":
        show(arguments.output, arguments.figure)
    elif arguments.what == "reference":
        reference(arguments.output, arguments.teacher, arguments.n)
    else:
        loop(arguments.output, arguments.teacher, arguments.picks, arguments.labels)


if __name__ == "__main__":
    main()
