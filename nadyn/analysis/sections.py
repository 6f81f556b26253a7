"""The figures of a report, each with its words."""

from collections.abc import Sequence

import numpy as np

from nadyn.analysis import plots
from nadyn.analysis import section_tables as tables
from nadyn.analysis.beside import Beside
from nadyn.analysis.geometry import Quantity
from nadyn.analysis.light import Light
from nadyn.analysis.mode_activity import NormalModes
from nadyn.analysis.multiplicities import among_spin_adiabatic_states, multiplicity_populations
from nadyn.analysis.plots_hops import hops_figure
from nadyn.analysis.plots_products import products_figure
from nadyn.analysis.plots_schemes import scheme_figure
from nadyn.analysis.plots_spin import multiplicities_figure
from nadyn.analysis.populations import populations
from nadyn.analysis.products import products
from nadyn.analysis.run_schemes import run_schemes, scheme_rows, simplest
from nadyn.analysis.scattering import branching
from nadyn.analysis.scheme_fits import SchemeFit
from nadyn.analysis.section import Section
from nadyn.analysis.sections_of_coordinates import coordinate_sections, modes_section
from nadyn.analysis.sections_of_fates import exits_section, yields_section
from nadyn.analysis.sections_of_hops import HopGroups, hop_groups_section
from nadyn.analysis.sections_of_light import light_sections
from nadyn.analysis.sections_of_training import training_sections
from nadyn.analysis.summary import run_lifetimes
from nadyn.checks.counts import counted
from nadyn.structures import formula
from nadyn.trajectory import Run


def sections(
    run: Run,
    numbers: dict[str, object],
    other: Beside | None = None,
    groups: HopGroups | None = None,
    coordinates: Sequence[Quantity] = (),
    modes: NormalModes | None = None,
    *,
    atoms: Run | None = None,
    light: Light | None = None,
) -> list[Section]:
    """Return the figures that a run gives, with captions that carry its numbers.

    Args:
        run: The run.
        numbers: Of `analyse`.
        other: Another run, to stand beside this one.
        groups: Its hops by geometry.
        coordinates: Internal coordinates to show instead of the automatic choice.
        modes: Normal modes whose activity to show.
        atoms: The same run with the geometries of a molecule, where its own coordinates are others.
        light: What its model says of light along it.
    """
    seen = run if atoms is None else atoms
    found: list[Section] = []
    scattered = branching(run)
    if scattered is not None and np.isfinite(list(scattered.fraction.values())).all():
        caption = "Fractions of trajectories with standard errors, on the adiabatic state they ended on."
        found.append(
            Section("branching", "Where the trajectories went", caption, plots.branching_figure(scattered))
        )
    # Spin-adiabatic states are many, and each is something else from step to step: states of one spin first.
    mixes_spins = among_spin_adiabatic_states(run)
    found += _diabatic(run, numbers) if mixes_spins else []
    if run.changes_states:
        found.append(
            Section(
                "populations",
                "Populations of spin-adiabatic states" if mixes_spins else "Populations",
                _population_words(run, numbers) + _beside_words(other),
                plots.populations_figure(run, run_lifetimes(run), other),
                tables.population_table(numbers),
            )
        )
    found += _schemes(run)
    found += [] if mixes_spins else exits_section(run)
    fell_apart = products(run)
    if fell_apart:
        words = "Fragments and electronic state at the end of each trajectory, with 95 % intervals"
        words += " that hold whatever became of the stopped ones." if numbers["n_stopped"] else "."
        figure = products_figure(fell_apart, whole=formula(run.atomic_numbers, run.masses), other=other)
        words += _beside_words(other)
        if other is not None and not other.ends_with(float(run.time_fs[-1])):
            words += f" They are of {other.end_fs:.4g} fs, those of this run of {run.time_fs[-1]:.4g} fs."
        found.append(Section("products", "Products", words, figure))
    found += yields_section(run)
    found += [] if mixes_spins else _diabatic(run, numbers)
    found += coordinate_sections(seen, coordinates)
    found += modes_section(seen, modes)
    found += light_sections(run, light)
    if len(run.hops["step"]):
        words = "Left: when states were changed. Right: the energy gap at each hop"
        if run.moves_on != "active state":
            words = "When pointer states were changed, to lower or to higher ones"
        words += "; crosses were refused for want of energy." if numbers["frustrated_hops"] else "."
        found.append(Section("hops", _hops_name(run), words, hops_figure(run), tables.hop_table(run)))
    if groups is not None:
        found += hop_groups_section(seen, groups)
    if not run.changes_states:
        found.append(
            Section("temperature", "Temperature", _temperature_words(numbers), plots.temperature_figure(run))
        )
    words = "Left: total energy minus that at the start, up to 120 trajectories; the worst one stands out. "
    words += "Right: its changes from one frame to the next, on a logarithmic scale."
    figure = plots.energy_figure(run)
    found.append(Section("energy", "Energy conservation", words, figure, tables.energy_table(run)))
    return found + training_sections(run)


def _diabatic(run: Run, numbers: dict[str, object]) -> list[Section]:
    """Return populations of diabatic states and of multiplicities, where they are defined."""
    found = []
    if run.diabatic_populations is not None:
        words = f"Means over trajectories: {numbers['diabatic_population_estimator']}. "
        words += "Bands: ±1.96 standard errors."
        found.append(Section("diabatic", "Diabatic populations", words, plots.diabatic_figure(run)))
    spins = multiplicity_populations(run)
    if spins is not None:
        words = "Sums of the diabatic populations of each multiplicity. Bands: ±1.96 standard errors."
        found.append(Section("multiplicities", "Multiplicities", words, multiplicities_figure(run, spins)))
    return found


def _schemes(run: Run) -> list[Section]:
    fits, notes = run_schemes(run)
    if not fits:
        return []
    best = simplest(fits)
    shown = best or min(fits, key=lambda fit: fit.misfit)
    words = [f"{fit.scheme.name} ({fit.scheme.words}): {_scheme_words(fit, fit is best)}" for fit in fits]
    begin = "Lines: the simplest scheme that fits. " if best else "No scheme fits; lines: the nearest one. "
    caption = begin + " ".join([*words, *(best.notes if best else ()), *notes])
    return [Section("schemes", "Kinetic schemes", caption, scheme_figure(shown), tables.scheme_table(shown))]


def _scheme_words(fit: SchemeFit, is_best: bool) -> str:
    if fit.reason:
        return f"refused, {fit.reason}."
    words = f"fits, misfit {fit.misfit:.3f}"
    if is_best:
        rows = [f"{name.strip()} {constant}" for name, constant in scheme_rows(fit)[1:]]
        words = "; ".join([words, *rows])
    return words + "."


def _hops_name(run: Run) -> str:
    return "Hops" if run.moves_on == "active state" else "Changes of the pointer state"


def _population_words(run: Run, numbers: dict[str, object]) -> str:
    pops = populations(run)
    empty = [str(k) for k in range(run.n_states) if k not in plots.drawn_states(pops)]
    left_out = f" States {', '.join(empty)} stay empty and are not drawn." if empty else ""
    if len(empty) == 1:
        left_out = f" State {empty[0]} stays empty and is not drawn."
    words = f"Solid: {numbers['population_estimator']}, with 95 % intervals"
    if numbers["n_stopped"]:
        words += (
            " that hold whatever became of the stopped trajectories; means over those not stopped so far; "
        )
        words += "dash-dotted: over all, the stopped ones held at their last state"
    if not run.amplitudes_are_populations:
        return words + "." + left_out
    mean = np.array(numbers["populations"], dtype=float)
    apart = np.abs(mean - np.array(numbers["populations_electronic"], dtype=float))
    words += "; dashed: the electronic populations of the same trajectories, equal if all is consistent. "
    return words + f"They differ by up to {np.nanmax(apart, initial=0.0):.3f}." + left_out


def _beside_words(other: Beside | None) -> str:
    if other is None:
        return ""
    return f" Diamonds: {other.name}, {counted(other.n_trajectories, 'trajectory')}, with 95 % intervals."


def _temperature_words(numbers: dict[str, object]) -> str:
    kelvin = numbers["temperature_kelvin"]
    return (
        f"From the kinetic energy of {kelvin['degrees_of_freedom']} degrees of freedom: mean "
        f"{kelvin['mean']:.0f} K; the band holds two thirds of the trajectories."
    )
