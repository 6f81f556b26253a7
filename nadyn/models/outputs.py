"""What a potential says of structures."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from nadyn.models.encoders.features import Features


@dataclass(frozen=True)
class Learned:
    """What the weights of a potential have a part in.

    Attributes:
        hamiltonian: W [hartree] in float64, without dispersion.
        features: Of the atoms.
        charges: Of the atoms [e] in float64, in the layout of the surroundings; None without them.
    """

    hamiltonian: Float[Tensor, "structure basis basis"]
    features: Features
    charges: Float[Tensor, "atom traj"] | None


@dataclass(frozen=True)
class Outcome:
    """All that there is.

    Attributes:
        hamiltonian: W [hartree] in float64.
        novelty: See `AtomicNetwork.novelty`.
        charges: Of the atoms of each structure [e], one array for each placement of the surroundings; None
            without them.
    """

    hamiltonian: Float[Tensor, "structure basis basis"]
    novelty: Float[Tensor, "structure"]
    charges: tuple[Float[Tensor, "_ _"], ...] | None = None
