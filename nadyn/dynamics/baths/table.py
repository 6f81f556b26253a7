"""The thermostats of a run file: one line each, whose section and formulas are in one file."""

from typing import Annotated, Union

from pydantic import BeforeValidator, Field

from nadyn.dynamics.baths.andersen import AndersenSection
from nadyn.dynamics.baths.langevin import LangevinSection
from nadyn.dynamics.baths.nose_hoover import NoseHooverSection
from nadyn.dynamics.baths.velocity_rescaling import VelocityRescalingSection

# The first one is meant where a section has no name.
THERMOSTATS = (
    LangevinSection,
    AndersenSection,
    NoseHooverSection,
    VelocityRescalingSection,
)


def _named(content: object) -> object:
    """Return the section with its name, that of the first thermostat without one."""
    name = THERMOSTATS[0].model_fields["name"].default
    return {"name": name, **content} if isinstance(content, dict) else content


ThermostatSection = Annotated[
    Union[THERMOSTATS],  # noqa: UP007
    Field(discriminator="name"),
    BeforeValidator(_named),
]
