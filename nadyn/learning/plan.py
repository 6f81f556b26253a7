"""What a round is going to be, written down when it begins: it stays so whenever it is gone on with."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass

from nadyn.checks.configuration import parse_configuration
from nadyn.data import Dataset, Group, load_dataset
from nadyn.learning.context import Context
from nadyn.learning.folder import read_json, write_json
from nadyn.learning.learn_file import (
    FINAL_TRAINING,
    ROUND_TRAINING,
    LearnConfiguration,
    kept_labels,
    names_length,
    training_settings,
)
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.forecast import seconds_of_a_step

# Part of the time for the last models that is for their training; trajectories and labels come after it.
_FOR_TRAINING = 0.75
# Keys of a training file that change what a step costs.
_OF_THE_COST = ("encoder", "model", "batch_size", "optimizer")


@dataclass(frozen=True)
class Plan:
    """A round.

    Attributes:
        final: Whether its models are the last ones, at full quality.
        spent: Which budget is spent, in words; empty where none is.
        labels: Labels that there are when it begins.
        processes: How many work at a time.
        steps: Of the training of last models, where the time that is left does not allow more; None where it
            is as long as was asked for.
    """

    final: bool
    spent: str
    labels: int
    processes: int = 1
    steps: int | None = None

    def n_labels(self, context: Context) -> int:
        """Return how many labels this round may ask for; the last one has those that were kept for it."""
        budget = context.config.budget.labels - (0 if self.final else kept_labels(context.config))
        return min(context.config.round.labels, max(0, budget - len(context.desk.store)))

    @classmethod
    def of(cls, context: Context, *, agreed: bool) -> "Plan":
        """Return the plan of the next round: the last models when all is reached or a budget is spent."""
        budget, n_labels = context.config.budget, len(context.desk.store)
        n_rounds = len(list(context.folder.path.glob("round_*/round.json"))) - 1
        spent = ""
        if n_labels >= budget.labels - kept_labels(context.config):
            spent = f"the budget of {budget.labels} labels is spent"
        elif context.clock.minutes >= budget.minutes - budget.final_minutes:
            spent = f"the budget of {budget.minutes:g} minutes is spent but for the last models"
        elif n_rounds >= budget.rounds:
            spent = f"the budget of {budget.rounds} rounds is spent"
        final = agreed or bool(spent)
        steps = affordable_steps(context, n_rounds) if final else None
        return cls(final=final, spent=spent, labels=n_labels, processes=context.config.processes, steps=steps)


def settings_of(
    config: LearnConfiguration, group: Group, number: int, *, final: bool, basis: str | None = None
) -> dict[str, object]:
    """Return the training file of a round for its labels; seeds differ by round, the split does not.

    Args:
        config: The learn file.
        group: The labels.
        number: Of the round.
        final: Whether for the last models.
        basis: Of the eigenvectors that the labels have.
    """
    couplings = group.interstate_couplings is not None
    if group.eigenvectors is None:
        basis = None
    settings = training_settings(config, group.n_states, final=final, couplings=couplings, basis=basis)
    return settings | {"seed": config.seed + 1009 * number, "split_seed": config.seed}


def affordable_steps(
    context: Context,
    last_round: int,
    *,
    pace: Callable[[TrainingConfiguration, Dataset], float] = seconds_of_a_step,
) -> int | None:
    """Return for how many steps last models can be trained, by the clock of rounds before; None for all.

    A machine may be slower than the one on which the defaults were chosen. No fewer steps than in a round of
    networks of the same cost.

    Args:
        context: The loop.
        last_round: Number of the last round that has ended.
        pace: How long a step takes, see `seconds_of_a_step`; asked where the last networks are others.
    """
    config, budget = context.config, context.config.budget
    n_steps = config.training.get("steps", ROUND_TRAINING["steps"])
    if names_length(config.final) or (names_length(config.training) and "steps" not in config.training):
        return None
    # The longest of them: the clock of a round that was killed has lost what it had counted.
    seconds = max((_seconds_now(context, number) for number in range(1, last_round + 1)), default=0.0)
    if not seconds:
        return None
    left = max(budget.final_minutes, budget.minutes - context.clock.minutes)
    cost = _relative_cost(context, last_round, pace)
    steps = int(60.0 * _FOR_TRAINING * left / seconds * n_steps / cost)
    return None if steps >= FINAL_TRAINING["steps"] else max(steps, n_steps)


def _relative_cost(
    context: Context, last_round: int, pace: Callable[[TrainingConfiguration, Dataset], float]
) -> float:
    """Return what a step of the last models costs, that of a round being 1, as it is by their defaults."""
    config = context.config
    of_round, of_last = (
        parse_configuration(
            # Weights cost nothing, and those of missing labels would be refused.
            training_settings(config, context.n_states, final=final, couplings=False),
            TrainingConfiguration,
            where=f"`{name}`",
        )
        for name, final in (("training", False), ("final", True))
    )
    if _what_costs(of_round) == _what_costs(of_last):
        return 1.0
    context.narrator.stage("how long a step of the last models takes")
    dataset = load_dataset(context.folder.round(last_round) / "dataset.h5")
    return pace(of_last, dataset) / pace(of_round, dataset)


def _what_costs(configuration: TrainingConfiguration) -> dict[str, object]:
    """Return what a step's cost depends on, but for properties beside energies, which are cheap."""
    content = configuration.model_dump(include=set(_OF_THE_COST))
    del content["model"]["properties"]
    return content


def _seconds_now(context: Context, number: int) -> float:
    """Return what the training of a round would take with the processes of today; 0 for last models."""
    plan = read_json(context.folder.round(number) / "plan.json") or {}
    if plan.get("final"):
        return 0.0
    members, now = context.config.members, context.config.processes
    then = plan.get("processes", now)
    waves = math.ceil(members / now) / math.ceil(members / then)
    return waves * context.clock.of_round(number).get("training", 0.0)


def begun(context: Context, number: int, *, agreed: bool) -> Plan:
    """Return the plan of a round as it was when the round began, or let it begin now."""
    path = context.folder.round(number) / "plan.json"
    stored = read_json(path)
    if stored is None:
        write_json(path, asdict(Plan.of(context, agreed=agreed)))
        stored = read_json(path)
    return Plan(**stored)
