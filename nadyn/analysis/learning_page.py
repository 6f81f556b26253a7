"""The page of a learning loop, under way or ended: how far it is, what was asked and why, what it cost."""

import html
import re
from collections.abc import Mapping
from pathlib import Path

import yaml
from matplotlib.figure import Figure

from nadyn.analysis.belief import belief_html, belief_rows
from nadyn.analysis.learning_record import LearningRecord, RoundRecord, read_record
from nadyn.analysis.member_summary import population_numbers
from nadyn.analysis.members import open_members
from nadyn.analysis.members_page import WORDS
from nadyn.analysis.page_parts import figure_html, page_of
from nadyn.analysis.plots_learning import (
    asked_figure,
    costs_figure,
    endings_figure,
    errors_figure,
    members_figure,
)
from nadyn.analysis.plots_members import two_errors_figure
from nadyn.analysis.sections import Section
from nadyn.analysis.sections_of_training import training_sections
from nadyn.checks.counts import counted
from nadyn.checks.output import write_new
from nadyn.trajectory import open_run

PAGE = "report.html"
_NUMBER = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)(?![\w])")
_MARKS = {True: "reached", False: "not yet", None: "cannot be told"}


def learning_page(folder: str | Path) -> Path:
    """Write `report.html` into the folder of a learning loop and return where it is.

    Args:
        folder: That of `nadyn learn`, with `learning.json`.

    Raises:
        InputError: It holds no record of a learning loop.
        RunError: The disk is full.
    """
    folder = Path(folder)
    record = read_record(folder)
    page = folder / PAGE
    write_new(page, _page(folder, record))
    return page


def _page(folder: Path, record: LearningRecord) -> str:
    title = html.escape(record.title)
    parts = [
        f"<header><p class=kicker>nadyn learn</p><h1>{title}</h1>",
        f"<p class=lead>{html.escape(record.verdict)}</p></header>",
        "<section class=cards aria-label='Key numbers'>",
        *_cards(record),
        "</section>",
        *_figures(folder, record),
        _answers(record),
        _untrusted(record),
        _learn_file(record),
    ]
    return page_of(record.title, parts, program="nadyn learn")


def _cards(record: LearningRecord) -> list[str]:
    asked = [one for r in record.rounds for one in r.asked]
    trusted = sum(one.trusted for one in asked)
    untrusted = sum(one.doubtful + one.failed for one in asked)
    minutes = sum(sum(r.seconds.values()) for r in record.rounds) / 60.0
    cards = [
        _card("Labels", str(trusted + untrusted), f"{trusted} trusted, {untrusted} not"),
        _card("Time", f"{minutes:.0f} min", f"{counted(len(record.rounds) - 1, 'round')} so far"),
    ]
    last = _last(record)
    if last is not None:
        n, results = sum(one.n for one in last.swarms), sum(one.n_results for one in last.swarms)
        # As the question counts: those outside of the method stand apart.
        n -= last.outside_method
        outside = f"; {last.outside_method} outside of the method" if last.outside_method else ""
        goal = f"goal {100 * record.goals['ended']:g} %{outside}"
        cards.append(_card("Trajectories that end as results", f"{100 * results / max(n, 1):.1f} %", goal))
        if last.fresh is not None:
            fresh = last.fresh
            detail = f"{fresh.force_ev_per_angstrom:.2f} eV/Å; {fresh.n} labels at random, new to the models"
            cards.append(_card("Error of fresh labels", f"{fresh.energy_ev:.3f} eV", detail))
    return cards


def _card(name: str, value: str, detail: str) -> str:
    return (
        f"<div class=card><p class=name>{html.escape(name)}</p><p class=value>{html.escape(value)}</p>"
        f"<p class=detail>{html.escape(detail)}</p></div>"
    )


def _last(record: LearningRecord) -> RoundRecord | None:
    return next((one for one in reversed(record.rounds) if one.swarms), None)


def _figures(folder: Path, record: LearningRecord) -> list[str]:
    rounds, last = record.rounds, _last(record)
    found: list[str] = []
    if last is not None:
        ran = [one for one in rounds if one.swarms and one.number < last.number]
        words = (
            "The same starts and the same random numbers on every member. Means over those not stopped. "
            "Where the lines part, the models do not know the answer."
        )
        figure = members_figure(folder, last, ran[-1] if ran else None)
        found.append(_figure("members", "Populations by member", words, figure))
        found += _two_errors(folder, last)
        found.append(belief_html(belief_rows(_runs(folder, last))))
        words = "How the trajectories of each round ended. Dashed: the goal for those that are results."
        found.append(_figure("endings", "Endings", words, endings_figure(rounds, record.goals)))
        found += [figure_html(one) for one in training_sections(open_run(_runs(folder, last)[0]))]
    if any(one.fresh is not None for one in rounds):
        words = (
            "Mean absolute errors of labels at random places of the trajectories, made after the models of "
            "the round: none of them has seen these. Bars: 95 % intervals. Dashed: goals."
        )
        found.append(_figure("errors", "Errors of fresh labels", words, errors_figure(rounds, record.goals)))
    words = (
        "Random: they judge the models. Doubt: where trajectories went on after an objection. Crossing: at "
        "the lowest crossings of the models. Gap: at small gaps between states. Stop: where trajectories "
        "were stopped. Steps between those of direct trajectories that train are labels too."
    )
    found.append(_figure("asked", "What was asked for", words, asked_figure(rounds)))
    found.append(_figure("costs", "What it cost", "Time by the clock.", costs_figure(rounds)))
    return found


def _two_errors(folder: Path, last: RoundRecord) -> list[str]:
    """Return the mean over the members with two error bars; nothing where fewer than two have run."""
    runs = _runs(folder, last)
    if len(runs) < 2 or any(open_run(run).energy_spread is None for run in runs):
        return []
    numbers = population_numbers(open_members(runs))
    words = WORDS if numbers["more"] is None else f"{WORDS} {numbers['more']['sentence']}"
    return [_figure("two_errors", "Populations with two error bars", words, two_errors_figure(numbers))]


def _runs(folder: Path, last: RoundRecord) -> list[Path]:
    return [folder / f"round_{last.number:02d}" / one.run for one in last.swarms]


def _figure(name: str, title: str, caption: str, figure: Figure) -> str:
    return figure_html(Section(name, title, caption, figure))


def _answers(record: LearningRecord) -> str:
    rows = []
    for one in reversed(record.rounds):
        name = f"{one.number}, last models" if one.final else str(one.number)
        for answer in one.answers:
            cells = (name, answer.question, _MARKS[answer.reached], answer.sentence)
            rows.append("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>")
            name = ""
    if not rows:
        return ""
    head = "<tr><th>Round</th><th>Question</th><th>Goal</th><th>Answer</th></tr>"
    return f"<section><h2>The questions of each round</h2><table>{head}{''.join(rows)}</table></section>"


def _untrusted(record: LearningRecord) -> str:
    reasons: dict[str, int] = {}
    for asked in (one for r in record.rounds for one in r.asked):
        for reason, count in asked.reasons.items():
            reasons[reason] = reasons.get(reason, 0) + count
    if not reasons:
        return ""
    rows = "".join(
        f"<tr><td>{count}</td><td>{html.escape(reason)}</td></tr>" for reason, count in _alike(reasons)[:20]
    )
    head = "<tr><th>Labels</th><th>Why they are not trusted</th></tr>"
    return f"<section><h2>Labels that do not train</h2><table>{head}{rows}</table></section>"


def _alike(reasons: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return reasons with their counts, the most frequent first; those that differ in numbers alone are one,
    with the range of each number."""
    found: dict[tuple[str, ...], list[tuple[list[str], int]]] = {}
    for reason, count in reasons.items():
        parts = _NUMBER.split(reason)
        found.setdefault(tuple(parts[::2]), []).append((parts[1::2], count))
    merged = []
    for words, entries in found.items():
        columns = zip(*(values for values, _ in entries), strict=True)
        ranges = [sorted(set(column), key=float) for column in columns]
        numbers = [one[0] if len(one) == 1 else f"{one[0]} to {one[-1]}" for one in ranges]
        text = words[0] + "".join(a + b for a, b in zip(numbers, words[1:], strict=True))
        merged.append((text, sum(count for _, count in entries)))
    return sorted(merged, key=lambda item: (-item[1], item[0]))


def _learn_file(record: LearningRecord) -> str:
    text = yaml.safe_dump(record.config, sort_keys=False, allow_unicode=True)
    return f"<section><h2>The learn file</h2><pre>{html.escape(text)}</pre></section>"
