"""Rounds of label, train, run, look: frames of ammonia where its trajectories go, and a model of them.

    python benchmarks/ammonia_rounds.py --folder FOLDER [--rounds 3] [--training train.yaml]
    python benchmarks/ammonia_rounds.py --judge MODEL [--seed 77] [--dt 0.1]

Made `nadyn/shipped/ammonia/ammonia_visited.h5` and the shipped model. Needs the package of
`ammonia_surfaces.py`; a label costs a tenth of a millisecond, a training ten to twenty minutes on one core.
What is finished is not done again: a folder that was interrupted goes on.

Round 0 has no model. Its frames are from 1,200 trajectories of the analytic surfaces themselves (`start.h5`):
some at random, some on the lower state with all bonds, some as different from each other as possible, some
with a hydrogen that has left, out to 9 angstrom, and some that were stretched or pressed together by hand.
Each later round trains on all frames so far, runs 500 trajectories with the defaults of `nadyn run`, labels
many geometries that they visited and keeps those at which the model is worst, with the last frames of all
that were stopped, some frames before those, some at random, and two kinds by hand: a hydrogen anywhere about
NH2, and NH2 that is nearly straight.

After the rounds come frames near the seam, for which the others leave too little weight: of the trajectories
of round 0, and of `ammonia_near_intersection.h5`, each displaced at random. A tenth of each part is held out.
`ammonia_visited.h5` is written at the end: first the frames that are held out, then the others, each in
random order; their number is printed. `ammonia_accuracy.py --trajectories` trains on it and the two older
files. `--judge` runs 1,000 trajectories with the defaults and another seed and prints what the README of the
shipped model promises.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import yaml
from ammonia_accuracy import frames
from ammonia_surfaces import SURFACE, AmmoniaSurfaces
from jaxtyping import Float

import nadyn
from nadyn.analysis.fates import ended_as_asked
from nadyn.data import Dataset, group_from_arrays, load_dataset, write_dataset
from nadyn.data.dataset import Group
from nadyn.data.joining import join
from nadyn.electronic.surfaces import energies_and_eigenvectors
from nadyn.models.model import Model
from nadyn.structures import pair_distances
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.train import train
from nadyn.trajectory import Run, open_run
from nadyn.units import ANGSTROM_PER_BOHR, BOHR_PER_ANGSTROM, ELECTRONVOLT_PER_HARTREE

HELD_OUT = 0.1
REFERENCE = {10: 0.945, 20: 0.819, 30: 0.529, 40: 0.455, 60: 0.352}
N_REFERENCE = 3000
# Above this no trajectory comes: 6.5 eV of excitation and the zero point energy [eV].
_LOWER_BELOW, _UPPER_BELOW = 8.5, 16.0
_SHORTEST_BOHR = 0.5 * BOHR_PER_ANGSTROM
# Frames near the seam [eV], and how far others are displaced from those that were there before.
_NEAR_SEAM, _DISPLACED_BOHR = 0.5, 0.03 * BOHR_PER_ANGSTROM

Positions = Float[np.ndarray, "frame atom 3"]


def labelled(positions: Positions) -> Group:
    """Return frames with the labels of the analytic surfaces.

    Geometries and labels are rounded to single precision, geometries first: the file is half as large.
    """
    positions = _rounded(positions)
    found = nadyn.surfaces(AmmoniaSurfaces(), torch.from_numpy(positions))
    return group_from_arrays(
        "ammonia",
        atomic_numbers=[7, 1, 1, 1],
        positions=positions,
        energies=found.energies.numpy(),
        forces=_rounded(found.forces.numpy()),
        interstate_couplings=_rounded(found.interstate_coupling[:, 0, 1, None].numpy()),
        theory="Li-Valero-Truhlar 2007 diabatic surfaces of NH3",
        source=f"{SURFACE} of chempotpy 1.0.7",
        licence="Apache-2.0",
        multiplicities=(1, 1),
    )


def trajectories(
    model: Model,
    path: Path,
    *,
    n: int,
    seed: int,
    dt_fs: float = 0.1,
    time_fs: float = 60,
    every: int = 2,
    follow: bool = True,
) -> Run:
    """Return a run from the upper state by the defaults of `nadyn run`, without decoherence.

    With `follow` its fragments are followed to the end of the run.
    """
    if not path.exists():
        config = {
            "initial": {"sample": "wigner", "n": n, "temperature_kelvin": 0, "state": 1},
            "method": "fssh",
            "decoherence": "none",
            "dt_fs": dt_fs,
            "time_fs": time_fs,
            "write_every": every,
            "seed": seed,
            "stop": {"dissociated": False} if follow else None,
            "output": str(path.with_suffix(".part.h5")),
        }
        nadyn.run(config, model=model, overwrite=True, progress=False)
        path.with_suffix(".part.h5").rename(path)
    return open_run(path)


def first_frames(run: Run, rng: np.random.Generator) -> Group:
    """Return the frames of round 0 from trajectories of the analytic surfaces."""
    positions, state = np.asarray(run.positions), np.asarray(run.active_state)
    every = positions.reshape(-1, 4, 3)
    longest = _bonds(every).max(axis=1)
    bound = np.flatnonzero((state.reshape(-1) == 0) & (longest < 1.9))
    far = np.flatnonzero(longest > 2.6)
    many = rng.choice(len(every), 40_000, replace=False)
    chosen = [
        every[rng.choice(len(every), 1400, replace=False)],
        every[rng.choice(bound, 900, replace=False)],
        every[many][spread_out(every[many], 1500, rng)],
        _at_distances(every[rng.choice(far, 700, replace=False)], rng.uniform(2.6, 9.0, 700)),
        distorted(every[rng.choice(len(every), 1600, replace=False)], rng),
    ]
    return _within_reach(labelled(np.concatenate(chosen)))


def next_frames(run: Run, model: Model, rng: np.random.Generator) -> Group:
    """Return the frames of a later round: where trajectories stopped and where the model is worst."""
    positions, alive = np.asarray(run.positions), run.alive()
    last = alive.sum(axis=0) - 1
    stopped = np.flatnonzero(~ended_as_asked(run))
    ends = [positions[np.maximum(last[stopped] - back, 0), stopped] for back in (0, 4, 10)]
    visited = positions[alive]
    some = visited[rng.choice(len(visited), min(len(visited), 30_000), replace=False)]
    error = errors_ev(model, some).max(axis=1)
    worst = np.argsort(error)[::-1][:900]
    print(f"errors on {len(some)} visited frames: {_in_words(error)}")
    far = visited[_bonds(visited).max(axis=1) > 2.2]
    by_hand = [
        around(far[rng.choice(len(far), 900, replace=False)], rng),
        straightened(far[rng.choice(len(far), 500, replace=False)], rng),
    ]
    return _within_reach(labelled(np.concatenate([*ends, some[worst], some[:300], *by_hand])))


def seam_frames(run: Run, rng: np.random.Generator) -> Group:
    """Return frames near the seam: of trajectories, and about those of the file that holds such frames."""
    energies, positions = np.asarray(run.energies), np.asarray(run.positions)
    near = positions[(energies[..., 1] - energies[..., 0]) * ELECTRONVOLT_PER_HARTREE < _NEAR_SEAM]
    many = near[rng.choice(len(near), min(len(near), 20_000), replace=False)]
    training, _ = frames(("ammonia_near_intersection",))
    known = np.repeat(training.groups[0].positions, 3, axis=0)
    displaced = known + _DISPLACED_BOHR * rng.standard_normal(known.shape)
    return _within_reach(labelled(np.concatenate([many[spread_out(many, 1200, rng)], displaced])))


def errors_ev(model: Model, positions: Positions) -> Float[np.ndarray, "frame state"]:
    """Return the absolute error of both energies against the analytic surfaces [eV]."""
    given = torch.from_numpy(np.ascontiguousarray(positions))
    found, _ = energies_and_eigenvectors(model, given)
    reference, _ = energies_and_eigenvectors(AmmoniaSurfaces(), given)
    return (found - reference).abs().numpy() * ELECTRONVOLT_PER_HARTREE


def spread_out(positions: Positions, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return the numbers of frames that are far from each other, one after the other the farthest from all.

    Measured by the logarithms of the sorted distances, so that like atoms may exchange their places.
    """
    distances = pair_distances(positions) * ANGSTROM_PER_BOHR
    features = np.log(np.concatenate([np.sort(distances[:, :3]), np.sort(distances[:, 3:])], axis=1))
    chosen = [int(rng.integers(len(features)))]
    nearest = np.full(len(features), np.inf)
    for _ in range(n - 1):
        nearest = np.minimum(nearest, ((features - features[chosen[-1]]) ** 2).sum(axis=1))
        chosen.append(int(nearest.argmax()))
    return np.array(chosen)


def distorted(positions: Positions, rng: np.random.Generator) -> Positions:
    """Return geometries by hand: a hydrogen at 0.8 to 5 angstrom, or two of them 0.6 to 1.3 apart."""
    moved = positions.copy()
    half = len(moved) // 2
    moved[:half] = _at_distances(moved[:half], rng.uniform(0.8, 5.0, half))
    middle = 0.5 * (moved[half:, 1] + moved[half:, 2])
    apart = moved[half:, 1] - moved[half:, 2]
    length = rng.uniform(0.6, 1.3, len(middle)) * BOHR_PER_ANGSTROM
    step = 0.5 * apart / np.linalg.norm(apart, axis=1, keepdims=True) * length[:, None]
    moved[half:, 1], moved[half:, 2] = middle + step, middle - step
    return moved[pair_distances(moved).min(axis=1) > _SHORTEST_BOHR]


def around(positions: Positions, rng: np.random.Generator) -> Positions:
    """Return geometries whose farthest hydrogen was put anywhere about the others, 1.5 to 8 Å from N."""
    moved, everyone = positions.copy(), np.arange(len(positions))
    direction = rng.standard_normal((len(moved), 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    length = np.exp(rng.uniform(np.log(1.5), np.log(8.0), len(moved))) * BOHR_PER_ANGSTROM
    moved[everyone, 1 + _bonds(positions).argmax(axis=1)] = moved[:, 0] + direction * length[:, None]
    return moved[pair_distances(moved).min(axis=1) > _SHORTEST_BOHR]


def straightened(positions: Positions, rng: np.random.Generator) -> Positions:
    """Return geometries whose two nearest hydrogens were turned to angles of 145 to 180 degrees.

    There two of the four rows of `1x0e + 1x1o` are components of a Π state, and the third must keep away.
    """
    moved = positions.copy()
    for frame in moved:
        near = 1 + np.linalg.norm(frame[1:] - frame[0], axis=1).argsort()[:2]
        first, second = (frame[atom] - frame[0] for atom in near)
        lengths = np.linalg.norm(first), np.linalg.norm(second)
        along = first / lengths[0] - second / lengths[1]
        along /= np.linalg.norm(along)
        across = first - (first @ along) * along
        across /= np.linalg.norm(across)
        half = np.radians(0.5 * rng.uniform(145.0, 180.0))
        for atom, length, side in zip(near, lengths, (1, -1), strict=True):
            frame[atom] = frame[0] + length * (side * np.sin(half) * along + np.cos(half) * across)
    return moved[pair_distances(moved).min(axis=1) > _SHORTEST_BOHR]


def judge(model: Model, path: Path, *, seed: int, dt_fs: float) -> dict[str, object]:
    """Run and print populations, endings, and errors at geometries that were visited."""
    run = trajectories(model, path, n=1000, seed=seed, dt_fs=dt_fs, every=1, follow=False)
    rng = np.random.default_rng(seed)
    alive, state = run.alive(), np.asarray(run.active_state)
    held = np.take_along_axis(state, np.minimum(np.arange(len(state))[:, None], alive.sum(0) - 1), axis=0)
    found: dict[str, object] = {}
    for time, expected in REFERENCE.items():
        value = float(np.mean(held[int(np.abs(run.time_fs - time).argmin())] == 1))
        error = np.sqrt(value * (1 - value) / len(run.weight) + expected * (1 - expected) / N_REFERENCE)
        found[f"S1 at {time} fs"] = [value, expected, round(float((value - expected) / error), 2)]
    codes, counts = np.unique(run.status, return_counts=True)
    found["endings"] = {run.status_names[int(c)]: int(n) for c, n in zip(codes, counts, strict=True)}
    found["30 that dissociated, S0 and S1"] = _at_their_end(run, model, rng)
    visited = np.asarray(run.positions)[alive]
    on_s0 = state[alive] == 0
    bound = _bonds(visited).max(axis=1) < 1.9
    # The last frames of a trajectory are as likely as all others: every frame before an ending counts.
    half = rng.choice(np.flatnonzero(on_s0 & bound), 250, replace=False)
    other = rng.choice(np.flatnonzero(~(on_s0 & bound)), 250, replace=False)
    error = errors_ev(model, visited[np.concatenate([half, other])])
    found["500 visited geometries, S0 and S1"] = {
        "mean_ev": error.mean(axis=0).tolist(),
        "largest_ev": error.max(axis=0).tolist(),
    }
    many = errors_ev(model, visited[rng.choice(len(visited), 20_000, replace=False)]).max(axis=1)
    found["20,000 visited geometries"] = _in_words(many)
    for name, text in found.items():
        print(f"{name}: {text}")
    return found


def _at_their_end(run: Run, model: Model, rng: np.random.Generator) -> dict[str, object]:
    """Return the errors at the last frames of up to thirty trajectories that fell apart for good."""
    names = np.array([run.status_names[int(code)] for code in run.status])
    (rows,) = np.nonzero(names == "dissociated")
    if not len(rows):
        return {}
    rows = rng.permutation(rows)[:30]
    last = run.alive().sum(axis=0) - 1
    error = errors_ev(model, np.asarray(run.positions)[last[rows], rows])
    return {"mean_ev": error.mean(axis=0).tolist(), "largest_ev": error.max(axis=0).tolist()}


def _in_words(error: np.ndarray) -> str:
    parts = np.percentile(error, [50, 90, 99, 99.9, 100])
    shown = ", ".join(f"{x:.4f}" for x in parts)
    return f"mean {error.mean():.4f}, 50, 90, 99, 99.9, 100 %: {shown} eV"


def _bonds(positions: Positions) -> Float[np.ndarray, "frame 3"]:
    """Return the three N-H distances [angstrom]."""
    return np.linalg.norm(positions[:, 1:] - positions[:, :1], axis=-1) * ANGSTROM_PER_BOHR


def _at_distances(positions: Positions, angstrom: np.ndarray) -> Positions:
    """Return geometries whose farthest hydrogen was moved along its direction to a distance from nitrogen."""
    moved, everyone = positions.copy(), np.arange(len(positions))
    atom = 1 + _bonds(positions).argmax(axis=1)
    along = positions[everyone, atom] - positions[:, 0]
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    moved[everyone, atom] = positions[:, 0] + along * (angstrom * BOHR_PER_ANGSTROM)[:, None]
    return moved


def _within_reach(group: Group) -> Group:
    energies = group.energies * ELECTRONVOLT_PER_HARTREE
    near = (energies[:, 0] < _LOWER_BELOW) & (energies[:, 1] < _UPPER_BELOW)
    return group.select(np.flatnonzero(near & np.isfinite(energies).all(axis=1)))


def _rounded(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32).astype(np.float64)


def _parts(group: Group) -> tuple[Group, Group]:
    """Return the frames that are held out, which come first, and those to train on."""
    n = round(HELD_OUT * group.n_frames)
    return group.select(np.arange(n)), group.select(np.arange(n, group.n_frames))


def _shuffled(group: Group, rng: np.random.Generator) -> Group:
    return group.select(rng.permutation(group.n_frames))


def rounds(folder: Path, n_rounds: int, configuration: TrainingConfiguration) -> None:
    """Do all rounds that are not done."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [folder / f"visited-{number}.h5" for number in range(n_rounds)]
    for number, name in enumerate(names):
        if name.exists():
            continue
        rng = np.random.default_rng(1000 + number)
        if number == 0:
            run = trajectories(AmmoniaSurfaces(), folder / "start.h5", n=1200, seed=101, time_fs=80)
            group = first_frames(run, rng)
        else:
            model = trained(folder / f"model-{number}.safetensors", names[:number], configuration)
            run = trajectories(model, folder / f"run-{number}.h5", n=500, seed=200 + number)
            print(f"round {number}: {np.sum(~ended_as_asked(run))} of {run.n_trajectories} stopped")
            group = next_frames(run, model, rng)
        write_dataset(name, Dataset((_shuffled(group, rng),)))
        print(f"round {number}: {group.n_frames} frames")
    seam = folder / "visited-seam.h5"
    if not seam.exists():
        rng = np.random.default_rng(2000)
        group = seam_frames(open_run(folder / "start.h5"), rng)
        write_dataset(seam, Dataset((_shuffled(group, rng),)))
        print(f"near the seam: {group.n_frames} frames")
    parts = [_parts(load_dataset(name).groups[0]) for name in (*names, seam)]
    held_out, training = (join([Dataset((part[side],)) for part in parts]).groups[0] for side in (0, 1))
    rng = np.random.default_rng(0)
    together = join([Dataset((_shuffled(part, rng),)) for part in (held_out, training)])
    write_dataset(folder / "ammonia_visited.h5", together, overwrite=True)
    print(f"ammonia_visited.h5: {together.n_frames} frames, the first {held_out.n_frames} of them held out")


def trained(output: Path, names: Sequence[Path], configuration: TrainingConfiguration) -> Model:
    """Return the model of all frames so far that are not held out."""
    if not output.exists():
        old, _ = frames(("ammonia", "ammonia_near_intersection"))
        new = [Dataset((_parts(load_dataset(name).groups[0])[1],)) for name in names]
        resume = output.with_name(output.name + ".checkpoint").exists()
        train(join([old, *new]), output, configuration, resume=resume)
    return nadyn.load_model(output)


def main() -> None:
    """Do the rounds, or judge a model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("ammonia_rounds"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--training", type=Path)
    parser.add_argument("--judge", type=Path)
    parser.add_argument("--seed", type=int, default=77)
    parser.add_argument("--dt", type=float, default=0.1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.judge:
        stem = options.judge.with_suffix("")
        run = stem.with_name(f"{stem.name}-seed{options.seed}-dt{options.dt:g}.h5")
        found = judge(nadyn.load_model(options.judge), run, seed=options.seed, dt_fs=options.dt)
        run.with_suffix(".json").write_text(json.dumps(found, indent=1), encoding="utf-8")
        return
    text = "{}" if options.training is None else options.training.read_text(encoding="utf-8")
    settings = yaml.safe_load(text)
    rounds(options.folder, options.rounds, TrainingConfiguration.model_validate(settings))


if __name__ == "__main__":
    main()
