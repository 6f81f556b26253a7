"""The table method × label source, from what methods need and sources give."""

from typing import get_args

from nadyn.checks.configuration import parse_configuration
from nadyn.dynamics.electrons.ways import Propagate
from nadyn.dynamics.methods.method import Method
from nadyn.dynamics.methods.needs import missing, needs_of
from nadyn.dynamics.methods.table import METHODS
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.electronic.direct.questions import Facts

GIVES = {
    "forces": {"forces"},
    "forces, couplings": {"forces", "interstate_couplings"},
    "forces, overlaps": {"forces", "overlaps"},
    "forces, couplings, overlaps": {"forces", "interstate_couplings", "overlaps"},
}
_WORDS = {"interstate_couplings": "couplings"}


def table() -> str:
    """Return which method goes with a source that gives what, and what is missing where it does not."""
    head = ["method", *GIVES]
    lines = [_row(head), _row(["---"] * len(head))]
    for name, method in METHODS.items():
        ways = get_args(Propagate) if "propagation" in method.keys else (None,)
        for way in ways:
            title = f"`{name}`" if way is None else f"`{name}`, `propagation: {way}`"
            cells = [_cell(name, method, way, frozenset(gives)) for gives in GIVES.values()]
            lines.append(_row([title, *cells]))
    return "\n".join(lines)


def _cell(name: str, method: Method, way: str | None, gives: frozenset[str]) -> str:
    facts = Facts("any", "", (1, 1), 0, (1, 1), gives, None)
    lacking = missing(needs_of(_config(name, way, None), method), facts)
    if lacking is None:
        return "yes"
    if lacking.key == "rescale":
        lacking = missing(needs_of(_config(name, way, "gradient_difference"), method), facts)
        if lacking is None:
            return "with `rescale: gradient_difference`"
    return f"no: {_WORDS.get(lacking.kind, lacking.kind)}"


def _config(name: str, way: str | None, rescale: str | None) -> RunConfiguration:
    chosen = {"propagation": way, "rescale": rescale}
    content = {"initial": {"file": "initial.h5"}, "method": name, "time_fs": 1.0}
    content |= {key: value for key, value in chosen.items() if value is not None}
    return parse_configuration(content, RunConfiguration, where="table")


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
