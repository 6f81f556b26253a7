"""Sections of a report on the model that was used: how it was learned, and how far it is from its labels."""

import html
from collections.abc import Iterable, Sequence

from nadyn.analysis.plots_training import (
    MOST_PANELS,
    curves_figure,
    curves_table,
    parity_figure,
    parity_table,
)
from nadyn.analysis.section import Section
from nadyn.analysis.training_record import Parity, TrainingRecord, training_record
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
    words = f"Predictions of the model that was run, beside the labels of {record.judged}."
    words += _left_out(one.quantity for one in record.parity)
    figure, table = parity_figure(record), parity_table(record.parity)
    markup = _errors_table(record.parity)
    return Section("parity", "The model beside its labels", words, figure, table, markup)


def _errors_table(parity: Sequence[Parity]) -> str:
    """Return the mean absolute errors as a table, a row a quantity."""
    rows = []
    for quantity in dict.fromkeys(one.quantity for one in parity):
        own = [one for one in parity if one.quantity == quantity]
        errors = "; ".join(f"{one.name}: {one.mean_absolute_error:.3g}" for one in own)
        labels = f"{sum(one.n for one in own):,}"
        cells = (quantity, errors, own[0].unit, labels)
        rows.append("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>")
    head = "".join(
        f"<th scope=col>{name}</th>" for name in ("Quantity", "Mean absolute error", "Unit", "Labels")
    )
    return (
        "<div class=wide tabindex=0 role=region aria-label='Errors of the model'><table><thead><tr>"
        f"{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _left_out(names: Iterable[str]) -> str:
    rest = list(dict.fromkeys(names))[MOST_PANELS:]
    return f" In the csv alone: {', '.join(rest)}." if rest else ""
