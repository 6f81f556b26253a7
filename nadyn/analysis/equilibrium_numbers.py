"""Key numbers of dynamics on one state: temperature, drift, and what bulk matter has."""

from nadyn.analysis.key_number import KeyNumber
from nadyn.checks.counts import counted


def numbers_of_equilibrium(numbers: dict[str, object]) -> list[KeyNumber]:
    """Return the key numbers of a run on one state from the dictionary of `analyse`."""
    return _kinetic(numbers) + _bulk(numbers)


def _kinetic(numbers: dict[str, object]) -> list[KeyNumber]:
    kelvin, slope = numbers["temperature_kelvin"], numbers["energy_slope_ev_per_ps"]
    found = [
        KeyNumber(
            "Temperature",
            f"{kelvin['mean']:.0f}",
            " K",
            f"kinetic, {counted(kelvin['degrees_of_freedom'], 'degree of freedom')}",
        )
    ]
    if slope["median"] is not None:
        detail = f"median; worst trajectory {slope['worst']:.1e}"
        found.append(KeyNumber("Energy drift", f"{slope['median']:.1e}", " eV/ps", detail))
    return found


def _bulk(numbers: dict[str, object]) -> list[KeyNumber]:
    matter = numbers.get("bulk")
    if matter is None:
        return []
    found = []
    names = (
        ("Pressure", "pressure_gpa", "GPa"),
        ("Volume", "volume_angstrom3", "Å³"),
        ("Density", "density_g_per_cm3", "g/cm³"),
    )
    for name, key, unit in names:
        mean, error = matter[key]["mean"], matter[key]["error"]
        detail = f"{_with_error(error, unit)}, after {matter['after_fs']:.4g} fs"
        found.append(KeyNumber(name, f"{mean:.5g}", f" {unit}", detail))
    for element, one in matter.get("diffusion", {}).items():
        value, other = one["by_msd_cm2_per_s"], one["by_vacf_cm2_per_s"]
        detail = (
            f"± {one['by_msd_error']:.1g} from displacements; {other:.3g} ± {one['by_vacf_error']:.1g} from "
            "velocities"
        )
        found.append(KeyNumber(f"Diffusion of {element}", f"{value:.3g}", " cm²/s", detail))
    return found


def _with_error(error: float | None, unit: str) -> str:
    if error is None:
        return "too short for an error"
    return f"± {error:.2g} {unit} (standard error)" if error else "constant"
