"""Numbers of matter in a periodic cell: pressure, volume, density, diffusion, each with its error."""

import numpy as np

from nadyn.analysis.blocks import mean_and_error
from nadyn.analysis.diffusion import diffusion
from nadyn.analysis.energies import temperature
from nadyn.structures import symbol
from nadyn.trajectory import Run
from nadyn.units import (
    ANGSTROM_PER_BOHR,
    ELECTRON_MASS_PER_DALTON,
    ELECTRONVOLT_PER_HARTREE,
    FEMTOSECOND_PER_AU,
    GIGAPASCAL_PER_AU,
)

# What a run needs to forget its start, as a part of it, where nobody says.
_FORGOTTEN = 0.2
_GRAM_PER_CM3_PER_DALTON_PER_A3 = 1.66053906892
_CM2_PER_S_PER_AU = (1e-8 * ANGSTROM_PER_BOHR) ** 2 / (1e-15 * FEMTOSECOND_PER_AU)


def bulk(run: Run, *, after_fs: float | None = None) -> dict[str, object] | None:
    """Return means over time and trajectories with standard errors; None for a run without cells.

    `after_fs` (what is before is left out, by default a fifth of the run), `temperature_kelvin`,
    `pressure_gpa`, `volume_angstrom3`, `density_g_per_cm3` and `potential_ev_per_atom`, each {mean, error};
    `cell_angstrom`, the mean of its vectors; `lag_fs`, and for each element `diffusion` {symbol:
    {by_msd_cm2_per_s, by_msd_error, by_vacf_cm2_per_s, by_vacf_error, msd_angstrom2, vacf}}, without a
    correction for the size of the cell.

    Only trajectories that came to the end of the file count.
    """
    if run.cell is None or run.committed_frames < 2:
        return None
    interval = float(run.time_fs[1] - run.time_fs[0])
    after = _FORGOTTEN * float(run.time_fs[-1]) if after_fs is None else after_fs
    frames = np.flatnonzero(run.time_fs >= after - 1e-6 * interval)
    through = np.flatnonzero(run.alive().all(axis=0))
    if not len(frames) or not len(through):
        return None
    some = np.ix_(frames, through)
    cell, stress = np.asarray(run.cell)[some], np.asarray(run.stress)[some]
    kinetic = np.asarray(run.kinetic_energy)[some]
    volume = np.abs(np.linalg.det(cell))
    pressure = 2.0 * kinetic / (3.0 * volume) - np.trace(stress, axis1=-2, axis2=-1) / 3.0
    n_atoms = len(run.masses)
    active = np.asarray(run.active_state)[some]
    potential = np.take_along_axis(np.asarray(run.energies)[some], active[..., None], axis=-1)[..., 0]
    daltons = float(run.masses.sum()) / ELECTRON_MASS_PER_DALTON
    angstrom3 = volume * ANGSTROM_PER_BOHR**3
    quantities = {
        "temperature_kelvin": temperature(run)[some],
        "pressure_gpa": pressure * GIGAPASCAL_PER_AU,
        "volume_angstrom3": angstrom3,
        "density_g_per_cm3": _GRAM_PER_CM3_PER_DALTON_PER_A3 * daltons / angstrom3,
        "potential_ev_per_atom": potential * ELECTRONVOLT_PER_HARTREE / n_atoms,
    }
    result: dict[str, object] = {"after_fs": after, "n_frames": len(frames), "n_trajectories": len(through)}
    for name, values in quantities.items():
        # A number that stays as it is has no error.
        mean, error = mean_and_error(values)
        result[name] = {"mean": mean, "error": 0.0 if np.ptp(values) == 0.0 else error}
    result["cell_angstrom"] = cell.mean(axis=(0, 1)) * ANGSTROM_PER_BOHR
    return result | _diffusion(run, some, cell, interval)


def _diffusion(run: Run, some: tuple, cell: np.ndarray, interval: float) -> dict[str, object]:
    """Return the wandering of each element, in a cell that breathes by fractions of it."""
    weight = run.masses / run.masses.sum()
    fractions = np.asarray(run.positions)[some] @ np.linalg.inv(cell)
    positions = fractions @ cell.mean(axis=(0, 1))
    velocities = np.asarray(run.momenta)[some] / run.masses[:, None]
    positions = positions - (weight[:, None] * positions).sum(axis=2, keepdims=True)
    velocities = velocities - (weight[:, None] * velocities).sum(axis=2, keepdims=True)
    found, lag = {}, None
    for number in np.unique(run.atomic_numbers):
        of_element = run.atomic_numbers == number
        one = diffusion(
            positions[:, :, of_element], velocities[:, :, of_element], interval / FEMTOSECOND_PER_AU
        )
        if one is None:
            return {}
        lag = one.lag * FEMTOSECOND_PER_AU
        found[symbol(int(number))] = {
            "by_msd_cm2_per_s": one.by_displacement * _CM2_PER_S_PER_AU,
            "by_msd_error": one.by_displacement_error * _CM2_PER_S_PER_AU,
            "by_vacf_cm2_per_s": one.by_velocity * _CM2_PER_S_PER_AU,
            "by_vacf_error": one.by_velocity_error * _CM2_PER_S_PER_AU,
            "msd_angstrom2": one.displacement * ANGSTROM_PER_BOHR**2,
            "vacf": one.autocorrelation / one.autocorrelation[0],
        }
    return {"lag_fs": lag, "diffusion": found}
