"""What the table of encoders holds of each one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol, runtime_checkable

from pydantic import Field
from torch import nn

from nadyn.checks.configuration import Configuration
from nadyn.models.surroundings import Surroundings


@runtime_checkable
class EncoderSettings(Protocol):
    """Hyperparameters of an encoder: a frozen dataclass of plain values that a model file can hold.

    Attributes:
        elements: Atomic numbers, ascending.
        cutoff: Distance [bohr] beyond which an atom has no neighbours.
    """

    elements: tuple[int, ...]
    cutoff: float

    @property
    def reach(self) -> float:
        """Distance [bohr] beyond which no atom changes the features of another one, whoever is in between."""
        ...


@runtime_checkable
class Encoder(Protocol):
    """What an encoder says of its features; called with `Surroundings` it returns `Features`.

    Attributes:
        n_invariants: Number of invariants.
        n_vectors: Number of vectors, and of tensors.
    """

    n_invariants: int
    n_vectors: int


def irreps(encoder: Encoder) -> str:
    """Return the irreducible representations of the features, such as "96x0e + 12x1o + 12x2e"."""
    return f"{encoder.n_invariants}x0e + {encoder.n_vectors}x1o + {encoder.n_vectors}x2e"


@runtime_checkable
class HasLayers(Protocol):
    """What an encoder has whose layers read what is to be scaled by its spread first."""

    def standardise(self, frames: list[Surroundings]) -> None:
        """Set the scales from frames of the training set."""
        ...


class CommonEncoderSection(Configuration):
    """The keys that the section `encoder:` of a training file has for every encoder."""

    cutoff_angstrom: Annotated[float, Field(gt=0, le=30, allow_inf_nan=False)] = 6.0
    cutoff_function: Literal["polynomial", "cosine"] = "polynomial"
    n_radial: Annotated[int, Field(ge=4, le=256)] = 12


@dataclass(frozen=True)
class EncoderKind:
    """One encoder: everything that training, model files and configuration need to know of it.

    Attributes:
        section: Its keys in a training file; its field `name` has one value, the name of the encoder.
        settings: Class of its hyperparameters.
        module: Builds the encoder from its settings.
        choose: Settings from a section, the elements, the cutoff and the shortest distance [bohr].
        reduce: The section of a small network, with which many starts are tried.
    """

    section: type[CommonEncoderSection]
    settings: type
    module: Callable[[Any], nn.Module]
    choose: Callable[[Any, tuple[int, ...], float, float], EncoderSettings]
    reduce: Callable[[Any], CommonEncoderSection]

    @property
    def name(self) -> str:
        return self.section.model_fields["name"].default
