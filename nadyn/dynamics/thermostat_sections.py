"""The sections of a run file that couple nuclei to a bath."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator

from nadyn.checks.configuration import Configuration


class LangevinSection(Configuration):
    """Random force and friction: {temperature_kelvin: 300, friction_per_ps: 10}; `name` may be left out."""

    name: Literal["langevin"] = "langevin"
    temperature_kelvin: float = Field(gt=0.0, allow_inf_nan=False)
    friction_per_ps: float = Field(default=10.0, gt=0.0, allow_inf_nan=False)


class AndersenSection(Configuration):
    """Collisions with the bath: {name: andersen, temperature_kelvin: 300, collisions_per_ps: 10}."""

    name: Literal["andersen"]
    temperature_kelvin: float = Field(gt=0.0, allow_inf_nan=False)
    collisions_per_ps: float = Field(default=10.0, gt=0.0, allow_inf_nan=False)


class NoseHooverSection(Configuration):
    """Variables that scale momenta: {name: nose_hoover, temperature_kelvin: 300, period_fs: 40}."""

    name: Literal["nose_hoover"]
    temperature_kelvin: float = Field(gt=0.0, allow_inf_nan=False)
    period_fs: float = Field(default=40.0, gt=0.0, allow_inf_nan=False)
    length: int = Field(default=3, ge=1, le=20)
    chains: Literal["one", "each"] = "one"


def _named(content: object) -> object:
    """Return the section with its name: without one it is Langevin's."""
    return {"name": "langevin", **content} if isinstance(content, dict) else content


ThermostatSection = Annotated[
    LangevinSection | AndersenSection | NoseHooverSection,
    Field(discriminator="name"),
    BeforeValidator(_named),
]


class FrictionSection(Configuration):
    """Friction on chosen atoms: {atoms: [0, 3], per_ps: 5, temperature_kelvin: 300}; 0 is the first."""

    atoms: tuple[int, ...]
    per_ps: float = Field(gt=0.0, allow_inf_nan=False)
    temperature_kelvin: float = Field(ge=0.0, allow_inf_nan=False)

    @field_validator("atoms")
    @classmethod
    def _each_once(cls, atoms: tuple[int, ...]) -> tuple[int, ...]:
        if not atoms or min(atoms) < 0 or len(set(atoms)) < len(atoms):
            raise ValueError(
                "`friction.atoms` must be numbers of atoms from 0, each once, but is "
                f"{list(atoms)}. Try atoms: [0]."
            )
        return atoms
