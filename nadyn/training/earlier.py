"""What was trained before the training proper: it is not thrown away where it turns out to be the best."""

from dataclasses import dataclass

from nadyn.training.assignments import Assignment, assignment_from_plain


@dataclass(frozen=True)
class Earlier:
    """A trial, or a small network, in a file beside the checkpoint.

    Attributes:
        name: Part of the training, as `beside` takes it.
        score: The best that it reached on validation, see `validation.Errors`.
        n_steps: Length.
        assignment: Of its network; None for that of the configuration.
        small: Which of the small networks it was; None for one of the size in the configuration.
    """

    name: str
    score: float
    n_steps: int
    assignment: Assignment | None
    small: int | None = None


def earlier_from_plain(values: dict[str, object]) -> Earlier:
    """Return what `dataclasses.asdict` and JSON took apart."""
    assignment = values["assignment"]
    return Earlier(**(values | {"assignment": assignment and assignment_from_plain(assignment)}))
