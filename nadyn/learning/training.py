"""The members of a committee, trained side by side: jobs of processes of their own."""

from pathlib import Path

from nadyn.data import load_dataset
from nadyn.training.committee import finish_member, train_committee
from nadyn.training.configuration import TrainingConfiguration


def train_member(
    *, dataset: str, output: str, settings: dict[str, object], n_members: int, number: int
) -> None:
    """Train one member, or what is left of it; `assemble` finds it finished."""
    finish_member(
        load_dataset(dataset),
        Path(output),
        TrainingConfiguration.model_validate(settings),
        n_members=n_members,
        number=number,
    )


def assemble(*, dataset: str, output: str, settings: dict[str, object], n_members: int) -> None:
    """Write the committee of finished members."""
    train_committee(
        load_dataset(dataset),
        Path(output),
        TrainingConfiguration.model_validate(settings),
        n_members=n_members,
        resume=True,
    )
