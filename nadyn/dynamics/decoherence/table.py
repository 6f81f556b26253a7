"""The decoherence corrections of a run file by name."""

from typing import Annotated

from pydantic import Field

from nadyn.dynamics.decoherence.correction import Decoherence, no_decoherence
from nadyn.dynamics.decoherence.energy_based import EdcSection, SdmSection, edc
from nadyn.dynamics.decoherence.exact_factorisation import ShxfSection, exact_factorisation
from nadyn.dynamics.decoherence.instantaneous import InstantaneousSection, instantaneous
from nadyn.dynamics.decoherence.moments import AfsshSection, augmented

DecoherenceSection = Annotated[
    EdcSection | SdmSection | InstantaneousSection | AfsshSection | ShxfSection,
    Field(discriminator="name"),
]


def decoherence_of(section: DecoherenceSection | str) -> Decoherence:
    """Return the correction that `decoherence` in a run file asks for."""
    match section:
        case EdcSection():
            return edc(damps=section.damps, energy_parameter=section.energy_parameter_hartree)
        case SdmSection():
            return edc(damps="amplitudes", energy_parameter=section.energy_parameter_hartree)
        case InstantaneousSection():
            return instantaneous(after=section.after)
        case AfsshSection():
            return augmented()
        case ShxfSection():
            return exact_factorisation(width=section.width_bohr, threshold=section.threshold)
        case _:
            return no_decoherence()
