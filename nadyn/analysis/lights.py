"""Diagnostics as traffic lights: what was looked at, what was found, and the trajectories behind it."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from nadyn.analysis.moments import moment

Verdict = Literal["good", "doubtful", "bad", "unknown"]
# A shape beside each colour: not all eyes, and no printer without colour, can tell colours apart.
_SIGNS: dict[str, str] = {"good": "●", "doubtful": "▲", "bad": "■", "unknown": "○"}
_MOST_LISTED = 12


@dataclass(frozen=True)
class Light:
    """One diagnostic.

    Attributes:
        name: What was looked at.
        verdict: What was found.
        sentence: The same in words, with numbers and the limit that they are held against.
        trajectories: Those behind a verdict that is not good, the worst first.
    """

    name: str
    verdict: Verdict
    sentence: str
    trajectories: tuple[int, ...] = ()


def lights_html(lights: Sequence[Light]) -> str:
    """Return lights as a section of the page, empty without any."""
    if not lights:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{html.escape(light.name)}</th>'
        f"<td class=light><span class={light.verdict}><span aria-hidden=true>{_SIGNS[light.verdict]}</span> "
        f"{light.verdict}</span></td><td>{html.escape(light.sentence)}</td>"
        f"<td>{linked_trajectories(light.trajectories)}</td></tr>"
        for light in lights
    )
    head = "".join(
        f'<th scope="col">{name}</th>' for name in ("Diagnostic", "Verdict", "Found", "Trajectories")
    )
    return (
        "<section id=diagnostics><h2>Diagnostics</h2><div class=wide tabindex=0 role=region "
        f"aria-label=Diagnostics><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def linked_trajectories(trajectories: Sequence[int]) -> str:
    """Return numbers of trajectories that lead to them in the viewer: the first ones, and how many more."""
    shown = ", ".join(f'<a href="{moment(t)}">{int(t)}</a>' for t in trajectories[:_MOST_LISTED])
    more = len(trajectories) - _MOST_LISTED
    return shown + (f" and {more} more" if more > 0 else "")
