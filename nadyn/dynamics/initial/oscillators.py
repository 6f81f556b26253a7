"""The harmonic oscillators that a sample is drawn from."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from nadyn.checks.errors import InputError
from nadyn.dynamics.initial.hessian import hessian, in_double_precision
from nadyn.dynamics.initial.minimise import Minimum, minimise
from nadyn.dynamics.initial.normal_modes import NormalModes, normal_modes, vibrations
from nadyn.dynamics.initial.section import InitialSection
from nadyn.models.analytic import VibronicCoupling
from nadyn.models.isotopes import with_isotopes
from nadyn.models.model import Model
from nadyn.structures import read_xyz
from nadyn.units import HARTREE_PER_INVERSE_CM, INVERSE_CM_PER_HARTREE

# Below this a vibration is a hindered rotation rather than a harmonic oscillator.
_SOFT = 100.0 * HARTREE_PER_INVERSE_CM

# Searches for a minimum that may end on a saddle, and how far the next one starts from it.
_SADDLES = 4
_OFF_SADDLE_BOHR = 0.3


@dataclass(frozen=True, eq=False)
class Oscillators:
    """Oscillators, one sentence about where they come from, and what a user should be warned of.

    Attributes:
        modes: The oscillators.
        origin: The minimum they belong to and its energy.
        warnings: Sentences about modes that a harmonic sample serves badly.
    """

    modes: NormalModes
    origin: str
    warnings: tuple[str, ...]


def oscillators(model: Model, section: InitialSection) -> Oscillators:
    """Return the oscillators of a model: a vibronic model's own, or the normal modes about a minimum.

    Raises:
        InputError: The model has none, there is no starting geometry, or no minimum with real
            frequencies was found.
    """
    if isinstance(model, VibronicCoupling):
        return _own_oscillators(model, section)
    if model.coordinates != "cartesian":
        raise InputError(
            f"`sample` must be for a molecule or a vibronic model, but {model.name} is neither. "
            "Give `position_au` and `momentum_au`."
        )
    if section.minimise_state >= model.n_states:
        raise InputError(
            f"`minimise_state` must be from 0 to {model.n_states - 1} for this model, but is "
            f"{section.minimise_state}."
        )
    start, where = _start(model, section)
    model = with_isotopes_of_geometry(model, section)
    masses = model.masses.numpy().astype(np.float64)
    model = in_double_precision(model)
    minimum, curvature = _true_minimum(model, start, masses, section.minimise_state)
    modes = normal_modes(curvature, minimum.positions, masses, laws=model.laws)
    origin = (
        f"the minimum of state {section.minimise_state} next to {where}, energy {minimum.energy:.6f} hartree"
    )
    return Oscillators(modes, origin, _warnings(modes))


def with_isotopes_of_geometry(model: Model, section: InitialSection) -> Model:
    """Return the model with the isotopes that the file of a starting geometry names, such as D."""
    if section.geometry is None or model.coordinates != "cartesian":
        return model
    return with_isotopes(model, read_xyz(section.geometry).isotopes)


def _true_minimum(
    model: Model, start: np.ndarray, masses: np.ndarray, state: int
) -> tuple[Minimum, np.ndarray]:
    """Return a minimum about the centre of mass, and its Hessian.

    From a symmetric geometry the way down can end on a saddle, for instance of an internal rotation,
    because no force points off it. Then the search goes on from a geometry displaced along the mode that
    is not real; after a few such steps the saddle is returned, and is refused by `normal_modes`.
    """
    for _ in range(_SADDLES):
        minimum = minimise(model, start, state=state)
        centre = minimum.positions
        if "translation" in model.laws:
            centre = centre - (masses[:, None] * centre).sum(0) / masses.sum()
        curvature = hessian(model, centre, state=state)
        values, vectors = vibrations(curvature, centre, masses, laws=model.laws)
        if values[0] > 0.0:
            break
        direction = vectors[0] / np.sqrt(masses)[:, None]
        start = centre + _OFF_SADDLE_BOHR * direction / np.linalg.norm(direction, axis=-1).max()
    return replace(minimum, positions=centre), curvature


def _own_oscillators(model: VibronicCoupling, section: InitialSection) -> Oscillators:
    if section.geometry is not None or section.minimise_state:
        name = "geometry" if section.geometry is not None else "minimise_state"
        raise InputError(
            f"`{name}` must not be given for a vibronic model, which samples its own oscillators, but is."
        )
    n_modes = len(model.mode_names)
    modes = NormalModes(
        centre=np.zeros((n_modes, 1)),
        masses=model.masses.numpy(),
        frequencies=model.frequencies.numpy(),
        vectors=np.eye(n_modes)[:, :, None],
    )
    return Oscillators(modes, f"the uncoupled oscillators of {model.name}", ())


def _start(model: Model, section: InitialSection) -> tuple[np.ndarray, str]:
    if section.geometry is None:
        stored = getattr(model, "starting_geometry", None)
        if stored is None:
            raise InputError(
                f"`geometry` must be given, because model {model.name} stores no starting geometry, but is "
                "missing. Give an .xyz file."
            )
        return stored.double().numpy().copy(), "the starting geometry stored in the model"
    return geometry_of_model(model, section.geometry), f"the geometry of {section.geometry}"


def geometry_of_model(model: Model, path: str | Path) -> Float[np.ndarray, "atom 3"]:
    """Return the positions of an .xyz file [bohr] with the atoms of a model.

    Raises:
        InputError: The file cannot be read, has other atoms, or the model has none.
    """
    if model.atomic_numbers is None:
        raise InputError(
            f"`geometry` must be left out for model {model.name}, which has no atoms, but is {str(path)!r}."
        )
    structure = read_xyz(path)
    if tuple(int(z) for z in structure.atomic_numbers) != tuple(model.atomic_numbers):
        raise InputError(
            f"`geometry` {str(path)!r} must have the atoms of model {model.name} in their order "
            f"({list(model.atomic_numbers)}), but has {structure.atomic_numbers.tolist()}."
        )
    return structure.positions


def _warnings(modes: NormalModes) -> tuple[str, ...]:
    soft = modes.frequencies[modes.frequencies < _SOFT] * INVERSE_CM_PER_HARTREE
    if not len(soft):
        return ()
    numbers = ", ".join(f"{frequency:.0f}" for frequency in soft)
    return (
        f"{len(soft)} of {len(modes.frequencies)} frequencies are under 100 cm-1 ({numbers}): a harmonic "
        "sample stretches such modes too far along straight lines. Check the geometries.",
    )
