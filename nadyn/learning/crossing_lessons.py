"""Labels near crossings go into the data, and a model goes on with them from its weights."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nadyn.checks.configuration import parse_configuration
from nadyn.checks.errors import InputError
from nadyn.data import Dataset, Group, join
from nadyn.electronic.labels import LabelSource
from nadyn.models.committee import Committee
from nadyn.models.learned import LearnedModel
from nadyn.models.model import Model
from nadyn.models.model_file import load_model
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.held_out import hold_out
from nadyn.training.train import train

# Of a training that goes on: enough to take in a few labels among thousands of frames.
_STEPS = 1000
# What was learned is to stay: a part of the rate that it was learned with.
_RATE = 0.4
# What the labels near crossings count together, if they are few: a tenth of all frames, but none of them more
# than ten others.
_SHARE, _HEAVIEST = 0.1, 10.0


def settings_to_go_on(model: LearnedModel, *, seed: int) -> TrainingConfiguration:
    """Return the settings that a model was trained with, for a short training that goes on from its weights.

    Raises:
        InputError: The model does not say how it was trained.
    """
    stored = model.trained_on.get("configuration")
    if not isinstance(stored, dict):
        raise InputError(
            f"model {model.name} must say how it was trained, but does not. Give a training file "
            "by `--config`."
        )
    content = {key: value for key, value in stored.items() if key not in ("epochs", "time_limit_minutes")}
    where = f"the settings of model {model.name}"
    found = parse_configuration(content | {"steps": _STEPS}, TrainingConfiguration, where=where)
    return found.model_copy(
        update={
            "learning_rate": _RATE * found.learning_rate,
            "seed": seed,
            # What was held out stays held out.
            "split_seed": found.seed_of_split,
        }
    )


def own_group(data: Dataset, source: LabelSource) -> str:
    """Return the name of the molecule of a dataset that a source labels, before it is asked for anything.

    Raises:
        InputError: None of them has its atoms in their order, or several, or it has other states or another
            level of theory.
    """
    numbers = tuple(source.atomic_numbers)
    groups = [one for one in data.groups if tuple(one.atomic_numbers.tolist()) == numbers]
    if len(groups) != 1:
        raise InputError(
            "`--data` must hold one molecule with the atoms of the source in their order, but holds "
            f"{len(groups)}."
        )
    (group,) = groups
    for what, mine, other in (
        ("charge", source.charge, group.charge),
        ("multiplicities of states", list(source.multiplicities), list(group.multiplicities)),
        # Data that do not say their theory are taken at the word of who names them.
        ("theory", source.theory, group.theory or source.theory),
    ):
        if mine != other:
            raise InputError(
                f"`--data` must have the {what} of the source, {mine}, but has {other}. Give data of "
                "its level."
            )
    return group.name


def with_lessons(data: Dataset, near: Group, configuration: TrainingConfiguration) -> tuple[Dataset, Dataset]:
    """Return what is learned from and what it is judged by, with labels near crossings in both.

    What a training of the data alone holds out stays held out. Labels near crossings are so few that none is
    held out; they count more, and have a say in which weights are the best: otherwise those of the first
    steps would win, which do not know them.

    Args:
        data: All that was learned before.
        near: The new labels, under the name of their molecule.
        configuration: How frames are held out.
    """
    held = hold_out(data, configuration)
    if data.group(near.name).dipoles is None:
        # The network has no head for what it has not learned before.
        near = replace(near, dipoles=None)
    n = held.training.n_frames
    weight = float(np.clip(_SHARE * n / near.n_frames, 1.0, _HEAVIEST))
    heavy = replace(near, weight=np.full(near.n_frames, weight))
    judged = Dataset((near,))
    if held.validation is not None:
        judged = join([held.validation, judged])
    return join([held.training, Dataset((heavy,))]), judged


@dataclass(frozen=True, eq=False)
class Lessons:
    """Trainings of one round after the other, each from the weights of the one before.

    Attributes:
        first: The model to begin with.
        data: What it was trained on.
        settings: Of every training, but for its seed.
        file: Returns the model file of a round.
    """

    first: LearnedModel
    data: Dataset
    settings: TrainingConfiguration
    file: Callable[[int], Path]

    def learn(self, number: int, near: Group) -> tuple[LearnedModel, int]:
        """Return the model of a round after the first and the number of frames that it was trained on.

        A training that was interrupted goes on where it was; one that is done is not done again.

        Args:
            number: Of the round.
            near: All labels near crossings, under the name of the molecule.
        """
        settings = self.settings.model_copy(
            update={
                "seed": self.settings.seed + 1009 * (number - 1),
                "split_seed": self.settings.seed_of_split,
            }
        )
        training, judged = with_lessons(self.data, near, settings)
        output = self.file(number)
        output.parent.mkdir(parents=True, exist_ok=True)
        before = single_model(load_model(self.file(number - 1))) if number > 2 else self.first
        if not output.exists():
            train(training, output, settings, validation=judged, begin_from=[before], resume=True)
        return single_model(load_model(output)), training.n_frames


def single_model(model: Model) -> LearnedModel:
    """Return a learned model, or of a committee the member that it is as a model.

    Raises:
        InputError: It is not learned.
    """
    one = model.bound if isinstance(model, Committee) else model
    if not isinstance(one, LearnedModel):
        raise InputError(f"the model must be a learned one to learn on, but {model.name} is not.")
    return one
