"""The report: one HTML page that needs nothing else, for the screen in light or dark and for paper."""

import html
import platform
import shlex
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np

from nadyn import __version__
from nadyn.analysis.answer import answer
from nadyn.analysis.belief import belief_html, belief_rows
from nadyn.analysis.beside import Beside, differences, read_beside
from nadyn.analysis.diagnostics import diagnose
from nadyn.analysis.geometry import check_has_atoms, read_quantity
from nadyn.analysis.joined import open_runs_as_one
from nadyn.analysis.key_numbers import key_numbers, note_on_settled, note_on_stopped, sentence_on_method
from nadyn.analysis.light import Light
from nadyn.analysis.lights import lights_html, linked_trajectories
from nadyn.analysis.mode_activity import NormalModes
from nadyn.analysis.page_parts import card, figure_html, page_of, what_was_run, with_code
from nadyn.analysis.sections import Section, sections
from nadyn.analysis.sections_of_hops import hop_groups
from nadyn.analysis.summary import summarise
from nadyn.analysis.typesetting import typeset
from nadyn.analysis.viewer import viewer, viewer_scripts
from nadyn.checks.counts import counted
from nadyn.checks.output import check_output, write_new
from nadyn.structures import formula
from nadyn.trajectory import Run, digest


def report(
    path: str | Path,
    output: str | Path,
    *more: str | Path,
    beside: str | Path | None = None,
    beside_name: str | None = None,
    crossings: str | Path | None = None,
    coordinates: Sequence[str] = (),
    modes: NormalModes | None = None,
    atoms: Run | None = None,
    light: Light | None = None,
    believe: float = 1.0,
) -> Path:
    """Write the report of a run, finished or not, or of several of one model as one; return where it is.

    Args:
        path: The trajectory file.
        output: The page.
        more: Other runs of the same model, see `nadyn.analysis.joined`.
        beside: JSON of `nadyn analyse` of another run of as many states, such as a reference on other
            surfaces: its populations and products stand beside those of this run.
        beside_name: What that run is, as a legend says it.
        crossings: Conical intersections that `nadyn intersect` found (its folder, or .xyz): hops are said to
            be how far from them.
        coordinates: Internal coordinates to show, with their distributions, such as `dihedral 0 1 2 3`,
            instead of the automatic choice.
        modes: Normal modes of the molecule whose activity to show.
        atoms: The same run with the geometries of a molecule, where its own coordinates are others.
        light: What the model of the run says of light along it.
        believe: How far a committee is believed, see `nadyn.trajectory.judged`.

    Raises:
        InputError: `path` is no trajectory file with a frame, `output` is a folder, or its folder does not
            exist or cannot be written to; or `beside` or `crossings` is no such file.
        RunError: The disk is full.
    """
    output = Path(output)
    check_output(output, overwrite=True)
    run = open_runs_as_one([path, *more], believe=believe)
    seen = run if atoms is None else atoms
    other = None if beside is None else read_beside(beside, n_states=run.n_states, name=beside_name)
    followed = [read_quantity(text, seen.positions.shape[2]) for text in coordinates]
    check_has_atoms(seen, followed)
    groups = hop_groups(seen, crossings)
    numbers = summarise(run, atoms=seen)
    words = ["nadyn", "report", *map(str, (path, *more)), "--output", str(output)]
    words += [] if beside is None else ["--beside", str(beside)]
    words += [] if beside_name is None else ["--beside-name", beside_name]
    words += [] if crossings is None else ["--crossings", str(crossings)]
    digests = ", ".join(map(digest, (path, *more)))
    words += [word for text in coordinates for word in ("--coordinate", text)]
    words += [] if modes is None else ["--modes", modes.name]
    words += _file_of(light)
    words += [] if believe == 1.0 else ["--believe", f"{believe:g}"]
    believed = belief_html(belief_rows((path, *more)))
    figures = sections(run, numbers, other, groups, followed, modes, atoms=seen, light=light)
    shown = viewer(run, also=groups.moments, atoms=seen)
    write_new(output, _page(run, seen, numbers, figures, shown, shlex.join(words), digests, other, believed))
    return output


def _file_of(light: Light | None) -> list[str]:
    """Return the option that names the file of an absorption."""
    if light is None or light.absorption is None or light.absorption.file is None:
        return []
    return ["--absorption", str(light.absorption.file)]


def _page(
    run: Run,
    seen: Run,
    numbers: dict[str, object],
    figures: list[Section],
    shown: str,
    command: str,
    digests: str,
    other: Beside | None,
    believed: str,
) -> str:
    title = _title(seen)
    parts = [
        f"<header><p class=kicker>nadyn report</p><h1>{html.escape(title)}</h1>",
        f"<p class=lead>{html.escape(_lead(run, numbers))}</p></header>",
        _answer(run, numbers),
        _notes(run, numbers, other),
        "<section class=cards aria-label='Key numbers'>",
        *(card(number) for number in key_numbers(run, numbers, other)),
        "</section>",
        believed,
        shown,
        *(figure_html(section) for section in figures),
        lights_html(diagnose(run)),
        _stopped(run, numbers),
        what_was_run(run.config),
        _provenance(run, command, digests),
    ]
    return page_of(title, parts, scripts=viewer_scripts(seen))


def _answer(run: Run, numbers: dict[str, object]) -> str:
    # A number and its unit stay on one line.
    told = (sentence.replace(" %", "\u00a0%").replace(" fs", "\u00a0fs") for sentence in answer(run, numbers))
    paragraphs = "".join(f"<p>{html.escape(sentence)}</p>" for sentence in told)
    return f"<section class=answer id=answer aria-label='The answer'>{paragraphs}</section>"


def _title(run: Run) -> str:
    name = Path(str(run.attributes["model_name"])).stem
    what = {
        "fssh": "surface hopping",
        "nve": "dynamics at constant energy",
        "nvt": "dynamics at constant temperature",
    }
    method = str(run.attributes["method"])
    if run.atomic_numbers is not None:
        molecule = formula(run.atomic_numbers, run.masses)
        name = typeset(molecule) if name == molecule else f"{name} ({typeset(molecule)})"
    return f"{name}: {what.get(method, method)}"


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
    notes += [note for note in (note_on_stopped(run, numbers), note_on_settled(numbers)) if note]
    notes += [] if other is None else differences(run, other)
    if not notes:
        return ""
    items = "".join(f"<li>{with_code(note)}</li>" for note in notes)
    return f"<aside class=notes role=note><strong>To be noted</strong><ul>{items}</ul></aside>"


def _stopped(run: Run, numbers: dict[str, object]) -> str:
    if not numbers["n_stopped"]:
        return ""
    advice = {run.status_names[code]: text for code, text in run.status_advice.items()}
    rows = []
    for reason, count in numbers["n_stopped"].items():
        which = [t for t, code in enumerate(run.status.tolist()) if run.status_names[code] == reason]
        rows.append(
            f"<tr><td>{html.escape(reason.replace('_', ' '))}</td><td>{count}</td>"
            f"<td>{linked_trajectories(which)}</td><td>{with_code(advice.get(reason, ''))}</td></tr>"
        )
    head = "".join(f"<th scope=col>{name}</th>" for name in ("Reason", "Number", "Trajectories", "Advice"))
    return (
        "<section id=stopped><h2>Stopped trajectories</h2><div class=wide tabindex=0 role=region "
        f"aria-label='Stopped trajectories'><table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}"
        "</tbody></table></div></section>"
    )


def _provenance(run: Run, command: str, digests: str) -> str:
    """Return what it takes to make the run and this page again: commands, versions, digests."""
    timings = ", ".join(
        f"{name} {value:.4g}" for name, value in run.timings.items() if isinstance(value, int | float)
    )
    rows = {
        "File": ", ".join(run.attributes.get("files", [run.path.name])),
        "Digest": digests,
        "Model": str(run.attributes["model_name"]),
        "Model digest": str(run.attributes["model_digest"]),
        "The run": f"nadyn run run.yaml, with what is under “What was run” as run.yaml, by nadyn "
        f"{run.attributes['nadyn_version']}",
        "This page": f"{command}, by nadyn {__version__}, Python {platform.python_version()}, NumPy "
        f"{np.__version__}, Matplotlib {matplotlib.__version__}",
        "Date": str(run.attributes["date"]),
        "Machine": str(run.attributes["host"]),
        "Timings": timings,
        "Molecules": ""
        if "3Dmol-min.js" not in viewer_scripts(run)
        else "3Dmol.js 2.5.5, N. Rego and D. Koes, "
        "Bioinformatics 31, 1322 (2015); its licence (BSD-3-Clause) stands in this page",
    }
    lines = [
        f"<tr><th scope=row>{name}</th><td>{html.escape(value)}</td></tr>"
        for name, value in rows.items()
        if value
    ]
    return f"<section id=provenance><h2>Provenance</h2><table class=plain>{''.join(lines)}</table></section>"


def _seeds(run: Run) -> str:
    """Return the seed of a run, or those of several that were joined."""
    seeds = run.config.get("seed", run.attributes["seed"])
    return ", ".join(map(str, seeds)) if isinstance(seeds, list) else str(seeds)
