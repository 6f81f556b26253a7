"""The decoherence corrections of a run file by name."""

from nadyn.dynamics.augmented import augmented
from nadyn.dynamics.configuration import (
    AfsshSection,
    DecoherenceSection,
    EdcSection,
    InstantaneousSection,
    SdmSection,
    ShxfSection,
)
from nadyn.dynamics.decoherence import Decoherence, edc, instantaneous, no_decoherence
from nadyn.dynamics.exact_factorisation import exact_factorisation


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
