"""Sections of a report on light: absorption and what was excited, transient absorption, dipole, emission."""

import numpy as np

from nadyn.analysis.fates import ended_as_asked, stopped
from nadyn.analysis.light import (
    WIDTH_EV,
    Absorption,
    Light,
    Transient,
    dipole_and_emission,
    transient_absorption,
)
from nadyn.analysis.occupations import occupations
from nadyn.analysis.plots_light import dipole_figure, transient_figure
from nadyn.analysis.plots_spectra import absorption_figure
from nadyn.analysis.section import Section
from nadyn.analysis.section_tables import Table
from nadyn.trajectory import Run


def light_sections(run: Run, light: Light | None) -> list[Section]:
    """Return what light would see of a run; nothing without a model that knows dipoles."""
    if light is None:
        return []
    found = [] if light.absorption is None else [_absorption(light.absorption)]
    if not len(light.frames):
        return found
    seen = _which(run, light)
    excited = is_excited(run)
    if excited:
        transient = transient_absorption(run, light)
        words = (
            "What a short pulse finds later minus what it would find without excitation: blue is "
            "less light than "
            "before (stimulated emission, and absorption that is missing), orange is more. Transitions are "
            f"Gaussians {WIDTH_EV:g} eV wide, among the {run.n_states} states of the run alone: "
            f"absorption to "
            f"higher ones is not in it. Right: cuts with 95 % intervals. {seen}"
        )
        found.append(
            Section(
                "transient",
                "Transient absorption",
                words,
                transient_figure(transient),
                transient_table(transient),
            )
        )
    columns = dipole_and_emission(run, light)
    time = run.time_fs[light.frames]
    words = "Size of the dipole of the state that is occupied"
    words += ", and the rate at which molecules emit light by themselves" * excited
    words += f"; means over the trajectories that are known, with 95 % intervals. {seen}"
    table = {"time_fs": time.tolist()} | {name: column.tolist() for name, column in columns.items()}
    figure = dipole_figure(time, columns, emits=excited)
    found.append(Section("dipole", "Dipole and emission" if excited else "Dipole", words, figure, table))
    return found


def is_excited(run: Run) -> bool:
    """Tell whether any trajectory has a share in a state above the lowest at any time."""
    return bool(occupations(run)[..., 1:].any())


def transient_table(found: Transient) -> Table:
    """Return a transient absorption with its parts, a row for each time and photon energy."""
    n_frames, n_energies = found.error.shape
    columns = {
        "time_fs": np.repeat(found.time_fs, n_energies).tolist(),
        "photon_energy_ev": np.tile(found.energies_ev, n_frames).tolist(),
        "difference_angstrom2": found.total.ravel().tolist(),
        "error_95_angstrom2": found.error.ravel().tolist(),
    }
    names = {name: f"{name.replace(' ', '_').replace('-', '_')}_angstrom2" for name in found.parts}
    return columns | {names[name]: part.ravel().tolist() for name, part in found.parts.items()}


def _absorption(found: Absorption) -> Section:
    words = f"Nuclear ensemble of {found.origin}."
    if found.window_ev is not None:
        words += f" Shaded: what was excited, {found.window_ev[0]:.2f} to {found.window_ev[1]:.2f} eV."
    figure = absorption_figure(
        found.energies_ev,
        found.cross_section,
        found.error,
        found.of_transitions,
        found.names,
        found.window_ev,
    )
    table = {
        "photon_energy_ev": found.energies_ev.tolist(),
        "cross_section_angstrom2": found.cross_section.tolist(),
        "error_95_angstrom2": found.error.tolist(),
    }
    table |= {
        f"of_{name}_angstrom2": part.tolist()
        for name, part in zip(found.names, found.of_transitions, strict=True)
    }
    return Section("absorption", "Absorption", words, figure, table)


def _which(run: Run, light: Light) -> str:
    words = [light.words] if light.words else []
    if not light.words and len(light.trajectories) < run.n_trajectories:
        words.append(f"Of {len(light.trajectories)} trajectories of {run.n_trajectories}, evenly chosen.")
    if (ended_as_asked(run) & ~run.alive()[-1]).any():
        words.append("Trajectories that came to a result before the end count on with their last geometry.")
    if stopped(run):
        words.append("Stopped ones count until they were stopped.")
    return " ".join(words)
