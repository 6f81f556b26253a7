"""The page of the runs of a committee: populations with two error bars, and what would make them smaller."""

import html
from collections.abc import Sequence
from pathlib import Path

from nadyn.analysis.belief import belief_html, belief_rows
from nadyn.analysis.key_numbers import note_on_settled
from nadyn.analysis.member_key_numbers import member_key_numbers, sentence_on_pairs
from nadyn.analysis.member_summary import summarise_members
from nadyn.analysis.members import Members, open_members
from nadyn.analysis.page_parts import card, figure_html, page_of, what_was_run
from nadyn.analysis.plots_members import member_yields_figure, two_errors_figure
from nadyn.analysis.sections import Section
from nadyn.analysis.sections_of_training import training_sections
from nadyn.analysis.typesetting import typeset
from nadyn.checks.output import check_output, write_new
from nadyn.structures import formula

WORDS = (
    "Means over the members, each of which is a thin line. Inner bands: 95 % from the finite number of "
    "trajectories. Outer bands: 95 % from everything, the spread between members and whatever became of "
    "stopped trajectories included."
)


def members_report(paths: Sequence[str | Path], output: str | Path, *, believe: float = 1.0) -> Path:
    """Write the page of several runs of one committee and return where it is.

    Args:
        paths: Trajectory files of different members.
        output: The page.
        believe: How far the committee is believed, see `nadyn.trajectory.judged`.

    Raises:
        InputError: As `open_members`, or the page cannot be written there.
        RunError: The disk is full.
    """
    output = Path(output)
    check_output(output, overwrite=True)
    members = open_members(paths, believe=believe)
    numbers = summarise_members(members)
    write_new(output, _page(members, numbers, belief_html(belief_rows(paths))))
    return output


def _page(members: Members, numbers: dict[str, object], believed: str) -> str:
    run = members.runs[0]
    name = Path(str(run.attributes["model_name"])).stem
    if run.atomic_numbers is not None:
        molecule = formula(run.atomic_numbers, run.masses)
        name = typeset(molecule) if name == molecule else f"{name} ({typeset(molecule)})"
    title = f"{name}: {len(members.runs)} members of a committee"
    figures = [Section("populations", "Populations", WORDS, two_errors_figure(numbers))]
    if "products" in numbers:
        words = (
            "Means over the members at the end of the trajectories. Broad bars: 95 % from the finite number "
            "of trajectories; thin ones: from everything; strokes: the members."
        )
        figures.append(Section("products", "Products", words, member_yields_figure(numbers["products"])))
    sections = [
        f"<header><p class=kicker>nadyn report</p><h1>{html.escape(title)}</h1>",
        f"<p class=lead>{html.escape(sentence_on_pairs(numbers))}</p></header>",
        _settled(numbers),
        more_note(numbers),
        "<section class=cards aria-label='Key numbers'>",
        *(card(number) for number in member_key_numbers(numbers)),
        "</section>",
        believed,
        *(figure_html(section) for section in figures),
        *(figure_html(section) for section in training_sections(run)),
        _members(members, numbers),
        what_was_run(numbers["run"]),
    ]
    return page_of(title, sections)


def _settled(numbers: dict[str, object]) -> str:
    note = html.escape(note_on_settled(numbers))
    return f"<aside class=notes role=note><strong>Take note</strong><p>{note}</p></aside>" if note else ""


def more_note(numbers: dict[str, object]) -> str:
    """Return the sentence on what would help, as a note; empty if there is none."""
    if numbers["more"] is None:
        return ""
    sentence = html.escape(numbers["more"]["sentence"])
    return f"<aside class=notes role=note><strong>What would help</strong><p>{sentence}</p></aside>"


def _members(members: Members, numbers: dict[str, object]) -> str:
    n_states = len(numbers["populations"][-1])
    when = f"{numbers['time_fs'][-1]:.4g} fs"
    head = ["Member", "Run", "Trajectories", "Finished", "Stopped"]
    head += [f"State {k} at {when}" for k in range(n_states)]
    rows = []
    for one in numbers["members"]:
        stops = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in one["n_stopped"].items())
        cells = [
            str(one["member"]),
            one["run"],
            str(one["n_trajectories"]),
            str(one["n_finished"]),
            stops or "none",
        ]
        cells += ["—" if value is None else f"{value:.3f}" for value in one["populations"][-1]]
        rows.append("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>")
    heads = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    digest = html.escape(str(members.runs[0].attributes["model_digest"]))
    return (
        f"<section><h2>Members</h2><div class=wide><table><tr>{heads}</tr>{''.join(rows)}</table></div>"
        f"<p class=digest>Model digest {digest}</p></section>"
    )
