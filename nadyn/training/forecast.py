"""What a training file would do with data: what is learned from what, and a few steps of it."""

import itertools
import tempfile
import time
import warnings
from pathlib import Path

from nadyn.checks.counts import counted
from nadyn.checks.forecast import Forecast, peak_memory, size_in_words, time_in_words
from nadyn.data import Dataset
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.dataset_checks import check_dataset
from nadyn.training.held_out import hold_out
from nadyn.training.mixing import about_energies
from nadyn.training.notices import about_couplings, about_gaps
from nadyn.training.progress import Progress
from nadyn.training.quantities import QUANTITIES
from nadyn.training.samples import samples_together
from nadyn.training.stages import DEFAULT_TIME_LIMIT_MINUTES
from nadyn.training.train import train

# A trial learns so many frames of each molecule for so many steps.
_FRAMES, _STEPS = 128, 6
# Fewer steps than this of the whole data teach little.
_FEW_STEPS = 2000


def forecast_training(configuration: TrainingConfiguration, dataset: Dataset) -> Forecast:
    """Return what a training would do with these data, without its output.

    A trial learns 128 frames of each molecule for 6 steps, with the first basis of a search.

    Raises:
        InputError: What the training would raise, with the same sentence.
    """
    check_dataset(dataset, configuration)
    held_out = hold_out(dataset, configuration)
    n_training = held_out.training.n_frames
    per_epoch = -(-n_training // configuration.batch_size)
    samples = samples_together(dataset.groups, configuration.model.learned_properties)
    labelled = [q.plural for q in QUANTITIES if any(q.labels(group) is not None for group in samples)]
    pace, memory, caught = _try(configuration, dataset)
    scale = max(1.0, n_training / min(n_training, _FRAMES * len(dataset.groups)))
    if configuration.has_steps:
        n_steps = configuration.steps or configuration.epochs * per_epoch
        seconds = n_steps * pace
        length = f"{counted(n_steps, 'step')}, {n_steps / per_epoch:.3g} epochs"
        length += "; a search over bases takes more" if configuration.model.basis == "auto" else ""
    else:
        seconds = 60.0 * (configuration.time_limit_minutes or DEFAULT_TIME_LIMIT_MINUTES)
        n_steps = int(seconds / pace)
        length = f"about {float(f'{n_steps:.2g}'):g} fit into {time_in_words(seconds)}, all trials included"
    n_held = 0 if held_out.validation is None else held_out.validation.n_frames
    facts = (
        ("data", ", ".join(f"{group.name} ({counted(group.n_frames, 'frame')})" for group in dataset.groups)),
        ("labels", ", ".join(labelled)),
        ("held out", f"{counted(n_held, 'frame')} ({held_out.how})"),
        ("steps", f"{length}; an epoch has {counted(per_epoch, 'step')}"),
        ("memory", f"about {size_in_words(peak_memory() + (scale - 1.0) * memory)}"),
        ("time", f"about {time_in_words(seconds)} on this machine: {time_in_words(pace)} a step"),
    )
    notices = (about_couplings(dataset, configuration), about_gaps(dataset), *about_energies(dataset))
    doubts = [*held_out.sentences, *(one for one in notices if one), *caught]
    if n_steps < _FEW_STEPS:
        doubts.append(
            f"a training should have {_FEW_STEPS} steps or more, but has {n_steps}: errors will be larger "
            "than they need be"
        )
    return Forecast(facts, tuple(f"{text.rstrip('.')}." for text in doubts))


def seconds_of_a_step(configuration: TrainingConfiguration, dataset: Dataset) -> float:
    """Return how long a step takes on this machine [s], by the fastest of a few with some of the data."""
    pace, _, _ = _try(configuration, dataset)
    return pace


def _try(configuration: TrainingConfiguration, dataset: Dataset) -> tuple[float, int, list[str]]:
    """Return how long a step takes [s], how much memory a trial took [bytes], and what it warned of."""
    few = Dataset(tuple(group.select(_spread(group.n_frames)) for group in dataset.groups))
    changes = {"steps": _STEPS, "epochs": None, "time_limit_minutes": None, "small_starts": 0}
    changes |= {"split": "random", "warmup_steps": 1}
    if configuration.model.basis == "auto":
        n_states = max(group.n_states for group in dataset.groups)
        section = {"basis": f"{n_states}x0e + 1x1o" if n_states > 1 else "auto"}
        changes["model"] = configuration.model.model_copy(update=section)
    moments: list[float] = []

    def watch(progress: Progress) -> None:
        moments.append(time.monotonic())

    memory = peak_memory()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        train(few, Path(folder) / "trial.safetensors", configuration.model_copy(update=changes), report=watch)
    # The first steps make machine code and memory ready.
    pace = min(after - before for before, after in itertools.pairwise(moments))
    return pace, peak_memory() - memory, [str(warning.message) for warning in caught]


def _spread(n_frames: int) -> list[int]:
    return sorted({round(place * (n_frames - 1) / (_FRAMES - 1)) for place in range(_FRAMES)})
