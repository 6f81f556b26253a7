"""The encoders by name, and their settings to and from plain values."""

from dataclasses import asdict, fields

from torch import nn

from nadyn.checks.errors import InputError
from nadyn.models.encoders.density_moments import DensityMoments, MomentsSettings
from nadyn.models.encoders.symmetry_functions import SymmetryFunctions, SymmetryFunctionSettings

EncoderSettings = MomentsSettings | SymmetryFunctionSettings

# name in configuration and model files -> (settings, module)
ENCODERS = {
    "moments": (MomentsSettings, DensityMoments),
    "acsf": (SymmetryFunctionSettings, SymmetryFunctions),
}


def build_encoder(settings: EncoderSettings) -> nn.Module:
    """Return the encoder that the settings belong to."""
    return ENCODERS[encoder_name(settings)][1](settings)


def encoder_name(settings: EncoderSettings) -> str:
    """Return the name of the encoder that the settings belong to."""
    return next(name for name, (kind, _) in ENCODERS.items() if isinstance(settings, kind))


def encoder_settings_to_dict(settings: EncoderSettings) -> dict[str, object]:
    """Return settings as plain values for JSON."""
    return {"name": encoder_name(settings), **asdict(settings)}


def encoder_settings_from_dict(values: dict[str, object]) -> EncoderSettings:
    """Return the settings that `encoder_settings_to_dict` wrote.

    Raises:
        InputError: The encoder is not known to this version.
    """
    name = values.get("name")
    if name not in ENCODERS:
        raise InputError(f"the encoder must be one of {', '.join(ENCODERS)}, but is {name!r}. Update nadyn.")
    kind = ENCODERS[name][0]
    known = {field.name for field in fields(kind)}
    arguments = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items() if key in known}
    return kind(**arguments)
