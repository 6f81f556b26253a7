"""What quantum chemistry is written like: sa3-casscf(2,2)/6-31g*, tda4-b3lyp/def2-svp."""

import re
from dataclasses import dataclass

from nadyn.checks.errors import InputError

EXAMPLES = "sa3-casscf(2,2)/6-31g* or tda4-b3lyp/def2-svp"

_CASSCF = re.compile(r"(?:sa-?(\d+)-)?casscf\((\d+),(\d+)\)/(.+)", re.IGNORECASE)
_LINEAR = re.compile(r"(tda|td|tddft|tdhf)-?(\d+)(?:-([^/]+))?/(.+)", re.IGNORECASE)


@dataclass(frozen=True)
class Casscf:
    """State-averaged CASSCF(electrons, orbitals) of so many states."""

    n_states: int
    n_electrons: int
    n_orbitals: int
    basis: str


@dataclass(frozen=True)
class LinearResponse:
    """The ground state and excited states by time-dependent density functional or Hartree-Fock theory."""

    n_states: int
    functional: str
    basis: str
    tamm_dancoff: bool


def method_of(text: str) -> Casscf | LinearResponse:
    """Return the method that a text names.

    `sa3-casscf(2,2)/6-31g*` is the average of 3 states, 2 electrons in 2 orbitals. `tda4-b3lyp/def2-svp` has
    4 states, the ground state among them; `td` is without the Tamm-Dancoff approximation, and `tdhf4/6-31g*`
    is `td4-hf/6-31g*`.

    Raises:
        InputError: The text cannot be read, or has no state or no active electron.
    """
    compact = text.replace(" ", "")
    if found := _CASSCF.fullmatch(compact):
        states, electrons, orbitals = int(found[1] or 1), int(found[2]), int(found[3])
        if states < 1 or not 0 < electrons < 2 * orbitals:
            raise InputError(
                f"`method` must average at least one state of fewer electrons than fill its orbitals, but is "
                f"{text!r}. casscf(2,2) is 2 electrons in 2 orbitals."
            )
        return Casscf(states, electrons, orbitals, found[4].lower())
    if found := _LINEAR.fullmatch(compact):
        kind, functional = found[1].lower(), (found[3] or "").lower()
        if int(found[2]) < 1:
            raise InputError(f"`method` must have at least one state, but is {text!r}.")
        if functional not in ("", "hf") if kind == "tdhf" else not functional:
            raise InputError(
                f"`method` must name a functional, and none of tdhf, but is {text!r}. Try tda4-b3lyp/6-31g*."
            )
        return LinearResponse(int(found[2]), functional or "hf", found[4].lower(), kind == "tda")
    raise InputError(f"`method` must be like {EXAMPLES}, but is {text!r}.")
