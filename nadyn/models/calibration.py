"""How far the members of a committee are from the truth where they differ so much: numbers in a model file.

The raw spread of a committee is too small: members have learned from nearly the same frames. From labels that
none of them has seen follows, for each quantity,

    σ² = offset² + (factor s)² + (by_force s_F)²

with the spread s of the quantity itself and the spread s_F of the forces (that of the worst atom, of all
states), which hundreds of numbers say where four energies are few. σ is the *calibrated spread*: of the
errors 68 % lie within σ, and 95 % within 2σ.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

QUANTITIES = ("energy", "gap", "force", "coupling", "coupling_norm")


@dataclass(frozen=True)
class Scale:
    """From the spread of one quantity to its calibrated spread.

    Attributes:
        factor: Of the spread itself.
        offset: Error where the members agree, in the unit of the quantity [atomic units].
        by_force: Of the spread of the forces [unit of the quantity / (hartree/bohr)].
        coverage: Parts of the errors on which it was fitted that lie within one and within two calibrated
            spreads; of all, and of each third of them by calibrated spread.
        n_values: How many errors these were.
    """

    factor: float
    offset: float = 0.0
    by_force: float = 0.0
    coverage: tuple[tuple[float, float], ...] = ()
    n_values: int = 0

    def of(
        self, spread: Float[Tensor, "*shape"], force_spread: Float[Tensor, "*other"]
    ) -> Float[Tensor, "*shape"]:
        """Return the calibrated spread; `force_spread` has fewer or as many axes, and is broadcast."""
        force_spread = force_spread.reshape(*force_spread.shape, *[1] * (spread.ndim - force_spread.ndim))
        squares = (self.factor * spread) * (self.factor * spread)
        if self.by_force:
            squares = squares + (self.by_force * force_spread) * (self.by_force * force_spread)
        return torch.sqrt(squares + self.offset * self.offset)


RAW = Scale(1.0)


@dataclass(frozen=True)
class Calibration:
    """The scale of each quantity that had labels; others keep their raw spread.

    Attributes:
        scales: By name, see `QUANTITIES`.
        n_frames: Frames with labels that no member saw.
    """

    scales: Mapping[str, Scale] = field(default_factory=dict)
    n_frames: int = 0

    def scale(self, quantity: str) -> Scale:
        """Return the scale of a quantity; the raw spread where nothing is known."""
        return self.scales.get(quantity, RAW)

    def plain(self) -> dict[str, object]:
        """Return it as plain values, for the header of a model file."""
        return {
            "n_frames": self.n_frames,
            "scales": {name: asdict(scale) for name, scale in self.scales.items()},
        }


def calibration_from_plain(values: Mapping[str, object]) -> Calibration:
    """Return what `Calibration.plain` and JSON took apart."""
    scales = {
        name: Scale(**{**scale, "coverage": tuple(map(tuple, scale["coverage"]))})
        for name, scale in values["scales"].items()
    }
    return Calibration(scales, values["n_frames"])
