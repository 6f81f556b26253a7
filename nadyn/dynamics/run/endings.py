"""What ends a trajectory of one run early, from its run file and model."""

import math

from nadyn.checks.errors import InputError
from nadyn.dynamics.methods.table import find_method
from nadyn.dynamics.run.dissociation import Dissociation, interval_of
from nadyn.dynamics.run.stopping import Limits, Spreads
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.dynamics.state.populations import FRACTION_OF_TRAJECTORIES, MEAN_SQUARED_COEFFICIENTS
from nadyn.electronic.committee import HasMembers
from nadyn.electronic.direct.model import DirectModel
from nadyn.models.atomic_network import MOST_NOVELTY
from nadyn.models.model import Model
from nadyn.models.spin_states import HasSpinOrbitVectors, HasSpinStates, couples_spins
from nadyn.units import AU_PER_FEMTOSECOND, EV_PER_ANGSTROM_PER_AU, HARTREE_PER_EV

# Largest calibrated spreads where the run file names none.
ENERGY_SPREAD_EV = 0.2
GAP_SPREAD_EV = 0.25
FORCE_SPREAD_EV_PER_ANGSTROM = 1.0


def limits_of(config: RunConfiguration, model: Model) -> Limits:
    """Return what the trajectories of a run must keep to."""
    return Limits(
        max_energy_step=config.max_energy_step_ev * HARTREE_PER_EV,
        beyond=None if config.stop is None else config.stop.beyond_au,
        dissociation=_dissociation(config, model),
        spreads=_spreads(config, model, _lenience(config)),
        novelty=min(1.0, _lenience(config) * _novelty(config)),
        steps_on_lowest=_steps_on_lowest(config),
    )


def check_stop(config: RunConfiguration, model: Model) -> None:
    """Refuse an end that the model or the method cannot have."""
    if config.stop is None:
        return
    if config.stop.beyond_au is not None and model.coordinates != "generalised":
        raise InputError(
            f"`stop.beyond_au` must be left out for molecules like {model.name}, but is given. Remove it."
        )
    if config.stop.jump_ev is not None and not isinstance(model, DirectModel):
        raise InputError(
            f"`stop.jump_ev` must be left out for model {model.name}, which is no label source, but is "
            "given. Remove it."
        )
    if config.stop.jump_ev is not None and _reads_curvatures(config):
        raise InputError(
            f"`stop.jump_ev` must be left out for method {config.method}, which reads couplings from "
            "curvatures of energies in time, but is given: a jump is one without limit, and would make hops. "
            "Remove it, or try fssh with propagation: local_diabatisation."
        )
    if config.stop.novelty is not None and model.shortest_distances is None:
        raise InputError(
            f"`stop.novelty` must be left out for model {model.name}, which was not trained, but is given. "
            "Remove it."
        )
    if config.stop.lenience is not None and model.shortest_distances is None:
        raise InputError(
            f"`stop.lenience` must be left out for model {model.name}, which was not trained and knows no "
            "doubt, but is given. Remove it."
        )
    if _lenience(config) > 1.0 and config.frame_interval != 1:
        raise InputError(
            "`write_every` must be 1 with `stop.lenience`, because doubt between two frames would not be "
            f"seen, but is {config.frame_interval}. Remove one of them."
        )
    if config.stop.names_spreads and not isinstance(model, HasMembers):
        raise InputError(
            f"`stop` must not name spreads or the committee for model {model.name}, which is one alone, "
            "but does. Remove them, or train with `--members`."
        )
    reason = _why_never_settled(config, model)
    if config.stop.lowest_state_fs is not None and reason:
        raise InputError(f"`stop.lowest_state_fs` must be left out {reason}, but is given. Remove it.")
    reason = _why_not_dissociated(config, model)
    if config.stop.dissociated and reason:
        raise InputError(
            f"`stop.dissociated` must be left out {reason}, where fragments have no last word, but is true. "
            "Remove it."
        )


def _reads_curvatures(config: RunConfiguration) -> bool:
    """Tell whether three energies in a row decide on hops."""
    method = find_method(config)
    if "propagation" in method.keys:
        return config.propagation == "curvature"
    return method.needs_two_states and not method.moves_coefficients


def _novelty(config: RunConfiguration) -> float:
    given = None if config.stop is None else config.stop.novelty
    return MOST_NOVELTY if given is None else given


def doubt_limits_of(config: RunConfiguration, model: Model) -> dict[str, float | None] | None:
    """Return where doubt begins in a run that goes on beyond it, by the names of `DoubtLimits`; else None."""
    if _lenience(config) == 1.0:
        return None
    spreads = _spreads(config, model, 1.0)
    return {
        "energy_spread": None if spreads is None else spreads.energy,
        "gap_spread": None if spreads is None else spreads.gap,
        "force_spread": None if spreads is None else spreads.force,
        "novelty": _novelty(config),
        "lenience": _lenience(config),
    }


def _lenience(config: RunConfiguration) -> float:
    return (config.stop is not None and config.stop.lenience) or 1.0


def _spreads(config: RunConfiguration, model: Model, lenience: float) -> Spreads | None:
    """Return the largest spreads that a trajectory may have, None where no committee ends it."""
    section = config.stop
    if not isinstance(model, HasMembers) or (section is not None and section.committee is False):
        return None

    def given(value: float | None, default: float) -> float:
        return lenience * (default if value is None else value)

    return Spreads(
        energy=given(section and section.energy_spread_ev, ENERGY_SPREAD_EV) * HARTREE_PER_EV,
        gap=given(section and section.gap_spread_ev, GAP_SPREAD_EV) * HARTREE_PER_EV,
        force=given(section and section.force_spread_ev_per_angstrom, FORCE_SPREAD_EV_PER_ANGSTROM)
        / EV_PER_ANGSTROM_PER_AU,
    )


def _steps_on_lowest(config: RunConfiguration) -> int | None:
    if config.stop is None or config.stop.lowest_state_fs is None:
        return None
    # 10 fs in steps of 0.1 fs are 100 steps, whatever rounding makes of the quotient.
    return max(1, math.ceil(config.stop.lowest_state_fs * AU_PER_FEMTOSECOND / config.dt - 1e-9))


def _why_never_settled(config: RunConfiguration, model: Model) -> str:
    """Return where no trajectory comes to the lowest state and stays there, empty where one may."""
    method = find_method(config)
    if not method.needs_two_states:
        return f"for method {config.method}, whose trajectories stay on one state"
    if method.moves_on != "active state" or method.adiabatic is not FRACTION_OF_TRAJECTORIES:
        return f"for method {config.method}, whose populations are not those of trajectories on a state"
    if config.laser is not None:
        return "with a laser, which excites what waits on the lowest state"
    asked = config.representation or ("spin_adiabatic" if couples_spins(model) else "spin_free")
    if asked != "spin_free":
        return "among spin-adiabatic states, the lowest of which is one of several components"
    return ""


def _dissociation(config: RunConfiguration, model: Model) -> Dissociation | None:
    """Return how to ask whether a molecule has fallen apart, None where that is no end."""
    if (config.stop is not None and config.stop.dissociated is False) or _why_not_dissociated(config, model):
        return None
    method = find_method(config)
    return Dissociation(
        interval_of(config.dt),
        _novelty(config),
        on_a_mean=method.moves_on != "active state",
        on_one_state=not method.needs_two_states,
    )


def _why_not_dissociated(config: RunConfiguration, model: Model) -> str:
    """Return where fragments that are apart may come back or change, empty where they do not."""
    if model.coordinates != "cartesian":
        return "for generalised coordinates"
    if "rotation" not in model.laws:
        return "in a periodic cell"
    if config.thermostat is not None or config.friction is not None:
        return "with a thermostat or friction"
    if config.laser is not None:
        return "with a laser"
    if isinstance(model, HasSpinStates | HasSpinOrbitVectors) and config.representation != "spin_free":
        return "among spin-adiabatic states"
    if isinstance(model, DirectModel):
        return "for a label source"
    method = find_method(config)
    if method.moves_on != "active state" and method.adiabatic is not MEAN_SQUARED_COEFFICIENTS:
        return f"for method {config.method}, whose amplitudes are no populations"
    return ""
