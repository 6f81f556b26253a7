"""Sections of a report on the model that was used: how it was learned, and how far it is from its labels."""

from nadyn.analysis.plots_training import (
    MOST_PANELS,
    curves_figure,
    curves_table,
    parity_figure,
    parity_table,
)
from nadyn.analysis.section import Section
from nadyn.analysis.training_record import Parity, TrainingRecord, training_record
from nadyn.checks.counts import counted
from nadyn.trajectory import Run


def training_sections(run: Run) -> list[Section]:
    """Return learning curves and parity of the model of a run; nothing where no record stands beside it."""
    record = training_record(run)
    if record is None:
        return []
    found = []
    if record.curves:
        found.append(_curves(record))
    if record.parity:
        found.append(_parity(record))
    return found


def _curves(record: TrainingRecord) -> Section:
    members = 1 + max(one.member for one in record.curves)
    words = "Mean absolute errors on the frames that judge the training"
    words += f", one line for each of {members} members" * (members > 1)
    words += ". The weights of the best of these places were kept." + _left_out(
        one.quantity for one in record.curves
    )
    return Section(
        "learning", "Learning curves of the model", words, curves_figure(record), curves_table(record.curves)
    )


def _parity(record: TrainingRecord) -> Section:
    words = (
        f"Predictions of the model that was run, beside the labels of {record.judged}. Mean absolute errors: "
    )
    words += "; ".join(_in_words(one) for one in record.parity) + "."
    words += _left_out(one.quantity for one in record.parity)
    return Section(
        "parity", "The model beside its labels", words, parity_figure(record), parity_table(record.parity)
    )


def _in_words(one: Parity) -> str:
    labels = counted(one.n, "label")
    return f"{one.quantity}, {one.name} {one.mean_absolute_error:.3g} {one.unit} ({labels})"


def _left_out(names: object) -> str:
    rest = list(dict.fromkeys(names))[MOST_PANELS:]
    return f" In the csv alone: {', '.join(rest)}." if rest else ""
