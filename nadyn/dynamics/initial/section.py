"""The section `initial:` of a run file."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from nadyn.checks.configuration import Configuration
from nadyn.checks.errors import InputError

Count = Annotated[int, Field(ge=1, le=1000)]

# What is beyond is a slip of the keyboard: its arrays would not fit into any memory.
_MOST_TRAJECTORIES = 10_000_000
# Numbers of trajectories are below 2^32, where random numbers end.
_LAST_TRAJECTORY = 4_000_000_000
_COMMON = {"n", "first", "state", "multiplicity", "diabatic_state"}
_WAYS = {
    "file": {"file"},
    "run": {"run"},
    "structure": {"structure", "repeat", "temperature_kelvin"},
    "position_au": {"position_au", "momentum_au", "width_au"},
    "sample": {"sample", "temperature_kelvin", "geometry", "minimise_state", "excited_modes"},
}


class InitialSection(Configuration):
    """One of five ways to start: a sample, a point in phase space or a packet, a structure, a file, or a run.

    {sample: wigner, n: 200, temperature_kelvin: 0, state: 1}, with `geometry: start.xyz` to minimise from
    there and `minimise_state: 1` to sample around a minimum of another state than the lowest; `excited_modes:
    {6: 1}` puts one quantum into the sixth mode;
    {position_au: -10, momentum_au: 20, n: 2000, state: 0}, a list for several coordinates, with `width_au: 1`
    the Wigner function of a Gaussian packet about that point, whose width is that of `nadyn.quantum.Packet`;
    {file: initial.h5}, whose state is kept unless one is given, and all of it or the first `n`;
    {run: earlier.h5}, the last frame of each of its trajectories that came to the end, on the state that it
    ended on unless one is given.
    {structure: start.extxyz, repeat: [3, 3, 3], temperature_kelvin: 600, n: 4} starts every trajectory from
    the last structure of a file that ASE reads, in its cell, with momenta of Maxwell and Boltzmann without a
    net one; without a temperature with the momenta of the file, or at rest.
    `diabatic_state: 1` instead of `state` where the diabatic basis is fixed. With `multiplicity: 1` the
    `state` is counted among the singlets alone.
    With `first: 2000` the run is a part of a larger one, trajectories 2000 and on, with the starts and the
    random numbers that they have there.
    """

    sample: Literal["wigner", "thermal"] | None = None
    temperature_kelvin: float = Field(default=0.0, ge=0.0, allow_inf_nan=False)
    geometry: str | None = None
    minimise_state: int = Field(default=0, ge=0)
    excited_modes: dict[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=0, le=100)]] | None = None
    position_au: float | tuple[float, ...] | None = None
    momentum_au: float | tuple[float, ...] | None = None
    width_au: float | tuple[float, ...] | None = None
    structure: str | None = None
    repeat: tuple[Count, Count, Count] = (1, 1, 1)
    file: str | None = None
    run: str | None = None
    n: int | None = Field(default=None, ge=1, le=_MOST_TRAJECTORIES)
    first: int | None = Field(default=None, ge=0, le=_LAST_TRAJECTORY)
    state: int | None = Field(default=None, ge=0)
    multiplicity: int | None = Field(default=None, ge=1)
    diabatic_state: int | None = Field(default=None, ge=0)

    @property
    def first_number(self) -> int:
        """Number of the first trajectory, 0 but for a part of a larger run."""
        return self.first or 0

    def quanta(self, n_modes: int) -> dict[int, int]:
        """Return the quanta of modes by their number from 0; in the file they are counted from 1.

        Raises:
            InputError: There is no such mode.
        """
        for mode in self.excited_modes or {}:
            if mode > n_modes:
                raise InputError(
                    f"`excited_modes` must name modes from 1 to {n_modes}, in the order of frequencies, but "
                    f"names {mode}. `nadyn sample` lists them."
                )
        return {mode - 1: n for mode, n in (self.excited_modes or {}).items()}

    @property
    def excitation(self) -> str:
        """What `excited_modes` says, for the sentence on where a sample is from; empty without it."""
        words = [f"{n} in mode {mode}" for mode, n in sorted((self.excited_modes or {}).items())]
        return f" with quanta {', '.join(words)}" if words else ""

    @model_validator(mode="after")
    def _one_way(self) -> "InitialSection":
        given = self.model_fields_set
        ways = [way for way in _WAYS if way in given]
        if len(ways) != 1:
            found = " and ".join(f"`{way}`" for way in ways) or "none of them"
            raise ValueError(
                "`initial` must have one of `sample`, `position_au`, `structure`, `file` or `run`, "
                f"but has {found}."
            )
        strange = sorted(given - _COMMON - _WAYS[ways[0]])
        if strange:
            raise ValueError(
                f"`{strange[0]}` must not stand beside `{ways[0]}`, but does. Remove one of them."
            )
        if "position_au" in given and "momentum_au" not in given:
            raise ValueError("`momentum_au` must be given with `position_au`, but is missing.")
        if not given & {"file", "run"} and self.n is None:
            raise ValueError("`n` must be the number of trajectories, but is missing.")
        if self.state is not None and self.diabatic_state is not None:
            raise ValueError("`initial` must have `state` or `diabatic_state`, but has both. Remove one.")
        if self.multiplicity is not None and self.state is None:
            raise ValueError("`multiplicity` must stand beside `state`, but stands alone. Add the state.")
        if self.sample == "thermal" and self.temperature_kelvin == 0.0:
            raise ValueError("`temperature_kelvin` must be above 0 for a thermal sample, but is 0.")
        return self
