"""From the section `initial:` of a run file to initial conditions."""

from dataclasses import replace

import numpy as np

from nadyn.checks.errors import InputError
from nadyn.data.structure_file import read_structure
from nadyn.dynamics.initial.end_of_run import end_of_run
from nadyn.dynamics.initial.oscillators import Oscillators, oscillators, with_isotopes_of_geometry
from nadyn.dynamics.initial.section import InitialSection
from nadyn.dynamics.initial.spin_of_start import check_multiplicity, with_spin
from nadyn.dynamics.initial.wigner import maxwell_boltzmann, packet, sample_modes, without_rotation
from nadyn.models.isotopes import takes_isotopes
from nadyn.models.model import HasCell, Model
from nadyn.structures import symbol
from nadyn.trajectory.initial_conditions import InitialConditions, read_initial_conditions
from nadyn.units import ELECTRON_MASS_PER_DALTON


def sample(model: Model, section: InitialSection, *, seed: int) -> InitialConditions:
    """Return the initial conditions that a section describes.

    A sample is drawn from the harmonic oscillators about a minimum of the model, or from the model's own
    oscillators; a scattering start is `n` times the same point, or the Wigner function of a Gaussian packet;
    a file is read. Trajectory i depends on the seed and on i alone, so that a larger `n` continues a smaller
    one, and with `first` a part of it is drawn alone. Without a `state` and without a `diabatic_state` the
    start is on state 0. What a user should know of the result stands in its `notices`.

    Args:
        model: The model of the dynamics.
        section: What to do, see `InitialSection`.
        seed: Seed of the random numbers.

    Raises:
        InputError: The section does not fit the model, or no minimum with real frequencies was found.
    """
    state, diabatic_state = start_state(model, section)
    if section.file is not None:
        initial = read_initial_conditions(section.file)
        return _taken(model, section, initial, f"initial conditions {section.file!r}", state, diabatic_state)
    if section.run is not None:
        ended = end_of_run(section.run, state_is_given=(state, diabatic_state) != (None, None))
        return _taken(model, section, ended, f"run {section.run!r}", state, diabatic_state)
    if section.structure is not None:
        return _from_structure(model, section, seed=seed)
    if section.sample is not None:
        return sample_oscillators(model, oscillators(model, section), section, seed=seed)
    positions, momenta = _scattering(model, section)
    origin = f"all at {section.position_au} bohr with momentum {section.momentum_au} au"
    if section.width_au is not None:
        width = _of_each_coordinate(model, section, "width_au")
        positions, momenta = packet(positions, momenta, width, seed=seed, first=section.first_number)
        origin = (
            f"Wigner function of a packet of width {section.width_au} at {section.position_au} bohr with "
            f"momentum {section.momentum_au} au, seed {seed}"
        )
    return _conditions(model, section, positions, momenta, origin, temperature=None)


def sample_oscillators(
    model: Model, found: Oscillators, section: InitialSection, *, seed: int
) -> InitialConditions:
    """Return a sample of oscillators that are known already, see `sample`."""
    temperature = section.temperature_kelvin
    positions, momenta = sample_modes(
        found.modes,
        section.n,
        distribution=section.sample,
        temperature_kelvin=temperature,
        seed=seed,
        first=section.first_number,
        quanta=section.quanta(len(found.modes.frequencies)),
    )
    if {"translation", "rotation"} <= model.laws:
        momenta = without_rotation(positions, momenta, found.modes.masses)
    how = f"{section.sample} sample at {temperature:g} K{section.excitation}"
    origin = f"{how} of {found.origin}, seed {seed}"
    conditions = _conditions(model, section, positions, momenta, origin, temperature=temperature)
    return replace(conditions, notices=(*found.warnings, *conditions.notices))


def _from_structure(model: Model, section: InitialSection, *, seed: int) -> InitialConditions:
    """Return trajectories that all start from one structure, to which the model is bound already."""
    found = read_structure(section.structure, repeat=section.repeat)
    if found.atomic_numbers != tuple(model.atomic_numbers or ()):
        raise InputError(
            f"structure {section.structure!r} must be of the atoms of model {model.name} in their order, but "
            "is not."
        )
    positions = np.tile(found.positions, (section.n, 1, 1))
    masses = _masses(model)
    origin = f"structure {section.structure!r}"
    if "temperature_kelvin" in section.model_fields_set:
        momenta = maxwell_boltzmann(
            positions,
            masses,
            temperature_kelvin=section.temperature_kelvin,
            keeps_rotation="rotation" in model.laws,
            seed=seed,
            first=section.first_number,
        )
        origin = f"{origin} with momenta of {section.temperature_kelvin:g} K, seed {seed}"
        return _conditions(model, section, positions, momenta, origin, temperature=section.temperature_kelvin)
    velocities = np.zeros_like(found.positions) if found.velocities is None else found.velocities
    momenta = np.tile(velocities * masses[:, None], (section.n, 1, 1))
    return _conditions(model, section, positions, momenta, origin, temperature=None)


def _conditions(
    model: Model,
    section: InitialSection,
    positions: np.ndarray,
    momenta: np.ndarray,
    origin: str,
    *,
    temperature: float | None,
) -> InitialConditions:
    state, diabatic_state = start_state(model, section)
    numbers = model.atomic_numbers
    initial = InitialConditions(
        positions=positions,
        momenta=momenta,
        weight=np.ones(len(positions)),
        masses=_masses(with_isotopes_of_geometry(model, section)),
        atomic_numbers=None if numbers is None else np.array(numbers, dtype=np.int64),
        state=state,
        diabatic_state=diabatic_state,
        origin=origin,
        temperature_kelvin=temperature,
        **_cell_of(model),
    )
    return with_spin(model, section, initial)


def _cell_of(model: Model) -> dict[str, object]:
    """Return the cell of a periodic model, as initial conditions hold it."""
    if not isinstance(model, HasCell) or model.cell is None:
        return {}
    return {"cell": model.cell.double().numpy(), "pbc": tuple(bool(one) for one in model.pbc)}


def _masses(model: Model) -> np.ndarray:
    return model.masses.numpy().astype(np.float64)


def start_state(model: Model, section: InitialSection) -> tuple[int | None, int | None]:
    """Return the adiabatic and the diabatic state that a section names; one of them is None.

    Raises:
        InputError: The model has no such state.
    """
    if section.diabatic_state is not None:
        if not model.fixed_diabatic_basis:
            raise InputError(
                f"`diabatic_state` must belong to a fixed diabatic basis, but model {model.name} has none. "
                "Use `state`."
            )
        _check_state("diabatic_state", section.diabatic_state, model.n_basis)
        return None, section.diabatic_state
    if section.state is None and section.file is None and section.run is None:
        return 0, None
    check_multiplicity(model, section)
    if section.state is not None:
        _check_state("state", section.state, model.n_states)
    return section.state, None


def _check_state(name: str, state: int, n: int) -> None:
    if state >= n:
        raise InputError(f"`{name}` must be from 0 to {n - 1} for this model, but is {state}.")


def _scattering(model: Model, section: InitialSection) -> tuple[np.ndarray, np.ndarray]:
    if model.coordinates != "generalised":
        raise InputError(
            f"`position_au` must be for a model of generalised coordinates, but {model.name} is a molecule. "
            "Use `sample: wigner`."
        )
    point = [_of_each_coordinate(model, section, name) for name in ("position_au", "momentum_au")]
    positions, momenta = (np.tile(values[None, :, None], (section.n, 1, 1)) for values in point)
    return positions, momenta


def _of_each_coordinate(model: Model, section: InitialSection, name: str) -> np.ndarray:
    n_coordinates = len(model.masses)
    values = np.atleast_1d(np.array(getattr(section, name), dtype=np.float64))
    if values.size != n_coordinates or not np.all(np.isfinite(values)):
        raise InputError(f"`{name}` must be {n_coordinates} finite numbers, but is {getattr(section, name)}.")
    if name == "width_au" and not np.all(values > 0):
        raise InputError(
            f"`width_au` must be above 0, but is {section.width_au}. Leave it out to start at one point."
        )
    return values


def _taken(
    model: Model,
    section: InitialSection,
    initial: InitialConditions,
    where: str,
    state: int | None,
    diabatic_state: int | None,
) -> InitialConditions:
    numbers = None if initial.atomic_numbers is None else tuple(int(z) for z in initial.atomic_numbers)
    masses = _masses(model)
    same_atoms = numbers == model.atomic_numbers and initial.masses.shape == masses.shape
    same_masses = same_atoms and np.allclose(initial.masses, masses, rtol=1e-6, atol=0.0)
    # A molecule has the isotopes that its sample was drawn for, unless the run names others.
    free = takes_isotopes(model) and not model.own_masses
    if not same_masses and not (same_atoms and free):
        raise InputError(
            f"{where} must be for the atoms and masses of model {model.name} "
            "in their order, but are not. Sample them with this model and its `isotopes`."
        )
    available = len(initial.weight)
    first = section.first_number
    if first >= available:
        raise InputError(
            f"`first` must be less than {available}, the number in {where}, but is {first}. "
            "Trajectories are counted from 0."
        )
    n = available - first if section.n is None else section.n
    if n > available - first:
        ahead = f", less `first`, {first}" if first else ""
        raise InputError(
            f"`n` must be at most {available - first}, the number in {where}{ahead}, but is {n}."
        )
    taken = slice(first, first + n)
    states = None
    if state is None and diabatic_state is None:
        state, diabatic_state = initial.state, initial.diabatic_state
        states = None if initial.states is None else initial.states[taken]
        if states is not None:
            _check_state("state", int(states.max()), model.n_states)
        if diabatic_state is not None:
            _check_state("diabatic_state", diabatic_state, model.n_basis)
        _check_state("state", state or 0, model.n_states)
    found = InitialConditions(
        positions=initial.positions[taken],
        momenta=initial.momenta[taken],
        weight=initial.weight[taken],
        masses=initial.masses,
        atomic_numbers=initial.atomic_numbers,
        state=state if state is not None or diabatic_state is not None else 0,
        diabatic_state=diabatic_state,
        origin=initial.origin,
        temperature_kelvin=initial.temperature_kelvin,
        notices=initial.notices if same_masses else (*initial.notices, _about_masses(initial, where)),
        states=states,
        cell=initial.cell,
        pbc=initial.pbc,
    )
    return with_spin(model, section, found)


def _about_masses(initial: InitialConditions, where: str) -> str:
    shown = ", ".join(
        f"{symbol(int(number))}{atom} {mass / ELECTRON_MASS_PER_DALTON:.3f}"
        for atom, (number, mass) in enumerate(zip(initial.atomic_numbers, initial.masses, strict=True))
    )
    return f"the masses are those of {where} [u]: {shown}."
