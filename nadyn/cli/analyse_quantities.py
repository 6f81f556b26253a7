"""Coordinates that `nadyn analyse` is asked to follow, and what it prints of them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from nadyn.analysis.geometry import Quantity
    from nadyn.trajectory import Run


def quantities_asked(asked: Mapping[str, list[str] | None], run: "Run") -> "list[Quantity]":
    """Return the coordinates that options name.

    Args:
        asked: Texts by `distance`, `angle`, `dihedral`, and `coordinate`, whose texts name the kind.
        run: The run, or a part of it.

    Raises:
        InputError: A text names no coordinate, or one of atoms where there are none.
    """
    from nadyn.analysis.geometry import check_has_atoms, parse_quantity, read_quantity

    n_atoms = run.positions.shape[2]
    found = [
        read_quantity(text, n_atoms) if kind == "coordinate" else parse_quantity(kind, text, n_atoms)
        for kind, texts in asked.items()
        for text in texts or []
    ]
    check_has_atoms(run, found)
    return found


def print_followed(console: "Console", numbers: Mapping[str, object]) -> None:
    """Print means and distributions of the coordinates of `geometry`."""
    for followed in numbers.get("geometry", []):
        atoms = ",".join(str(atom) for atom in followed["atoms"])
        ends = (followed["mean"][0], followed["mean"][-1])
        first, last = ("—" if value is None else f"{value:.4g}" for value in ends)
        unit = followed["unit"]
        console.print(f"{followed['kind']} {atoms}: mean {first} {unit} at the start, {last} at the end")
        quantiles = followed["quantiles"]
        if quantiles["0.5"][-1] is not None:
            words = ", ".join(f"{100 * float(q):g} %: {row[-1]:.4g}" for q, row in quantiles.items())
            console.print(f"  at the end, by the part that is below ({unit}): {words}")
