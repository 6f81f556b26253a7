"""Parts of a page: its frame, its figures, its cards, its tables."""

import base64
import hashlib
import html
import io
import json
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files

import matplotlib
import yaml
from matplotlib.figure import Figure

from nadyn.analysis.drawn_numbers import drawn_csv, table_csv
from nadyn.analysis.key_number import KeyNumber
from nadyn.analysis.packing import block
from nadyn.analysis.page_style import style
from nadyn.analysis.plots_style import COLOURS, INK
from nadyn.analysis.sections import Section

_SVG = {"svg.fonttype": "none", "svg.hashsalt": "nadyn", "figure.dpi": 144}
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; "
    "form-action 'none'; script-src {scripts}"
)


def page_file(name: str) -> str:
    """Return the text of a file that stands inside pages."""
    return files("nadyn.analysis").joinpath("page_files", name).read_text(encoding="utf-8")


def page_of(title: str, parts: Sequence[str], *, program: str = "nadyn", scripts: Sequence[str] = ()) -> str:
    """Return a whole page from its parts.

    A browser runs the scripts of the page alone, told by their digests, and lets nothing be loaded or sent:
    what a name in a file may hold cannot change that.

    Args:
        title: As text, not markup.
        parts: Markup.
        program: What made the page, for its title.
        scripts: Files of `page_files` to run after page.js, in this order.
    """
    codes = [page_file(name) for name in ("page.js", *scripts)]
    digests = [base64.b64encode(hashlib.sha256(code.encode()).digest()).decode() for code in codes]
    policy = _POLICY.format(scripts=" ".join(f"'sha256-{digest}'" for digest in digests))
    licences = page_file("LICENSE.3Dmol.txt").replace("--", "- -") if "3Dmol-min.js" in scripts else ""
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{html.escape(title)} · {program}</title><style>{style()}</style></head><body>",
            '<button type=button id=theme class="js theme" aria-pressed=false>Dark</button><main>',
            *(part for part in parts if part),
            "</main><div id=said role=status aria-live=polite></div>",
            *([f"<!--\n{licences}-->"] if licences else []),
            *(f"<script>{code}</script>" for code in codes),
            "</body></html>",
        ]
    )


def card(number: KeyNumber) -> str:
    """Return a key number as a card."""
    return (
        f"<div class=card><p class=name>{html.escape(number.name)}</p>"
        f"<p class=value>{html.escape(number.value)}<span class=unit>{html.escape(number.unit)}</span></p>"
        f"<p class=detail>{html.escape(number.detail)}</p></div>"
    )


def figure_html(section: Section) -> str:
    """Return a figure with its heading, its words, and buttons that save it and its numbers."""
    alternative = html.escape(f"{section.title}. {section.caption}", quote=True)
    drawn = svg(section.figure)
    # Points that lead somewhere must be within reach; other figures are one picture.
    leads = "<a " in drawn
    hint = "<p class='hint js'>A point leads to its geometry; with the keyboard: Tab, arrows, Enter.</p>"
    numbers = drawn_csv(section.figure) if section.table is None else table_csv(section.table)
    buttons = "".join(
        f'<button type=button data-save={kind} aria-label="Save {html.escape(section.title, quote=True)} as '
        f'{kind.upper()}">{kind.upper()}</button>'
        for kind in ("svg", "png", "csv")
    )
    return (
        f'<figure id="{section.name}"><h2>{html.escape(section.title)}</h2>'
        f'<div class=plot role={"group" if leads else "img"} aria-label="{alternative}" '
        f'style="--shape:{_shape(drawn)}"'
        f"{'' if leads else ' tabindex=0'}>{drawn}</div>"
        f"{hint if leads else ''}<figcaption>{html.escape(section.caption)}</figcaption>{section.markup}"
        f"<div class='save js'>Save as {buttons}</div>"
        f"{block(f'csv-{section.name}', numbers.encode())}</figure>"
    )


def svg(figure: Figure) -> str:
    """Return a figure as SVG to stand inside a page, whose style sets the colours of ink and states."""
    buffer = io.StringIO()
    with matplotlib.rc_context(_SVG):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :].replace(INK, "currentColor").replace(' target="_blank"', "")
    # Thousands of points: what stands between their marks is a good part of the page.
    text = re.sub(r"\n *", "\n", text)
    # Nothing refers to groups, and their names would come once a figure.
    text = re.sub(r'<g id="[^"]+">', "<g>", text)
    for k, colour in enumerate(COLOURS):
        text = re.sub(colour, f"var(--state-{k}, {colour})", text, flags=re.IGNORECASE)
    return text


def _shape(drawn: str) -> str:
    """Return width over height of an SVG."""
    width, height = re.search(r'viewBox="\S+ \S+ (\S+) (\S+)"', drawn).groups()
    return f"{width}/{height}"


def with_code(text: str) -> str:
    """Return a sentence as HTML, what stands between backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))


def _without_null(value: object) -> object:
    if not isinstance(value, dict):
        return value
    return {key: _without_null(one) for key, one in value.items() if one is not None}


def what_was_run(config: Mapping[str, object]) -> str:
    """Return a run file as a section, without its keys that say nothing: null is their default."""
    said = _without_null(json.loads(json.dumps(dict(config))))
    text = yaml.safe_dump(said, sort_keys=False, allow_unicode=True)
    return (
        "<section><h2>What was run</h2><pre tabindex=0 aria-label='The run file'>"
        f"{html.escape(text)}</pre></section>"
    )
