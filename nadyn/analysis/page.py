"""The report: one HTML page that needs nothing else, for the screen in light or dark and for paper."""

import html
import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import yaml
from matplotlib.figure import Figure

from nadyn.analysis.beside import Beside, differences, read_beside
from nadyn.analysis.joined import open_runs_as_one
from nadyn.analysis.key_numbers import KeyNumber, key_numbers, note_on_stopped, sentence_on_method
from nadyn.analysis.page_style import STYLE
from nadyn.analysis.plots_style import COLOURS, INK
from nadyn.analysis.sections import Section, sections
from nadyn.analysis.summary import summarise
from nadyn.checks.counts import counted
from nadyn.checks.output import check_output, write_new
from nadyn.structures import formula
from nadyn.trajectory import Run, digest

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_SVG = {"svg.fonttype": "none", "svg.hashsalt": "nadyn", "figure.dpi": 144}


def report(
    path: str | Path,
    output: str | Path,
    *more: str | Path,
    beside: str | Path | None = None,
    beside_name: str | None = None,
) -> Path:
    """Write the report of a run, finished or not, or of several of one model as one; return where it is.

    Args:
        path: The trajectory file.
        output: The page.
        more: Other runs of the same model, see `nadyn.analysis.joined`.
        beside: JSON of `nadyn analyse` of another run of as many states, such as a reference on other
            surfaces: its populations and products stand beside those of this run.
        beside_name: What that run is, as a legend says it.

    Raises:
        InputError: `path` is no trajectory file with a frame, `output` is a folder, or its folder does not
            exist or cannot be written to; or `beside` is no such JSON.
        RunError: The disk is full.
    """
    output = Path(output)
    check_output(output, overwrite=True)
    run = open_runs_as_one([path, *more])
    other = None if beside is None else read_beside(beside, n_states=run.n_states, name=beside_name)
    numbers = summarise(run)
    write_new(
        output,
        _page(run, numbers, sections(run, numbers, other), ", ".join(map(digest, (path, *more))), other),
    )
    return output


def _page(
    run: Run, numbers: dict[str, object], figures: list[Section], file_digest: str, other: Beside | None
) -> str:
    title = _title(run)
    parts = [
        f"<header><p class=kicker>nadyn report</p><h1>{html.escape(title)}</h1>",
        f"<p class=lead>{html.escape(_lead(run, numbers))}</p></header>",
        _notes(run, numbers, other),
        "<section class=cards aria-label='Key numbers'>",
        *(card(number) for number in key_numbers(run, numbers, other)),
        "</section>",
        *(figure_html(section) for section in figures),
        _stopped(run, numbers),
        what_was_run(run.config),
        _versions(run, file_digest),
    ]
    return page_of(title, parts)


def page_of(title: str, parts: Sequence[str], *, program: str = "nadyn") -> str:
    """Return a whole page from its parts.

    Args:
        title: As text, not markup.
        parts: Markup.
        program: What made the page, for its title.
    """
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{html.escape(title)} · {program}</title><style>{STYLE}</style></head><body><main>",
            *(part for part in parts if part),
            "</main></body></html>",
        ]
    )


def _title(run: Run) -> str:
    name = Path(str(run.attributes["model_name"])).stem
    what = {
        "fssh": "surface hopping",
        "nve": "dynamics at constant energy",
        "nvt": "dynamics at constant temperature",
    }
    method = str(run.attributes["method"])
    molecule = "" if run.atomic_numbers is None else f" ({typeset(formula(run.atomic_numbers, run.masses))})"
    return f"{name}{molecule}: {what.get(method, method)}"


def typeset(text: str) -> str:
    """Return a formula with its counts as subscripts and mass numbers as superscripts: CHD₃, ¹³CH₄."""
    pieces = re.split(r"\[(\d+)\]", text)
    pieces[::2] = [piece.translate(_SUBSCRIPTS) for piece in pieces[::2]]
    pieces[1::2] = [piece.translate(_SUPERSCRIPTS) for piece in pieces[1::2]]
    return "".join(pieces)


def _lead(run: Run, numbers: dict[str, object]) -> str:
    words = (
        f"{counted(run.n_trajectories, 'trajectory')} on {counted(run.n_states, 'state')} over "
        f"{run.time_fs[-1]:.4g} fs, seed {_seeds(run)}."
    )
    if numbers["n_running"]:
        words += (
            f" The run is not finished: {counted(numbers['n_running'], 'trajectory')} at step {run.step}."
        )
    return " ".join(filter(None, (words, sentence_on_method(numbers))))


def _notes(run: Run, numbers: dict[str, object], other: Beside | None) -> str:
    notes = [str(note) for note in run.attributes["warnings"]]
    if numbers["n_stopped"]:
        total = sum(numbers["n_stopped"].values())
        notes.append(
            f"{total} of {run.n_trajectories} trajectories stopped early; see below for reasons and advice."
        )
    notes += [note_on_stopped(run, numbers)] if note_on_stopped(run, numbers) else []
    notes += [] if other is None else differences(run, other)
    if not notes:
        return ""
    items = "".join(f"<li>{html.escape(note)}</li>" for note in notes)
    return f"<aside class=notes role=note><strong>To be noted</strong><ul>{items}</ul></aside>"


def card(number: KeyNumber) -> str:
    """Return a key number as a card."""
    return (
        f"<div class=card><p class=name>{html.escape(number.name)}</p>"
        f"<p class=value>{html.escape(number.value)}<span class=unit>{html.escape(number.unit)}</span></p>"
        f"<p class=detail>{html.escape(number.detail)}</p></div>"
    )


def figure_html(section: Section) -> str:
    """Return a figure with its heading and words."""
    alternative = html.escape(f"{section.title}. {section.caption}", quote=True)
    return (
        f'<figure id="{section.name}"><h2>{html.escape(section.title)}</h2>'
        f'<div class=plot role=img aria-label="{alternative}">{svg(section.figure)}</div>'
        f"<figcaption>{html.escape(section.caption)}</figcaption></figure>"
    )


def svg(figure: Figure) -> str:
    """Return a figure as SVG to stand inside a page, whose style sets the colours of ink and states."""
    buffer = io.StringIO()
    with matplotlib.rc_context(_SVG):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :].replace(INK, "currentColor").replace(' target="_blank"', "")
    for k, colour in enumerate(COLOURS):
        text = text.replace(colour.lower(), f"var(--state-{k}, {colour})")
    return text


def _stopped(run: Run, numbers: dict[str, object]) -> str:
    if not numbers["n_stopped"]:
        return ""
    advice = {run.status_names[code]: text for code, text in run.status_advice.items()}
    rows = []
    for reason, count in numbers["n_stopped"].items():
        which = [t for t, code in enumerate(run.status.tolist()) if run.status_names[code] == reason]
        listed = ", ".join(str(t) for t in which[:12]) + (", …" if len(which) > 12 else "")
        cells = (reason.replace("_", " "), str(count), listed, advice.get(reason, ""))
        rows.append("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>")
    head = "<tr><th>Reason</th><th>Number</th><th>Trajectories</th><th>Advice</th></tr>"
    return f"<section><h2>Stopped trajectories</h2><table>{head}{''.join(rows)}</table></section>"


def what_was_run(config: Mapping[str, object]) -> str:
    """Return a run file as a section."""
    text = yaml.safe_dump(json.loads(json.dumps(dict(config))), sort_keys=False, allow_unicode=True)
    return f"<section><h2>What was run</h2><pre>{html.escape(text)}</pre></section>"


def _versions(run: Run, file_digest: str) -> str:
    timings = ", ".join(
        f"{name} {value:.4g}" for name, value in run.timings.items() if isinstance(value, int | float)
    )
    rows = {
        "File": ", ".join(run.attributes.get("files", [run.path.name])),
        "Digest": file_digest,
        "Model": str(run.attributes["model_name"]),
        "Model digest": str(run.attributes["model_digest"]),
        "nadyn": str(run.attributes["nadyn_version"]),
        "Date": str(run.attributes["date"]),
        "Machine": str(run.attributes["host"]),
        "Timings": timings,
    }
    lines = [
        f"<tr><th>{name}</th><td>{html.escape(value)}</td></tr>" for name, value in rows.items() if value
    ]
    return f"<section><h2>Provenance</h2><table class=plain>{''.join(lines)}</table></section>"


def _seeds(run: Run) -> str:
    """Return the seed of a run, or those of several that were joined."""
    seeds = run.config.get("seed", run.attributes["seed"])
    return ", ".join(map(str, seeds)) if isinstance(seeds, list) else str(seeds)
