"""The decoherence corrections of a run file: one line each, whose section and formulas are in one file."""

from typing import Annotated, Union

from pydantic import Field

from nadyn.dynamics.decoherence.correction import Decoherence, no_decoherence
from nadyn.dynamics.decoherence.energy_based import EdcSection, SdmSection
from nadyn.dynamics.decoherence.exact_factorisation import ShxfSection
from nadyn.dynamics.decoherence.instantaneous import InstantaneousSection
from nadyn.dynamics.decoherence.moments import AfsshSection

CORRECTIONS = (
    EdcSection,
    SdmSection,
    InstantaneousSection,
    AfsshSection,
    ShxfSection,
)

DecoherenceSection = Annotated[Union[CORRECTIONS], Field(discriminator="name")]  # noqa: UP007


def decoherence_of(section: DecoherenceSection | str) -> Decoherence:
    """Return the correction that `decoherence` in a run file asks for; "none" changes nothing."""
    return no_decoherence() if isinstance(section, str) else section.correction()


def needs_real_states(section: type | object) -> bool:
    """Tell whether a correction knows no complex eigenvectors, as spin-adiabatic states have."""
    return getattr(section, "needs_real_states", False)


def names_for_complex_states() -> list[str]:
    """Return the names of the corrections that understand complex eigenvectors."""
    fields = [section.model_fields["name"] for section in CORRECTIONS if not needs_real_states(section)]
    return [str(field.annotation.__args__[0]) for field in fields]
