"""A run file that fits a model: its states, its fastest vibration, whether it is periodic."""

import math
from collections.abc import Mapping

from nadyn.checks.commented_yaml import Line, commented_yaml
from nadyn.checks.configuration import parse_configuration
from nadyn.checks.yaml_text import read_yaml
from nadyn.data.structure_file import StartStructure
from nadyn.dynamics.methods.table import check_states, find_method, motion_of
from nadyn.dynamics.run.first_state import first_state
from nadyn.dynamics.run.time_step import highest_frequency
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.electronic.committee import HasMembers
from nadyn.models.analytic import VibronicCoupling
from nadyn.models.model import HasCell, Model
from nadyn.structures import formula
from nadyn.units import AU_PER_FEMTOSECOND, INVERSE_CM_PER_HARTREE

# Steps of the fastest vibration that are wanted, and steps to choose from [fs].
_STEPS_PER_PERIOD = 16
_STEPS_FS = (2.0, 1.0, 0.5, 0.25, 0.2, 0.1, 0.05, 0.02, 0.01)
# While states mix, their coefficients want short steps too.
_LONGEST_WITH_STATES_FS = 0.5
# A packet that begins here with this momentum passes the models of Tully, a tenth of a bohr a step.
_PACKET = {"position_au": -10.0, "momentum_au": 20.0}
_WAY_BOHR, _STEP_BOHR = 40.0, 0.1


def first_run_file(
    model: Model,
    named: str | Mapping[str, object],
    *,
    n: int,
    geometry: str | None = None,
    structure: str | None = None,
    molecule: str | None = None,
) -> str:
    """Return a run file with a comment above each key; it has been checked with the model.

    Args:
        model: What `named` is.
        named: `model` of the run file.
        n: Number of trajectories.
        geometry: An .xyz file to minimise from, as the run file names it.
        structure: A file with atoms and cell to start from, for models of one state.
        molecule: Which one of a model that was trained on several.

    Raises:
        InputError: The model cannot be run by what the file says.
    """
    several = model.n_states > 1
    dt_fs, why = _time_step(model, several)
    time_fs, length = _length(model, several, dt_fs)
    lines = [
        Line("model", named if isinstance(named, str) else dict(named), _about(model)),
        *_molecule(model, molecule),
        *_start(model, n, geometry, structure),
        *_method(model, several, structure),
        Line("dt_fs", dt_fs, why),
        Line("time_fs", time_fs, length),
    ]
    if model.coordinates == "generalised" and not isinstance(model, VibronicCoupling):
        lines.append(Line("stop", {"beyond_au": 10.0}, "Ends a trajectory that is beyond and moves outward."))
    if isinstance(model, HasMembers):
        lines.append(
            Line(
                "stop",
                {"committee": True},
                "The members judge each step: where they differ too much, a trajectory is stopped.",
            )
        )
    lines += [
        Line("seed", 1, "Of all random numbers: the same file gives the same run."),
        Line("output", "run.h5", "Trajectories; `nadyn report run.h5` makes a page of them."),
    ]
    title = [
        "A run file: `nadyn check FILE` says what it would do, `nadyn run FILE` does it.",
        "Every key is explained on the page `Run file` of the documentation; those not named here have "
        "defaults.",
    ]
    text = commented_yaml(title, lines)
    config = parse_configuration(read_yaml(text), RunConfiguration, where="run file")
    find_method(config)
    check_states(config, model)
    motion_of(config, model, model.masses)
    return text


def start_structure_of(model: Model) -> StartStructure | None:
    """Return the atoms that a model stores, with their cell; None where it stores none."""
    geometry = getattr(model, "starting_geometry", None)
    if geometry is None:
        return None
    cell, pbc = None, (False, False, False)
    if isinstance(model, HasCell) and model.cell is not None:
        cell, pbc = model.cell.double().numpy(), model.pbc
    return StartStructure(tuple(model.atomic_numbers), geometry.double().numpy(), cell, pbc, None)


def _molecule(model: Model, molecule: str | None) -> list[Line]:
    known = [record.name for record in getattr(model, "molecules", ())]
    if molecule is None and len(known) < 2:
        return []
    which = f"Which molecule moves; the model knows {', '.join(known[:10])}."
    return [Line("molecule", molecule or known[0], which, active=molecule is not None)]


def _about(model: Model) -> str:
    states = "one state" if model.n_states == 1 else f"{model.n_states} states, counted from 0"
    # A model of one molecule is often called by its formula.
    what = "" if model.atomic_numbers is None else formula(list(model.atomic_numbers))
    return f"{model.name}: {what + ', ' if what not in ('', model.name) else ''}{states}."


def _start(model: Model, n: int, geometry: str | None, structure: str | None) -> list[Line]:
    if structure is not None:
        in_cell = isinstance(model, HasCell) and model.cell is not None
        return [
            Line(
                "initial",
                {"structure": structure, "temperature_kelvin": 300.0, "n": 1 if in_cell else n},
                "Atoms and cell of a file that ASE reads, with momenta of that temperature; "
                "`repeat: [2, 2, 2]` makes a larger cell."
                if in_cell
                else "Atoms of a file that ASE reads, with momenta of that temperature. A sample of the "
                "vibrations, `{sample: thermal, …}`, stretches bonds where methyl groups turn.",
            )
        ]
    if model.coordinates == "generalised" and not isinstance(model, VibronicCoupling):
        k = len(model.masses)
        point = {key: value if k == 1 else [value] + [0.0] * (k - 1) for key, value in _PACKET.items()}
        return [Line("initial", {**point, "n": n, "state": 0}, "All from one point, to be changed.")]
    at = {} if geometry is None else {"geometry": geometry}
    if model.n_states == 1:
        start = {"sample": "thermal", "n": n, "temperature_kelvin": 300.0, **at}
        return [Line("initial", start, "Positions and momenta of a classical ensemble about the minimum.")]
    state, called = first_state(model)
    start = {"sample": "wigner", "n": n, "temperature_kelvin": 0.0, **state, **at}
    return [
        Line(
            "initial",
            start,
            f"Positions and momenta of the Wigner function of the ground state, put on {called}. "
            "Starts of a file are `{file: initial.h5}`.",
        )
    ]


def _method(model: Model, several: bool, structure: str | None) -> list[Line]:
    if several:
        return [
            Line("method", "fssh", "Fewest-switches surface hopping; others: mash, landau_zener, ehrenfest."),
            Line(
                "decoherence",
                {"name": "edc", "damps": "populations"},
                "Populations as in SHARC and ABIN; `damps: amplitudes` as in MLatom and PyRAI2MD.",
            ),
            Line("rescale", "nac", "Momenta change along the coupling at a hop."),
            Line("frustrated", "keep", "A hop that the kinetic energy cannot pay changes nothing."),
        ]
    if structure is not None:
        # From one geometry half of the kinetic energy would become potential energy.
        return [
            Line("method", "nvt", "Constant temperature; nve keeps the energy, npt the pressure of a cell."),
            Line("thermostat", {"name": "langevin", "temperature_kelvin": 300.0, "friction_per_ps": 10.0}),
        ]
    return [Line("method", "nve", "Constant energy; nvt keeps the temperature.")]


def _time_step(model: Model, several: bool) -> tuple[float, str]:
    """Return a time step [fs], and why."""
    frequency = _fastest(model)
    if frequency <= 0.0:
        if model.coordinates == "generalised":
            velocity = _PACKET["momentum_au"] / float(model.masses.min())
            dt_fs = float(f"{_STEP_BOHR / velocity / AU_PER_FEMTOSECOND:.2g}")
            return dt_fs, "A tenth of a bohr a step."
        return _LONGEST_WITH_STATES_FS, "Nothing says how fast its vibrations are."
    period_fs = 2.0 * math.pi / frequency / AU_PER_FEMTOSECOND
    longest = min(period_fs / _STEPS_PER_PERIOD, _LONGEST_WITH_STATES_FS if several else _STEPS_FS[0])
    dt_fs = next((step for step in _STEPS_FS if step <= longest), _STEPS_FS[-1])
    why = (
        f"{period_fs / dt_fs:.0f} steps a period of the fastest vibration, {period_fs:.3g} fs "
        f"({frequency * INVERSE_CM_PER_HARTREE:.0f} cm-1){_where(model)}."
    )
    if several:
        why += " Where gaps are small, half of it is safer: look at the energy errors of a short run."
    return dt_fs, why


def _where(model: Model) -> str:
    """Say of which geometry the fastest vibration is, where that need not be a minimum."""
    return "" if isinstance(model, VibronicCoupling) else " at the geometry that the model stores"


def _fastest(model: Model) -> float:
    """Return the highest frequency that the model says or has at its stored geometry [hartree]; else 0."""
    if isinstance(model, VibronicCoupling):
        return float(model.frequencies.max())
    geometry = getattr(model, "starting_geometry", None)
    return 0.0 if geometry is None else highest_frequency(model, geometry.double(), model.masses)


def _length(model: Model, several: bool, dt_fs: float) -> tuple[float, str]:
    if model.coordinates == "generalised" and not isinstance(model, VibronicCoupling):
        time_fs = _WAY_BOHR * float(model.masses.min()) / _PACKET["momentum_au"] / AU_PER_FEMTOSECOND
        return float(f"{time_fs:.2g}"), f"The time of {_WAY_BOHR:g} bohr at that momentum."
    if several:
        return 100.0, "A finished run is made longer with a larger time and --resume."
    return 1000.0 * dt_fs, "A thousand steps; a larger time and --resume go on."
