"""The heads that a potential may have beside the one of W. A new one: its file, and a line here."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from nadyn.checks.errors import InputError
from nadyn.models.atomic_network import AtomicNetwork
from nadyn.models.heads.dipole import DipoleHead, DipoleSettings
from nadyn.models.heads.polarisability import PolarisabilityHead, PolarisabilitySettings
from nadyn.models.matrix.basis import Basis


@dataclass(frozen=True)
class HeadKind:
    """One head.

    Attributes:
        settings: A frozen dataclass of plain values, for model files.
        module: Builds the head from its settings, the latent basis and the network of W. Called with features
            and surroundings it gives its output in atomic units, float64; `standardise(network, frames)`
            scales what it reads.
    """

    settings: type
    module: Callable[[Any, Basis, AtomicNetwork], nn.Module]


# The names in training files and in model files, where they begin the names of the weights: heads.NAME.
HEADS: dict[str, HeadKind] = {
    "dipole": HeadKind(DipoleSettings, DipoleHead),
    "polarisability": HeadKind(PolarisabilitySettings, PolarisabilityHead),
}


def head_name(settings: object) -> str:
    """Return the name of the head that the settings belong to."""
    return next(name for name, kind in HEADS.items() if isinstance(settings, kind.settings))


def build_heads(settings: tuple[object, ...], basis: Basis, network: AtomicNetwork) -> nn.ModuleDict:
    """Return the heads by name, in the order of the settings."""
    return nn.ModuleDict(
        {head_name(one): HEADS[head_name(one)].module(one, basis, network) for one in settings}
    )


def heads_to_dict(settings: tuple[object, ...]) -> dict[str, dict[str, object]]:
    """Return the settings of heads as plain values for JSON."""
    return {head_name(one): asdict(one) for one in settings}


def heads_from_dict(values: dict[str, dict[str, object]]) -> tuple[object, ...]:
    """Return the settings that `heads_to_dict` wrote.

    Raises:
        InputError: A head is not known to this version.
    """
    for name in values:
        if name not in HEADS:
            raise InputError(
                f"the heads must be among {', '.join(HEADS)}, but one is {name!r}. Update nadyn."
            )
    return tuple(HEADS[name].settings(**own) for name, own in values.items())
