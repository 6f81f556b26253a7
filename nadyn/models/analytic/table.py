"""The analytic models by name, as a run file gives them: `model: {name: tully, variant: 1}`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nadyn.checks.errors import InputError
from nadyn.checks.nearest import nearest
from nadyn.models.analytic.conical_intersection import conical_intersection
from nadyn.models.analytic.jahn_teller_modes import jahn_teller_modes
from nadyn.models.analytic.lvc_template import read_lvc, sulfur_dioxide
from nadyn.models.analytic.molecules import jahn_teller, renner_teller, trans_planar, twisted
from nadyn.models.analytic.morse import morse
from nadyn.models.analytic.shin_metiu import shin_metiu
from nadyn.models.analytic.spin_boson import spin_boson
from nadyn.models.analytic.tully import tully
from nadyn.models.analytic.vibronic import pyrazine, read_vibronic_model
from nadyn.models.model import Model


@dataclass(frozen=True)
class _Entry:
    build: Callable[..., Model]
    options: tuple[str, ...]


ANALYTIC_MODELS = {
    "tully": _Entry(tully, ("variant",)),
    "pyrazine": _Entry(pyrazine, ("variant",)),
    "vibronic": _Entry(read_vibronic_model, ("file",)),
    "lvc": _Entry(read_lvc, ("file",)),
    "sulfur_dioxide": _Entry(sulfur_dioxide, ("variant",)),
    "spin_boson": _Entry(
        spin_boson, ("density", "modes", "bias_au", "coupling_au", "reorganisation_au", "cutoff_au")
    ),
    "jahn_teller_modes": _Entry(jahn_teller_modes, ("frequency_au", "linear_au", "quadratic_au")),
    "conical_intersection": _Entry(conical_intersection, ("coupling_au",)),
    "morse": _Entry(morse, ("variant",)),
    "shin_metiu": _Entry(shin_metiu, ()),
    "jahn_teller": _Entry(jahn_teller, ()),
    "renner_teller": _Entry(renner_teller, ()),
    "twisted": _Entry(twisted, ()),
    "trans_planar": _Entry(trans_planar, ()),
}


def analytic_model(mapping: Mapping[str, object]) -> Model:
    """Return the analytic model that a mapping names.

    Args:
        mapping: `name` and the options of that model: {name: tully, variant: 1}, {name: pyrazine,
            variant: 4}, {name: vibronic, file: parameters.json}.

    Raises:
        InputError: The name is missing or unknown, or an option is missing, unknown or out of range.
    """
    known = ", ".join(sorted(ANALYTIC_MODELS))
    if "name" not in mapping:
        raise InputError(
            f"`model` must have a `name`, but has none. A learned model is `model: file.safetensors`; "
            f"known analytic models: {known}."
        )
    name = mapping["name"]
    entry = ANALYTIC_MODELS.get(name) if isinstance(name, str) else None
    if entry is None:
        near = nearest(str(name), ANALYTIC_MODELS, cutoff=0.5)
        advice = f"Did you mean {near}? " if near else ""
        raise InputError(
            f"`name` of an analytic model must be a known one, but is {name!r}. {advice}Known: {known}."
        )
    options = {key: value for key, value in mapping.items() if key != "name"}
    for key in options:
        if key not in entry.options:
            raise InputError(
                f"options of model {name} must be known ones, but {key!r} is not. "
                f"Known: {', '.join(entry.options)}."
            )
    for key in entry.options:
        if key not in options:
            raise InputError(f"`{key}` of model {name} must be given, but is missing.")
    return entry.build(*(options[key] for key in entry.options))
