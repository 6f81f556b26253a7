"""The sections of a run file that couple nuclei to a bath."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from nadyn.dynamics.baths.andersen import AndersenSection
from nadyn.dynamics.baths.langevin import LangevinSection
from nadyn.dynamics.baths.nose_hoover import NoseHooverSection


def _named(content: object) -> object:
    """Return the section with its name: without one it is Langevin's."""
    return {"name": "langevin", **content} if isinstance(content, dict) else content


ThermostatSection = Annotated[
    LangevinSection | AndersenSection | NoseHooverSection,
    Field(discriminator="name"),
    BeforeValidator(_named),
]
