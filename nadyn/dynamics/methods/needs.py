"""What a run asks of a label source that takes the place of a model: the table method × source.

A method declares nothing for this: what it needs follows from how it propagates, kicks and averages. A source
says in `gives` what it knows. What is missing is refused, with what to choose instead.
"""

from dataclasses import dataclass
from typing import Literal

from nadyn.checks.errors import InputError
from nadyn.dynamics.decoherence.moments import AfsshSection
from nadyn.dynamics.methods.method import Method
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.electronic.direct.book import Wanted
from nadyn.electronic.direct.questions import Facts
from nadyn.units import HARTREE_PER_EV

Kind = Literal[
    "forces",
    "interstate_couplings",
    "overlaps",
    "a fixed diabatic basis",
    "states of one spin",
    "a periodic cell",
]

_WORDS = {
    "forces": "forces",
    "interstate_couplings": "couplings",
    "overlaps": "overlaps of wave functions",
    "a fixed diabatic basis": "a fixed diabatic basis",
    "states of one spin": "states of one multiplicity only",
    "a periodic cell": "a periodic cell",
}
_BY_OVERLAP = ("local_diabatisation", "npi", "state_reordering")
_ALONG_COUPLINGS = ("nac", "nac_unprojected")


@dataclass(frozen=True)
class Need:
    """Something that a run needs of its source.

    Attributes:
        kind: What.
        key: The key of the run file that asks for it.
        value: Its value.
        instead: What to choose where it is missing.
        when: At every step, or where a hop is tried.
    """

    kind: Kind
    key: str
    value: str
    instead: str
    when: Literal["at every step", "at hops"] = "at every step"


def needs_of(config: RunConfiguration, method: Method) -> list[Need]:
    """Return what a run needs of a label source, the gravest first."""
    name = config.method

    def of_method(kind: Kind, instead: str, when: str = "at every step") -> Need:
        return Need(kind, "method", name, instead, when)

    needs = [of_method("forces", "Use a source with forces.")]
    if "barostat" in method.keys:
        needs.append(of_method("a periodic cell", "Try nvt."))
    if not method.needs_two_states:
        return needs
    if method.needs_fixed_basis:
        return [*needs, of_method("a fixed diabatic basis", "Try multistate_mash or ehrenfest.")]
    gaps_only = "Try landau_zener, or fssh with propagation: curvature."
    if not method.moves_coefficients:
        needs.append(of_method("states of one spin", "Try fssh with overlaps, or states of one spin."))
    elif "propagation" in method.keys:
        needs += _of_propagation(config)
    else:
        needs.append(of_method("overlaps", gaps_only))
    if method.moves_on != "active state":
        needs.append(of_method("interstate_couplings", gaps_only))
    elif "rescale" not in method.keys:
        needs.append(of_method("interstate_couplings", gaps_only, "at hops"))
    elif config.rescale in _ALONG_COUPLINGS:
        instead = "Try gradient_difference."
        needs.append(Need("interstate_couplings", "rescale", config.rescale, instead, "at hops"))
    if "decoherence" in method.keys and isinstance(config.decoherence, AfsshSection):
        needs.append(Need("overlaps", "decoherence", "afssh", "Try edc."))
    return needs


def _of_propagation(config: RunConfiguration) -> list[Need]:
    by = config.propagation
    if by in _BY_OVERLAP:
        return [Need("overlaps", "propagation", by, "Try tdc where there are couplings, else curvature.")]
    if by == "tdc":
        return [Need("interstate_couplings", "propagation", by, "Try curvature.")]
    return [Need("states of one spin", "propagation", by, "Try local_diabatisation.")]


def missing(needs: list[Need], facts: Facts) -> Need | None:
    """Return the first need that a source does not meet."""
    return next((need for need in needs if not _met(need.kind, facts)), None)


def _met(kind: Kind, facts: Facts) -> bool:
    if kind in ("a fixed diabatic basis", "a periodic cell"):
        return False
    if kind == "states of one spin":
        return len(set(facts.multiplicities)) == 1
    return kind in facts.gives


def check_source(config: RunConfiguration, method: Method, facts: Facts) -> None:
    """Refuse a run that its label source cannot serve.

    Raises:
        InputError: It gives no overlaps, couplings or forces where they are needed, or never has what is
            asked for.
    """
    lacking = missing(needs_of(config, method), facts)
    if lacking is None:
        return
    raise InputError(
        f"`{lacking.key}` must do without {_WORDS[lacking.kind]} for source {facts.name}, which has none"
        f"{_given(facts)}, but is {lacking.value}. {lacking.instead}"
        if lacking.kind != "states of one spin"
        else f"`{lacking.key}` {lacking.value} must have states of one multiplicity, which it cannot tell "
        f"apart, but source {facts.name} has {', '.join(map(str, facts.multiplicities))}. {lacking.instead}"
    )


def wanted_of(config: RunConfiguration, method: Method) -> Wanted:
    """Return what is asked of every label, so that it is asked once."""
    needs = needs_of(config, method)
    when = {need.when for need in needs if need.kind == "interstate_couplings"}
    couplings = "each step" if "at every step" in when else "when asked" if when else "never"
    afssh = "decoherence" in method.keys and isinstance(config.decoherence, AfsshSection)
    all_forces = method.needs_two_states and (method.moves_on != "active state" or afssh)
    jump_ev = None if config.stop is None else config.stop.jump_ev
    return Wanted(all_forces, couplings, None if jump_ev is None else jump_ev * HARTREE_PER_EV)


def _given(facts: Facts) -> str:
    words = [_WORDS[kind] for kind in ("forces", "interstate_couplings", "overlaps") if kind in facts.gives]
    return f" (it gives {' and '.join(words)})" if words else ""
