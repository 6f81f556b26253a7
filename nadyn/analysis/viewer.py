"""The viewer of the report: a molecule that moves, its state over time, its energies, its hops."""

import html
from collections.abc import Sequence

from nadyn.analysis.thinning import thin
from nadyn.analysis.viewer_data import has_molecule, viewer_data
from nadyn.trajectory import Run

_MOLECULE = (
    "<div id=view-molecule tabindex=0 role=application aria-label='The molecule. Arrow keys turn it, plus "
    "and minus change its size, 0 shows all of it.'></div>"
    "<p id=view-no-molecule class=quiet hidden>This browser offers no WebGL, so the molecule cannot be "
    "drawn. States, energies and hops are shown, and geometries can be saved.</p>"
)
_SAVES = (
    "<button type=button id=view-save-geometry>Save geometry (xyz)</button>"
    "<button type=button id=view-save-trajectory>Save trajectory (xyz)</button>"
)


def viewer_scripts(run: Run) -> tuple[str, ...]:
    """Return the scripts that the viewer of a run needs."""
    return ("3Dmol-min.js", "viewer.js") if has_molecule(run) else ("viewer.js",)


def viewer(run: Run, *, also: Sequence[tuple[int, int]] = (), atoms: Run | None = None) -> str:
    """Return the viewer of a run with its data, as a section of the page.

    Args:
        run: The run.
        also: Moments that must be in it, by trajectory and frame.
        atoms: The same run with the geometries of a molecule, where its own coordinates are others.
    """
    seen = run if atoms is None else atoms
    shown = thin(seen, also=also)
    molecule = has_molecule(seen)
    return (
        "<section id=trajectories><h2>Trajectories</h2>"
        f"<p class=quiet>{html.escape(shown.sentence)}</p>"
        "<noscript><p class=quiet>The viewer needs JavaScript, which is turned off here.</p></noscript>"
        "<div class='js viewer'><div class=controls>"
        "<label>Ended as <select id=view-ended></select></label>"
        "<label>Trajectory <select id=view-trajectory></select></label>"
        "<button type=button id=view-previous aria-label='Previous trajectory'>‹</button>"
        "<button type=button id=view-next aria-label='Next trajectory'>›</button></div>"
        f"{_MOLECULE if molecule else ''}"
        "<p id=view-moment aria-live=polite></p>"
        "<div class=controls><button type=button id=view-play>Play</button>"
        f"<span id=view-stops class=controls></span>{_SAVES if molecule else ''}</div>"
        "<div id=view-course><svg id=view-energies viewBox='0 0 1000 130' preserveAspectRatio=none role=img "
        "aria-label='Energies of the states along the trajectory'></svg>"
        "<div id=view-bar role=img aria-label='State over time'></div>"
        "<input type=range id=view-time min=0 max=0 value=0 step=1 aria-label=Time>"
        "<div class=axis><span>0 fs</span><span id=view-energy-range></span><span id=view-end></span></div>"
        "<div id=view-legend class=legend></div></div>"
        f"</div>{viewer_data(run, shown, seen)}</section>"
    )
