"""What was found of crossings, as plain numbers for a file, a page and a picture."""

import numpy as np

from nadyn.electronic.crossings.landscape import Landscape
from nadyn.electronic.crossings.search import Crossing, Crossings
from nadyn.structures import symbol
from nadyn.units import ANGSTROM_PER_BOHR, ELECTRONVOLT_PER_HARTREE, EV_PER_ANGSTROM_PER_AU

FORMAT = "nadyn-crossings"
VERSION = 1


def record_of(
    landscape: Landscape, found: Crossings, states: tuple[int, int], *, reference: float | None = None
) -> dict[str, object]:
    """Return what a search found, in eV and angstrom.

    Args:
        landscape: What was searched.
        found: What was found.
        states: The two states.
        reference: Energy that energies are counted from [hartree], such as that of the minimum of the ground
            state; None for none.
    """
    return {
        "format": FORMAT,
        "version": VERSION,
        "of": landscape.name,
        "states": list(states),
        "names": [landscape.state_name(state) for state in states],
        "reference_energy_hartree": reference,
        "crossings": [crossing_record(landscape, one, reference) for one in found.found],
        "given_up": [
            {"start": one.start, "method": one.method, "reason": one.reason} for one in found.given_up
        ],
        "n_points": dict(found.n_points),
    }


def crossing_record(landscape: Landscape, one: Crossing, reference: float | None) -> dict[str, object]:
    """Return one crossing; what is not known is None."""
    scale = ANGSTROM_PER_BOHR if landscape.atomic_numbers else 1.0
    result: dict[str, object] = {
        "energy_hartree": one.energy,
        "energy_ev": None if reference is None else (one.energy - reference) * ELECTRONVOLT_PER_HARTREE,
        "gap_ev": one.gap * ELECTRONVOLT_PER_HARTREE,
        "gradient_along_seam_ev_per_angstrom": one.gradient * EV_PER_ANGSTROM_PER_AU,
        "methods": list(one.methods),
        "starts": list(one.starts),
        "penalty_rmsd_angstrom": None if one.penalty_rmsd is None else one.penalty_rmsd * scale,
        "penalty_energy_ev": None
        if one.penalty_energy is None
        else one.penalty_energy * ELECTRONVOLT_PER_HARTREE,
        "is_saddle": None if one.curvature is None else one.curvature.is_saddle,
        "doubt": one.point.doubt,
        "positions_angstrom": (one.point.positions * scale).tolist(),
        "cone": None,
        "loop": None,
    }
    if one.cone is not None:
        cone = one.cone
        result["cone"] = {
            "words": cone.words,
            "pitch_ev_per_angstrom": cone.pitch * EV_PER_ANGSTROM_PER_AU,
            "asymmetry": cone.asymmetry,
            "tilt": cone.tilt,
            "heading_degrees": float(np.degrees(cone.heading)),
            "peakedness": cone.peakedness,
            "branching": _finite(cone.branching),
            "lengths_ev_per_angstrom": [length * EV_PER_ANGSTROM_PER_AU for length in cone.lengths],
            "slope_ev_per_angstrom": [slope * EV_PER_ANGSTROM_PER_AU for slope in cone.slope],
            "directions": cone.directions.tolist(),
        }
    if one.loop is not None:
        around = one.loop
        mean = one.energy
        pair = (one.pair.lower, one.pair.upper)
        result["loop"] = {
            "angles_degrees": np.degrees(around.angles).tolist(),
            "x_angstrom": (around.x * scale).tolist(),
            "y_angstrom": (around.y * scale).tolist(),
            "energies_ev": [
                [(float(point.energies[state]) - mean) * ELECTRONVOLT_PER_HARTREE for state in pair]
                for point in around.points
            ],
            "turned_radian": _finite(around.turned),
            "sign": around.sign,
        }
    return result


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def xyz_text(landscape: Landscape, record: dict[str, object]) -> str:
    """Return all crossings of a record as frames of an .xyz file, the lowest first."""
    if landscape.atomic_numbers is None:
        return ""
    lines: list[str] = []
    for number, one in enumerate(record["crossings"]):
        energy = "" if one["energy_ev"] is None else f" energy_ev={one['energy_ev']:.4f}"
        words = "" if one["cone"] is None else f' cone="{one["cone"]["words"]}"'
        lines += [
            str(len(landscape.atomic_numbers)),
            f"crossing={number} gap_ev={one['gap_ev']:.6f}{energy}{words}",
        ]
        lines += [
            f"{symbol(z):2s} {x:15.8f} {y:15.8f} {w:15.8f}"
            for z, (x, y, w) in zip(landscape.atomic_numbers, one["positions_angstrom"], strict=True)
        ]
    return "".join(line + "\n" for line in lines)
