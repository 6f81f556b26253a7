"""Trajectories as a dataset of xarray, with names and units, which becomes a NetCDF file."""

from typing import TYPE_CHECKING

import numpy as np

from nadyn.checks.errors import InputError
from nadyn.trajectory.trajectories import Trajectories

if TYPE_CHECKING:
    import xarray

_AXES = {
    "positions": ("frame", "traj", "atom", "x"),
    "momenta": ("frame", "traj", "atom", "x"),
    "energies": ("frame", "traj", "state"),
    "kinetic_energy": ("frame", "traj"),
    "total_energy_error": ("frame", "traj"),
    "active_state": ("frame", "traj"),
    "populations_adiabatic": ("frame", "traj", "state"),
    "diabatic_populations": ("frame", "traj", "basis"),
    "cell": ("frame", "traj", "row", "x"),
    "stress": ("frame", "traj", "row", "x"),
    "weight": ("traj",),
    "masses": ("atom",),
    "end_fs": ("traj",),
    "energy_error_max": ("traj",),
}


def to_xarray(run: Trajectories) -> "xarray.Dataset":
    """Return the arrays of a run by name, with their units as attributes, ready for `to_netcdf`.

    Coefficients are two arrays, `coefficients_real` and `coefficients_imaginary`, because NetCDF knows no
    complex numbers. Hops are arrays `hop_…` along the axis `hop`. `time_fs` is the coordinate of frames.

    Raises:
        InputError: xarray is not installed.
    """
    try:
        import xarray
    except ImportError as error:
        raise InputError(
            "xarray must be installed for this, but is not. Install it: pip install 'nadyn[xarray]'."
        ) from error
    arrays: dict[str, tuple] = {}
    for name, axes in _AXES.items():
        array = getattr(run, name)
        if array is not None:
            unit = {"units": run.units[name]} if name in run.units else {}
            arrays[name] = (axes, array, unit)
    for name, part in (("real", run.coefficients.real), ("imaginary", run.coefficients.imag)):
        arrays[f"coefficients_{name}"] = (("frame", "traj", "state"), part, {"units": "1"})
    arrays["status"] = (("traj",), np.array(run.status, dtype=str))
    if run.atomic_numbers is not None:
        arrays["atomic_numbers"] = (("atom",), run.atomic_numbers)
    for name, column in run.hops.items():
        # NetCDF has no truth values.
        arrays[f"hop_{name}"] = (("hop",), column.astype(np.int8) if column.dtype == bool else column)
    coordinates = {"time_fs": (("frame",), run.time_fs, {"units": "fs"})}
    attributes = {"method": run.method, "model": str(run.config.get("model", "")), "program": "nadyn"}
    return xarray.Dataset(arrays, coordinates, attributes)
