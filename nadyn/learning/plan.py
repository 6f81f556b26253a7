"""What a round is going to be, written down when it begins: it stays so whenever it is gone on with."""

from dataclasses import asdict, dataclass

from nadyn.learning.context import Context
from nadyn.learning.folder import read_json, write_json


@dataclass(frozen=True)
class Plan:
    """A round.

    Attributes:
        final: Whether its models are the last ones, at full quality.
        spent: Which budget is spent, in words; empty where none is.
        labels: Labels that there are when it begins.
    """

    final: bool
    spent: str
    labels: int

    def n_labels(self, context: Context) -> int:
        """Return how many labels this round may ask for; the last one has those that were kept for it."""
        budget = context.config.budget.labels - (0 if self.final else kept_for_the_last(context))
        return min(context.config.round.labels, max(0, budget - len(context.desk.store)))

    @classmethod
    def of(cls, context: Context, *, agreed: bool) -> "Plan":
        """Return the plan of the next round: the last models when all is reached or a budget is spent."""
        budget, n_labels = context.config.budget, len(context.desk.store)
        n_rounds = len(list(context.folder.path.glob("round_*/round.json"))) - 1
        spent = ""
        if n_labels >= budget.labels - kept_for_the_last(context):
            spent = f"the budget of {budget.labels} labels is spent"
        elif context.clock.minutes >= budget.minutes - budget.final_minutes:
            spent = f"the budget of {budget.minutes:g} minutes is spent but for the last models"
        elif n_rounds >= budget.rounds:
            spent = f"the budget of {budget.rounds} rounds is spent"
        return cls(final=agreed or bool(spent), spent=spent, labels=n_labels)


def kept_for_the_last(context: Context) -> int:
    """Return how many labels are kept to judge the last models: half a round, at most a fifth of all."""
    return min(context.config.round.labels // 2, context.config.budget.labels // 5)


def begun(context: Context, number: int, *, agreed: bool) -> Plan:
    """Return the plan of a round as it was when the round began, or let it begin now."""
    path = context.folder.round(number) / "plan.json"
    stored = read_json(path)
    if stored is None:
        write_json(path, asdict(Plan.of(context, agreed=agreed)))
        stored = read_json(path)
    return Plan(**stored)
