"""The encoders by name: one line an encoder, which lives in a file of its own."""

from dataclasses import asdict, fields
from typing import Annotated, Union

from pydantic import BeforeValidator, Field
from torch import nn

from nadyn.checks.errors import InputError
from nadyn.models.encoders.density_moments import MOMENTS
from nadyn.models.encoders.equivariant import EQUIVARIANT
from nadyn.models.encoders.kind import CommonEncoderSection, EncoderKind, EncoderSettings, irreps
from nadyn.models.encoders.messages import MESSAGES
from nadyn.models.encoders.soap import SOAP
from nadyn.models.encoders.symmetry_functions import ACSF
from nadyn.models.starting_weights import starting_weights
from nadyn.units import ANGSTROM_PER_BOHR

# The first is the default.
_KINDS = (
    MOMENTS,
    EQUIVARIANT,
    MESSAGES,
    SOAP,
    ACSF,
)
ENCODERS: dict[str, EncoderKind] = {kind.name: kind for kind in _KINDS}


def _named(content: object) -> object:
    """Return the section with its name: without one it is that of the default."""
    return {"name": _KINDS[0].name, **content} if isinstance(content, dict) else content


# The section `encoder:` of a training file.
EncoderSection = Annotated[
    Union[tuple(kind.section for kind in _KINDS)],  # noqa: UP007
    Field(discriminator="name"),
    BeforeValidator(_named),
]
DEFAULT_SECTION = _KINDS[0].section()


def choose_settings(
    section: CommonEncoderSection, elements: tuple[int, ...], cutoff: float, shortest: float
) -> EncoderSettings:
    """Return the settings that a section of a training file asks for.

    Args:
        section: What the file says.
        elements: Atomic numbers that occur, ascending.
        cutoff: Cutoff radius [bohr].
        shortest: Shortest distance of the data [bohr].
    """
    return ENCODERS[section.name].choose(section, elements, cutoff, shortest)


def reduced(section: CommonEncoderSection) -> CommonEncoderSection:
    """Return the section of a small network of the same kind."""
    return ENCODERS[section.name].reduce(section)


def build_encoder(settings: EncoderSettings) -> nn.Module:
    """Return the encoder that the settings belong to."""
    return ENCODERS[encoder_name(settings)].module(settings)


def encoder_name(settings: EncoderSettings) -> str:
    """Return the name of the encoder that the settings belong to."""
    return next(kind.name for kind in _KINDS if isinstance(settings, kind.settings))


def encoder_settings_to_dict(settings: EncoderSettings) -> dict[str, object]:
    """Return settings as plain values for JSON, without those that are left out."""
    given = {key: value for key, value in asdict(settings).items() if value is not None}
    return {"name": encoder_name(settings), **given}


def encoder_settings_from_dict(values: dict[str, object]) -> EncoderSettings:
    """Return the settings that `encoder_settings_to_dict` wrote.

    Raises:
        InputError: The encoder is not known to this version.
    """
    name = values.get("name")
    if name not in ENCODERS:
        raise InputError(f"the encoder must be one of {', '.join(ENCODERS)}, but is {name!r}. Update nadyn.")
    kind = ENCODERS[name].settings
    known = {field.name for field in fields(kind)}
    arguments = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items() if key in known}
    return kind(**arguments)


def encoder_in_words(values: dict[str, object]) -> dict[str, str]:
    """Return what the settings of `encoder_settings_to_dict` mean, for people."""
    settings = encoder_settings_from_dict(values)
    with starting_weights(seed=0):
        features = irreps(build_encoder(settings))
    return {
        "encoder": encoder_name(settings),
        "cutoff": f"{settings.cutoff * ANGSTROM_PER_BOHR:.2f} Å",
        "reach": f"{settings.reach * ANGSTROM_PER_BOHR:.2f} Å",
        "features": features,
    }
