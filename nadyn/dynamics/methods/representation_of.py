"""The states that a run file and a model ask for."""

import math

from jaxtyping import Float
from torch import Tensor

from nadyn.checks.errors import InputError
from nadyn.dynamics.decoherence.table import names_for_complex_states, needs_real_states
from nadyn.dynamics.hops.representation import Representation, SpinFree
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.dynamics.spins.field_driven import FieldDriven
from nadyn.dynamics.spins.laser import LaserSection, Pulse, spectral_width
from nadyn.dynamics.spins.spin_adiabatic import spin_adiabatic
from nadyn.electronic.properties import knows
from nadyn.models.model import Model
from nadyn.models.spin_states import HasSpinOrbitVectors, HasSpinStates, couples_spins
from nadyn.units import AU_PER_FEMTOSECOND, HARTREE_PER_EV


def representation_of(
    config: RunConfiguration, model: Model, masses: Float[Tensor, "atom"]
) -> Representation:
    """Return the states that a run file and a model ask for.

    Without `representation` these are spin-adiabatic ones where the model has spin-orbit coupling or a
    laser acts, else the eigenstates of W.

    Raises:
        InputError: The model has no spin states or no dipoles, or an option is given that needs real
            eigenvectors.
    """
    has_spins = isinstance(model, HasSpinStates)
    several = isinstance(model, HasSpinOrbitVectors)
    wanted = config.representation
    if wanted is None:
        wanted = "spin_adiabatic" if couples_spins(model) or config.laser is not None else "spin_free"
    if wanted == "spin_free" and several:
        raise InputError(
            f"`representation` must be spin_adiabatic for model {model.name}, whose spins are learned apart, "
            "but is spin_free. Remove it, or run the model of one spin."
        )
    if wanted == "spin_free":
        if config.laser is not None:
            raise InputError(
                "`representation` must be spin_adiabatic with a `laser`, but is spin_free. Remove it."
            )
        return SpinFree(config.propagation)
    if config.laser is not None and not has_spins and knows(model, "dipole"):
        return _field_driven(config)
    if several and config.laser is not None:
        raise InputError(
            f"`laser` must be left out for model {model.name}, which has no dipoles, but is given. Remove it."
        )
    if not several and (not has_spins or model.n_states != model.n_basis):
        key = "laser" if config.laser is not None else "representation"
        raise InputError(
            f"`{key}` must be left out for model {model.name}, which has no spin states and no dipoles, "
            "but is given. Try a model of name lvc or sulfur_dioxide, or one trained on dipoles."
        )
    if config.propagation != "local_diabatisation":
        raise InputError(
            "`propagation` must be local_diabatisation among spin-adiabatic states, whose eigenvectors are "
            f"complex, but is {config.propagation}. Remove it, or use representation: spin_free."
        )
    if needs_real_states(config.decoherence):
        raise InputError(
            f"`decoherence` must be {', '.join(names_for_complex_states())} or none among spin-adiabatic "
            f"states, but is {config.decoherence.name}. Try edc."
        )
    pulse = None if config.laser is None else pulse_of(config.laser)
    if pulse is not None and getattr(model, "dipoles", None) is None:
        raise InputError(
            f"`laser` must be left out for model {model.name}, which has no dipoles, but is given. Remove it."
        )
    if pulse is not None and config.adaptive is not None:
        raise InputError("`adaptive` must be left out with a `laser`, but is given. Try a smaller `dt_fs`.")
    return spin_adiabatic(model, masses, seed=config.seed, pulse=pulse, dt=config.dt)


def _field_driven(config: RunConfiguration) -> Representation:
    """Return the eigenstates of W of a model that knows dipoles, in a field."""
    if config.representation is not None:
        raise InputError(
            "`representation` must be left out with a `laser` for a model without spin states, but is "
            f"{config.representation}. Remove it."
        )
    if config.propagation != "local_diabatisation":
        raise InputError(
            "`propagation` must be local_diabatisation with a `laser`, but is "
            f"{config.propagation}. Remove it."
        )
    if config.adaptive is not None:
        raise InputError("`adaptive` must be left out with a `laser`, but is given. Try a smaller `dt_fs`.")
    return FieldDriven(pulse_of(config.laser), config.dt)


def pulse_of(section: LaserSection) -> Pulse:
    """Return the `laser` section of a run file in atomic units.

    Raises:
        InputError: The polarisation has no length.
    """
    length = math.sqrt(sum(x * x for x in section.polarisation))
    if not 0.0 < length < math.inf:
        raise InputError(
            f"`polarisation` must be a direction, but is {list(section.polarisation)}. Try [0, 0, 1]."
        )
    fwhm = section.fwhm_fs * AU_PER_FEMTOSECOND
    wide = section.bandwidth_ev
    return Pulse(
        peak_field=section.peak_field_au,
        polarisation=tuple(x / length for x in section.polarisation),
        frequency=section.photon_energy_ev * HARTREE_PER_EV,
        fwhm=fwhm,
        centre=section.centre_fs * AU_PER_FEMTOSECOND,
        phase=section.phase_rad,
        bandwidth=spectral_width(fwhm) if wide is None else wide * HARTREE_PER_EV,
    )
