"""What `nadyn spectrum` computes and writes."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from rich.console import Console
from rich.table import Table

from nadyn.checks.counts import counted
from nadyn.checks.errors import InputError
from nadyn.checks.output import write_new
from nadyn.cli.tables import print_table
from nadyn.units import ELECTRONVOLT_PER_HARTREE, HARTREE_PER_EV, INVERSE_CM_PER_HARTREE

if TYPE_CHECKING:
    from nadyn.dynamics.spectra.excitation import Excitations
    from nadyn.models.model import Model
    from nadyn.trajectory.initial_conditions import InitialConditions

_POINTS = 1200
# The curve goes on for so many widths beyond the outermost line.
_BEYOND = 3.0
_LIGHTEST_EV = 0.01


@dataclass(frozen=True)
class Result:
    """A spectrum for the terminal and for files.

    Attributes:
        table: For the terminal.
        sentences: Below the table.
        columns: Names with units, and values, of the curve.
        plain: For JSON.
        draw: Makes the figure.
    """

    table: Table
    sentences: tuple[str, ...]
    columns: dict[str, Float[np.ndarray, "point"]]
    plain: dict[str, object]
    draw: Callable[[], object]


def absorption_result(
    model: "Model",
    *,
    state: int,
    initial: Path | None,
    n: int,
    temperature_kelvin: float,
    geometry: str | None,
    fwhm_ev: float,
    seed: int,
    window_ev: tuple[float, float] | None = None,
    starts: Path | None = None,
) -> Result:
    """Return the absorption of an ensemble of geometries, and write starts of those excited in a window."""
    from nadyn.analysis.multiplicities import state_names
    from nadyn.analysis.plots_spectra import absorption_figure
    from nadyn.dynamics.initial import InitialSection, sample
    from nadyn.dynamics.spectra.excitation import absorption, excitations
    from nadyn.electronic.state_spins import has_several_spins, known_multiplicities

    values = {"sample": "wigner", "n": n, "temperature_kelvin": temperature_kelvin, "minimise_state": state}
    values |= {} if geometry is None else {"geometry": geometry}
    section = InitialSection(**values) if initial is None else InitialSection(file=str(initial))
    start = sample(model, section, seed=seed)
    found = excitations(model, start.positions, from_state=state, weight=start.weight)
    if not (found.energies > 0).any():
        raise InputError(f"a state above {state} must be there to absorb into, but is not.")
    gaps_ev = found.energies * ELECTRONVOLT_PER_HARTREE
    low = max(_LIGHTEST_EV, float(gaps_ev[gaps_ev > 0].min()) - _BEYOND * fwhm_ev)
    energies_ev = np.linspace(low, float(gaps_ev.max()) + _BEYOND * fwhm_ev, _POINTS)
    curve = absorption(found, energies_ev * HARTREE_PER_EV, fwhm=fwhm_ev * HARTREE_PER_EV)
    more = ()
    if window_ev is not None:
        more = (_write_starts(starts, start, found, window_ev, seed),)
    called = [str(k) for k in range(model.n_states)]
    if has_several_spins(model):
        called = state_names(known_multiplicities(model))
    names = [f"{called[state]}-{called[k]}" for k in found.to_states]
    table = Table(title=f"excitations of {len(gaps_ev)} geometries", title_justify="left")
    for title in ("transition", r"energy \[eV]", "spread", "oscillator strength", "± (95 %)"):
        table.add_column(title, justify="right")
    for number, name in enumerate(names):
        strength = found.strengths[:, number] * found.weight
        error = 1.96 * strength.std(ddof=1) / np.sqrt(len(strength))
        mean = float(np.average(gaps_ev[:, number], weights=found.weight))
        spread = float(np.average((gaps_ev[:, number] - mean) ** 2, weights=found.weight)) ** 0.5
        table.add_row(name, f"{mean:.3f}", f"{spread:.3f}", f"{strength.mean():.5f}", f"{error:.5f}")
    highest = int(curve.cross_section.argmax())
    sentence = (
        f"highest at {energies_ev[highest]:.2f} eV: {curve.cross_section[highest]:.4f} ± "
        f"{curve.error[highest]:.4f} Å²"
    )
    columns = {
        "photon_energy_ev": energies_ev,
        "cross_section_angstrom2": curve.cross_section,
        "error_95_angstrom2": curve.error,
    }
    columns |= {f"of_{name}_angstrom2": part for name, part in zip(names, curve.of_transitions, strict=True)}
    plain = {
        "kind": "uv",
        "model": model.name,
        "origin": start.origin,
        "fwhm_ev": fwhm_ev,
        "transitions": names,
        "excitation_energies_ev": gaps_ev.tolist(),
        "oscillator_strengths": found.strengths.tolist(),
        "weights": found.weight.tolist(),
        "window_ev": None if window_ev is None else list(window_ev),
    }
    return Result(
        table,
        (*start.notices, sentence, *more),
        columns,
        plain,
        lambda: absorption_figure(
            energies_ev, curve.cross_section, curve.error, curve.of_transitions, names, window_ev
        ),
    )


def _write_starts(
    path: Path,
    start: "InitialConditions",
    found: "Excitations",
    window_ev: tuple[float, float],
    seed: int,
) -> str:
    """Write the starts that a window excites, and return a sentence about them."""
    from nadyn.dynamics.spectra.window import excited_in_window
    from nadyn.trajectory.initial_conditions import write_initial_conditions

    excited = excited_in_window(start, found, window_ev=window_ev, seed=seed)
    write_initial_conditions(path, excited)
    on = ", ".join(
        f"{number} on state {state}"
        for state, number in zip(*np.unique(excited.states, return_counts=True), strict=True)
    )
    return (
        f"{counted(len(excited.weight), 'start')} of {len(start.weight)} geometries excited by "
        f"{window_ev[0]:g} to {window_ev[1]:g} eV, {on}: wrote {path}"
    )


def harmonic_result(model: "Model", kind: str, *, state: int, geometry: str | None, fwhm_cm: float) -> Result:
    """Return the infrared or Raman spectrum of the vibrations about a minimum."""
    from nadyn.analysis.plots_spectra import vibrational_figure
    from nadyn.dynamics.initial import InitialSection
    from nadyn.dynamics.initial.hessian import in_double_precision
    from nadyn.dynamics.initial.oscillators import oscillators
    from nadyn.dynamics.spectra.vibrational import vibrational_spectrum
    from nadyn.electronic.properties import check_operator

    check_operator(model, {"ir": "dipole", "raman": "polarisability"}[kind])
    values = {"sample": "wigner", "n": 1, "minimise_state": state}
    section = InitialSection(**values | ({} if geometry is None else {"geometry": geometry}))
    found = oscillators(model, section)
    lines = vibrational_spectrum(in_double_precision(model), found.modes, state=state)
    wavenumbers = lines.frequencies * INVERSE_CM_PER_HARTREE
    intensities, unit = (lines.infrared, "km/mol") if kind == "ir" else (lines.raman, "Å⁴/u")
    title = {"ir": "infrared", "raman": "Raman"}[kind]
    table = Table(title=f"{title}, {len(wavenumbers)} harmonic vibrations", title_justify="left")
    heads = [r"wavenumber \[cm-1]", rf"intensity \[{unit}]", *(["depolarisation"] * (kind == "raman"))]
    for head in heads:
        table.add_column(head, justify="right")
    for mode, (wavenumber, intensity) in enumerate(zip(wavenumbers, intensities, strict=True)):
        more = [f"{lines.depolarisation[mode]:.3f}"] if kind == "raman" else []
        table.add_row(f"{wavenumber:.1f}", f"{intensity:.3f}", *more)
    at = np.linspace(0.0, float(wavenumbers.max()) + 20.0 * fwhm_cm, _POINTS * 4)
    half = 0.5 * fwhm_cm
    curve = (intensities * half / np.pi / ((at[:, None] - wavenumbers) ** 2 + half**2)).sum(axis=1)
    plain = {
        "kind": kind,
        "model": model.name,
        "origin": found.origin,
        "fwhm_cm": fwhm_cm,
        "wavenumbers_cm": wavenumbers.tolist(),
        {"ir": "intensities_km_per_mol", "raman": "activities_angstrom4_per_dalton"}[kind]: list(
            map(float, intensities)
        ),
    }
    if kind == "raman":
        plain["depolarisation_ratios"] = list(map(float, lines.depolarisation))
    name = {"ir": "absorption_km_per_mol_cm", "raman": "activity_angstrom4_per_dalton_cm"}[kind]
    return Result(
        table,
        (*found.warnings, f"at {found.origin}"),
        {"wavenumber_cm": at, name: curve},
        plain,
        lambda: vibrational_figure(
            at, curve, sticks=(wavenumbers, intensities), title=title, unit=f"{unit}/cm⁻¹"
        ),
    )


def run_result(model: "Model", paths: Sequence[Path], *, state: int, fwhm_cm: float) -> Result:
    """Return the infrared absorption of the dipoles along the trajectories of a run, or of several as one."""
    import torch

    from nadyn.analysis.energies import degrees_of_freedom
    from nadyn.analysis.joined import open_runs_as_one
    from nadyn.analysis.plots_spectra import vibrational_figure
    from nadyn.dynamics.spectra.correlation import infrared_of_dipoles
    from nadyn.electronic.properties import dipoles
    from nadyn.trajectory.trajectories import trajectories_of
    from nadyn.units import AU_PER_FEMTOSECOND, KELVIN_PER_HARTREE

    opened = open_runs_as_one(paths)
    run, path = trajectories_of(opened), opened.path
    if tuple(map(int, run.atomic_numbers)) != tuple(model.atomic_numbers):
        raise InputError(f"run {str(path)!r} must be of the atoms of model {model.name}, but is not.")
    times = run.time_fs
    if len(times) < 100:
        raise InputError(
            f"run {str(path)!r} must hold 100 frames or more for a spectrum, but holds {len(times)}."
        )
    whole = run.alive.all(axis=0)
    met = np.unique(run.active_state[:, whole]).tolist()
    if met != [state]:
        raise InputError(
            f"run {str(path)!r} must have trajectories that stay on state {state} to the end, but those that "
            f"came to it were on {', '.join(map(str, met)) or 'none'}. Choose another `--state` or run."
        )
    positions = run.positions[:, whole]
    # That of an ion about its own centre: on its way through space it does not absorb.
    moments = dipoles(
        model, torch.from_numpy(positions.reshape(-1, *positions.shape[2:])), origin="center_of_mass"
    )
    series = moments[:, state, state].numpy().reshape(*positions.shape[:2], 3)
    kinetic = (run.momenta[:, whole] ** 2 / run.masses[:, None]).sum(axis=(2, 3)).mean()
    temperature = float(kinetic) / degrees_of_freedom(opened)
    dt = float(times[1] - times[0]) * AU_PER_FEMTOSECOND
    frequencies, density = infrared_of_dipoles(series, dt=dt, temperature=temperature)
    wavenumbers, density = frequencies * INVERSE_CM_PER_HARTREE, density / INVERSE_CM_PER_HARTREE
    step = wavenumbers[1]
    width = max(1, round(0.5 * fwhm_cm / step))
    kernel = np.exp(-4.0 * np.log(2.0) * (np.arange(-3 * width, 3 * width + 1) * step / fwhm_cm) ** 2)
    curve = np.convolve(density, kernel / kernel.sum(), mode="same")
    table = Table(title=f"infrared of {series.shape[1]} trajectories", title_justify="left")
    for head in (r"temperature \[K]", r"resolution \[cm-1]", r"highest at \[cm-1]"):
        table.add_column(head, justify="right")
    highest = float(wavenumbers[int(curve.argmax())])
    table.add_row(f"{temperature * KELVIN_PER_HARTREE:.0f}", f"{2 * step:.1f}", f"{highest:.0f}")
    left_out = int((~whole).sum())
    return Result(
        table,
        (f"{left_out} of {len(whole)} trajectories did not come to the end and are left out.",)
        * (left_out > 0),
        {"wavenumber_cm": wavenumbers, "absorption_km_per_mol_cm": curve},
        {"kind": "ir", "model": model.name, "origin": f"dipoles along {path}", "fwhm_cm": fwhm_cm},
        lambda: vibrational_figure(wavenumbers, curve, sticks=None, title="infrared", unit="km/mol/cm⁻¹"),
    )


def write_result(
    result: Result, console: Console, *, figure: Path | None, csv_file: Path | None, json_file: Path | None
) -> None:
    """Print a spectrum and write the files that were asked for."""
    from nadyn.analysis.plots_style import save_picture

    print_table(console, result.table)
    for sentence in result.sentences:
        console.print(sentence, highlight=False, soft_wrap=True)
    if csv_file is not None:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(result.columns)
        for row in np.stack(list(result.columns.values()), axis=1):
            writer.writerow([f"{value:.9g}" for value in row])
        write_new(csv_file, text.getvalue())
        console.print(f"wrote {csv_file}")
    if json_file is not None:
        write_new(json_file, json.dumps(result.plain, indent=1))
        console.print(f"wrote {json_file}")
    if figure is not None:
        save_picture(result.draw(), figure)
        console.print(f"wrote {figure}")
