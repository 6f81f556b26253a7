"""`nadyn train` as a function: dataset and configuration in, model file and figures out."""

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import torch

from nadyn.checks.errors import InputError
from nadyn.data import Dataset
from nadyn.electronic.threads import threads
from nadyn.models.learned import LearnedModel
from nadyn.models.model_file import save_model
from nadyn.models.molecules import default_molecule
from nadyn.models.potential import Potential
from nadyn.training.assignments import Assignment
from nadyn.training.beginning import beginning, closest_of, with_basis_of
from nadyn.training.build import (
    build_network,
    elements_of,
    molecules_of,
    shortest_distances,
    surroundings_of,
)
from nadyn.training.checkpoint import existing, read_progress
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.dataset_checks import check_dataset
from nadyn.training.evaluation import Comparison, compare
from nadyn.training.held_out import HeldOut, hold_out
from nadyn.training.job import Job
from nadyn.training.long_range import to_be_learned
from nadyn.training.nothing import about_nothing, errors_of_nothing, no_better_than_nothing
from nadyn.training.origin import check_origin, origin
from nadyn.training.output import check_files, checkpoint_path, forget
from nadyn.training.parity_sample import write_history
from nadyn.training.predictions import label_pairs
from nadyn.training.progress import Outcome, Progress
from nadyn.training.ranks import ALONE, Ranks
from nadyn.training.samples import Samples, samples_together
from nadyn.training.search import Trial
from nadyn.training.stages import Learned, search_and_train
from nadyn.training.together import of_torchrun, together
from nadyn.training.validation import validate


def nobody(progress: Progress) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Trained:
    """A finished training.

    Attributes:
        model: The model, bound to the molecule with most training frames, and to the cell of its starting
            geometry if that is periodic.
        held_out: Which frames were held out, and how.
        learned: Progress, whether the training stopped early, and what was found before it.
        comparisons: Predictions beside labels of the frames that it was judged on; empty of `learn`.
    """

    model: LearnedModel
    held_out: HeldOut
    learned: Learned
    comparisons: tuple[Comparison, ...] = ()

    @property
    def validation(self) -> Dataset:
        """The frames that it was judged on: training frames where nothing was held out."""
        return self.held_out.validation or self.held_out.training

    @property
    def outcome(self) -> Outcome:
        """Progress of the training proper."""
        return self.learned.outcome

    @property
    def history(self) -> dict[str, object]:
        """What is written beside the model: trials, and one entry a validation."""
        return {
            "trials": [asdict(trial) for trial in self.learned.trials],
            "start": self.learned.start,
            "history": self.outcome.progress.history,
        }

    @property
    def trials(self) -> tuple[Trial, ...]:
        """What the search over assignments has tried; empty without one."""
        return self.learned.trials


def train(
    dataset: Dataset,
    output: str | Path,
    configuration: TrainingConfiguration | None = None,
    *,
    validation: Dataset | None = None,
    begin_from: Sequence[LearnedModel] = (),
    resume: bool = False,
    overwrite: bool = False,
    processes: int = 1,
    report: Callable[[Progress], None] = nobody,
    clock: Callable[[], float] = time.monotonic,
) -> Trained:
    """Train a model and write it to `output`.

    While it runs, everything needed to go on is kept in `output` + ".checkpoint"; the history of the
    training is written next to the model as JSON.

    Args:
        dataset: Labelled frames; a part of them is held out for validation, unless that is given.
        output: Model file.
        configuration: All settings; the default suits a molecule never seen before.
        validation: Frames that choose the best weights and stop the training, instead of held-out ones.
        begin_from: Models whose matrices the network learns first, each where it is right, see `beginning`.
        resume: Go on from the checkpoint of an interrupted training of the same data and configuration, of
            which only `threads` and `checkpoint_every` may have changed; begin where there is none yet.
        overwrite: Replace an existing model file and forget its checkpoint.
        processes: How many processes share the frames of each step; the model is that of one but for
            rounding. The others are started here, so a program of your own calls this below
            `if __name__ == "__main__":`. Under torchrun they are those that it has started; the first
            writes.
        report: Called after every step with the progress.
        clock: Gives seconds; a time limit goes by it.

    Raises:
        InputError: The data cannot be trained on, or files are in the way.
        RunError: The loss stops being finite, or one of several processes ends.
    """
    configuration = configuration or TrainingConfiguration()
    output = Path(output)
    checkpoint = checkpoint_path(output)
    if of_torchrun()[0] == 0:
        check_files(output, checkpoint, resume=resume, overwrite=overwrite)
    check_processes(processes, configuration)
    started = time.monotonic()
    asked = {
        "dataset": dataset,
        "checkpoint": checkpoint,
        "configuration": configuration,
        "validation": validation,
        "begin_from": begin_from,
        "resume": resume,
    }
    with together(processes, learn, asked) as ranks:
        trained = learn(**asked, report=report if ranks.is_first else nobody, clock=clock, ranks=ranks)
    if not ranks.is_first:
        return trained
    save_model(trained.model, output, timings=timings_since(started))
    comparisons = tuple(compare(trained.model, group) for group in trained.validation.groups)
    history = {"configuration": configuration.model_dump()} | trained.history
    write_history(output, history, title=trained.held_out.title, comparisons=comparisons)
    forget(checkpoint)
    return replace(trained, comparisons=comparisons)


def learn(
    dataset: Dataset,
    checkpoint: Path,
    configuration: TrainingConfiguration,
    *,
    validation: Dataset | None = None,
    begin_from: Sequence[LearnedModel] = (),
    resume: bool,
    report: Callable[[Progress], None] = nobody,
    clock: Callable[[], float] = time.monotonic,
    ranks: Ranks = ALONE,
) -> Trained:
    """Train a model, go on where its checkpoint is, and leave the checkpoint there; see `train`.

    Args:
        ranks: The processes that train together; each of them returns the model.
    """
    check_dataset(dataset, configuration)
    if begin_from:
        configuration = with_basis_of(begin_from, configuration)
    begins_from = origin(configuration, dataset, begin_from, validation)
    if resume:
        for path in existing(checkpoint):
            # Checkpoints of the first days do not say what they started from.
            check_origin(read_progress(path).get("origin", begins_from), begins_from)
    with threads(configuration.threads):
        held_out = hold_out(dataset, configuration, validation)
        training, validation = held_out.training, held_out.validation
        properties = configuration.model.learned_properties
        elements = elements_of(dataset)
        taught = partial(to_be_learned, elements=elements, section=configuration.model)
        training_samples = taught(samples_together(training.groups, properties))
        validation_samples = (
            () if validation is None else taught(samples_together(validation.groups, properties))
        )
        shortest = shortest_distances(training, elements)

        def build(assignment: Assignment | None, settings: TrainingConfiguration) -> Potential:
            return build_network(
                settings, training_samples, shortest, elements, assignment, closest_of(begin_from)
            )

        job = Job(
            training_samples,
            validation_samples,
            configuration,
            checkpoint,
            begins_from,
            resume,
            report,
            ranks.clock(clock),
            beginning(begin_from, training_samples) if begin_from else None,
            ranks,
        )
        learned = search_and_train(job, build)
        judged = validation_samples or training_samples
        errors = validate(learned.potential, judged, label_pairs(training_samples, job.n_states))
        useless = no_better_than_nothing(errors, errors_of_nothing(training_samples, judged))
        notes = held_out.sentences + ([about_nothing(useless, held_out.title)] if useless else [])
        more = {"held_out": held_out.record, "notes": notes, "data": begins_from["data"]}
        model = _finished_model(learned, training, training_samples, shortest, configuration, more)
    # The first forgets the checkpoint, which all have read until here.
    ranks.wait()
    return Trained(model, held_out, learned)


def check_processes(processes: int, configuration: TrainingConfiguration) -> None:
    """Refuse a number of processes of which one would have nothing to do.

    Raises:
        InputError: There are fewer frames in a step.
    """
    if not 1 <= processes <= configuration.batch_size:
        raise InputError(
            f"`--processes` must be from 1 to {configuration.batch_size}, the frames of a step "
            f"(`batch_size`), but is {processes}."
        )


def timings_since(started: float) -> dict[str, object]:
    """Return what a model file says of the time and place of its training."""
    return {
        "host": platform.node(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "training_seconds": round(time.monotonic() - started, 1),
    }


def _finished_model(
    learned: Learned,
    training: Dataset,
    samples: tuple[Samples, ...],
    shortest: np.ndarray,
    configuration: TrainingConfiguration,
    more: dict[str, object],
) -> LearnedModel:
    potential, outcome = learned.potential, learned.outcome
    potential.network.set_range(
        [surroundings for group in samples for surroundings in surroundings_of(potential, group)]
    )
    potential.requires_grad_(False)
    molecules = molecules_of(training)
    bound = default_molecule(molecules)
    trained_on = {
        "groups": {
            g.name: {
                "n_frames": g.n_frames,
                "theory": g.theory,
                "source": g.source,
                "licence": g.licence,
                "charge": int(g.charge),
                "multiplicities": [int(m) for m in g.multiplicities],
                "assumed": sorted(g.assumed),
            }
            for g in training.groups
        },
        "training_frames": sum(g.n_frames for g in training.groups),
        "steps": outcome.progress.step,
        "best_step": outcome.progress.best_step,
        "seed": configuration.seed,
        "configuration": configuration.model_dump(mode="json"),
    }
    trained_on |= more
    trained_on |= {key: text for key in ("start", "kept") if (text := getattr(learned, key))}
    finite = np.where(np.isfinite(shortest), shortest, 0.0)
    return LearnedModel(
        # Not after the file: the same training into another file is the same model, with the same digest.
        name=", ".join(g.name for g in training.groups),
        potential=potential,
        atomic_numbers=bound.atomic_numbers,
        starting_geometry=bound.starting_geometry,
        shortest_by_element=torch.from_numpy(finite),
        trained_on=trained_on,
        cell=bound.cell,
        pbc=bound.pbc,
        multiplicities=tuple(int(m) for m in training.groups[0].multiplicities),
        molecules=molecules,
    )
