"""What `nadyn train --members` says and draws at its end."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nadyn.checks.counts import counted

if TYPE_CHECKING:
    from rich.console import Console

    from nadyn.models.committee import Committee
    from nadyn.models.learned import LearnedModel
    from nadyn.training.committee import TrainedCommittee


def single_models(models: "Sequence[LearnedModel | Committee]") -> "list[LearnedModel]":
    """Return models to begin from one by one: of a committee the member that it is as a model."""
    return [getattr(model, "bound", model) for model in models]


def report_committee(trained: "TrainedCommittee", output: Path, console: "Console") -> None:
    """Print errors and reliability on the frames that no member saw, and draw the figures."""
    from nadyn.cli.error_tables import error_table, reliability_table
    from nadyn.cli.tables import print_table
    from nadyn.training.figures import learning_curves, parity, reliability
    from nadyn.training.reliability import coverages, samples_of

    committee, unseen = trained.committee, trained.unseen
    for number, member in enumerate(committee.members):
        record = member.trained_on
        console.print(
            f"member {number}: seed {record['seed']}, {counted(record['training_frames'], 'training frame')}"
            f", {counted(record['steps'], 'step')}, best at step {record['best_step']}",
            highlight=False,
        )
        for note in record["notes"]:
            console.print(f"Note: member {number}: {note}.", highlight=False)
        if "kept" in record:
            console.print(f"Note: member {number}: {record['kept']}.", highlight=False)
    for note in committee.trained_on["notes"]:
        console.print(f"Note: {note}.", highlight=False)
    with console.status("judging on frames that no member saw"):
        samples = samples_of(committee, unseen)
    for comparison in trained.comparisons:
        title = f"frames of {comparison.name} that no member saw: member {committee.member}"
        print_table(console, error_table(comparison, title=title))
    found = coverages(samples, committee.calibration)
    frames = counted(unseen.n_frames, "frame")
    title = f"spread of {len(committee.members)} members on the {frames} that calibrated it"
    print_table(console, reliability_table(coverages(samples, None), found, title=title))
    written = []
    for number, history in enumerate(trained.histories):
        path = output.with_suffix(f".learning_curves.{number}.png")
        learning_curves(history["history"], path)
        written.append(path.name)
    scatter, curve = output.with_suffix(".parity.png"), output.with_suffix(".reliability.png")
    parity(trained.comparisons, scatter)
    reliability(samples, committee.calibration, curve)
    console.print(f"wrote {output}, {', '.join(written)}, {scatter.name}, {curve.name}")
    start = "" if committee.n_states == 1 else f" --state {committee.n_states - 1}"
    console.print(f"next: nadyn sample {output} --n 200{start} --output initial.h5")
