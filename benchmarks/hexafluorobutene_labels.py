"""Labels where trajectories of hexafluorobutene stop, and what a model learns from them.

    python benchmarks/hexafluorobutene_labels.py run --folder FOLDER [--model MODEL --round 2]
    python benchmarks/hexafluorobutene_labels.py pick --folder FOLDER [--round 2]
    python benchmarks/hexafluorobutene_labels.py label --folder FOLDER [--most 40]
    python benchmarks/hexafluorobutene_labels.py train --folder FOLDER --round 2 [--config train.yaml]
    python benchmarks/hexafluorobutene_labels.py summary --folder FOLDER [--round 2]

`run` runs 200 trajectories as the tutorial does, `pick` puts the geometries that stopped them into a queue,
the one that differs most from all that is known first, and `label` labels the queue one after the other with
SA2-CASSCF(2,2)/cc-pVDZ of PySCF, the level of the shipped dataset, in one process. After `kill -9` the same
command goes on; labels are lines of `hexafluorobutene_labels/labels.jsonl`, orbitals stay in FOLDER.

`train` adds the trusted ones, shifted onto the shipped level, to the frames that the shipped model was
trained on, and trains the model of that round, by default beginning with the weights of the shipped one;
then `run` with its number, and so on. `summary` says what the labels and the models of all rounds are worth.
"""

import argparse
import fcntl
import json
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import yaml
from hexafluorobutene_judged import extended, shipped_configuration, summary, write_json
from hexafluorobutene_queue import (
    SOURCE,
    Answered,
    active_by_atom,
    asked_from,
    moving_orbitals,
    queue,
    read_labels,
    source,
    stops,
    write_labels,
    write_whole,
)

import nadyn
from nadyn import shipped
from nadyn.checks.errors import InputError
from nadyn.data.label_store import LabelStore
from nadyn.electronic.label_judgement import judged
from nadyn.electronic.labels import LabelSource
from nadyn.learning.stored_labels import known_of, method_of_source, record_of
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.train import train as train_model
from nadyn.trajectory import open_run

LABELS = Path(__file__).parent / "hexafluorobutene_labels" / "labels.jsonl"
_NEAR = 3
# Settings of a training that goes on from the shipped model, beside those of its train.yaml.
FURTHER = {"epochs": None, "steps": 3000, "learning_rate": 5e-4, "split": "stable", "mix": ["theory"]}


def run(folder: Path, model: Path, number: int, n: int) -> None:
    """Run trajectories from S1 with the defaults of `nadyn run` and the time step of the tutorial."""
    configuration = {
        "model": str(model.resolve()),
        "initial": {"sample": "wigner", "n": n, "temperature_kelvin": 0, "state": 1},
        "method": "fssh",
        "dt_fs": 0.25,
        "time_fs": 100,
        "seed": 1,
        "output": str(folder.resolve() / f"run-{number}.h5"),
    }
    nadyn.run(configuration, overwrite=True, progress=False)


def pick(folder: Path, number: int) -> None:
    """Add the stops of a round to the queue."""
    path = folder / "stops.json"
    older = [asked_from(line) for line in json.loads(path.read_text())] if path.exists() else []
    known = [one.asked.positions for one in read_labels(LABELS)]
    found = stops(folder / f"run-{number}.h5", number, known)
    together = [one for one in older if one.round != number] + found
    write_whole(path, json.dumps([one.as_json() for one in together]))
    print(f"{len(found)} stops of round {number}")


def label(folder: Path, most: int) -> None:
    """Label the queue until it is empty or `most` labels are there."""
    folder.mkdir(parents=True, exist_ok=True)
    LABELS.parent.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"{str(folder)!r} must not be labelled by two, but another process does."
            ) from None
        asked = source()
        store = LabelStore(folder / "store", method_of_source(asked, SOURCE))
        write_labels(LABELS, [_completed(one, store, asked) for one in read_labels(LABELS)])
        while (labels := read_labels(LABELS)) is not None and len(labels) < most:
            done = {one.asked.name for one in labels}
            path = folder / "stops.json"
            found = [asked_from(line) for line in json.loads(path.read_text())] if path.exists() else []
            waiting = [one for one in queue(found) if one.name not in done]
            if not waiting:
                return
            one, start = waiting[0], time.monotonic()
            record = store.get(one.positions)
            if record is None:
                near = [known_of(r) for _, r in store.nearest(one.positions, most=_NEAR)]
                answer = asked.label(one.positions, near)
                answer = judged(answer, one.positions, near)
                store.add(record_of(one.positions, answer, tag=one.origin))
            else:
                # Killed between the store and the file.
                answer = known_of(record).label
            where = active_by_atom(answer, one.positions, asked)
            moving = moving_orbitals(answer, one.positions, asked)
            write_labels(LABELS, [*read_labels(LABELS), Answered(one, answer, asked.theory, where, moving)])
            print(
                f"{time.strftime('%H:%M:%S')} {len(labels) + 1} {one.name} {one.reason} "
                f"{answer.quality.name.lower()} {answer.reason} {answer.seconds:.0f} s of the processor, "
                f"{time.monotonic() - start:.0f} s {np.round(answer.energies, 6).tolist()}",
                flush=True,
            )


def train(folder: Path, number: int, config: Path | None, n: int | None, scratch: bool) -> None:
    """Train the model of a round on the shipped frames and the labels."""
    older = shipped_configuration().model_dump()
    settings = FURTHER if config is None else yaml.safe_load(config.read_text(encoding="utf-8"))
    configuration = TrainingConfiguration.model_validate(older | settings)
    begin_from = [] if scratch else [nadyn.load_model(_shipped())]
    dataset = extended(read_labels(LABELS), n)
    print(f"{dataset.groups[0].n_frames} frames, {dataset.groups[0].note}", flush=True)
    start = time.process_time()
    train_model(
        dataset,
        folder / f"model-{number}.safetensors",
        configuration,
        begin_from=begin_from,
        overwrite=True,
    )
    print(f"{time.process_time() - start:.0f} s of the processor")


def judge(folder: Path) -> None:
    """Write what is known: labels, models of all rounds, and how their trajectories ended."""
    models = {"shipped": nadyn.load_model(_shipped())}
    for path in sorted(folder.glob("model-*.safetensors")):
        models[path.stem] = nadyn.load_model(path)
    found = summary(read_labels(LABELS), models)
    found["endings"] = {path.stem: _endings(path) for path in sorted(folder.glob("run-*.h5"))}
    write_json(LABELS.with_name("summary.json"), found)
    print(json.dumps(found, indent=1))


def _completed(one: Answered, store: LabelStore, asked: LabelSource) -> Answered:
    """Return a label with the term of moving orbitals, where the store has its orbitals."""
    record = store.get(one.asked.positions)
    if one.moving is not None or record is None:
        return one
    return replace(one, moving=moving_orbitals(known_of(record).label, one.asked.positions, asked))


def _endings(path: Path) -> dict[str, int]:
    run = open_run(path)
    return dict(Counter(run.status_names[int(code)] for code in run.status))


def _shipped() -> Path:
    return shipped.path("hexafluorobutene/hexafluorobutene.safetensors")


def main() -> None:
    """Do one of the steps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("step", choices=["run", "pick", "label", "train", "summary"])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--round", type=int, default=1)
    parser.add_argument("--most", type=int, default=150)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--labels", type=int, help="the first so many trusted ones only")
    parser.add_argument("--scratch", action="store_true", help="do not begin with the shipped model")
    options = parser.parse_args()
    torch.set_num_threads(1)
    own = options.folder / f"model-{options.round}.safetensors"
    model = options.model or (own if own.exists() else _shipped())
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.step == "run":
        run(options.folder, model, options.round, 200)
    elif options.step == "pick":
        pick(options.folder, options.round)
    elif options.step == "train":
        train(options.folder, options.round, options.config, options.labels, options.scratch)
    elif options.step == "summary":
        judge(options.folder)
    else:
        label(options.folder, options.most)


if __name__ == "__main__":
    main()
