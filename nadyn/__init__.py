"""Non-adiabatic excited-state molecular dynamics with learned diabatic Hamiltonians.

A model maps nuclear positions to a small symmetric matrix, the diabatic Hamiltonian; energies, forces,
couplings, trajectories and figures follow from it. Importing this package imports nothing else: each name
below is loaded when it is first used.
"""

import importlib

__version__ = "0.1.0"

# public name -> (module, name in it)
_FUNCTIONS = {
    "ase_calculator": ("nadyn.interfaces.ase_calculator", "ase_calculator"),
    "load_dataset": ("nadyn.data", "load_dataset"),
    "load_model": ("nadyn.models", "load_model"),
    "load_trajectories": ("nadyn.trajectory", "load_trajectories"),
    "to_ase": ("nadyn.interfaces.ase_trajectories", "to_ase"),
    "to_xarray": ("nadyn.trajectory.xarray_dataset", "to_xarray"),
    "run": ("nadyn.interfaces.direct_run", "run"),
    "surfaces": ("nadyn.electronic.surfaces", "surfaces"),
}
_PACKAGES = (
    "analysis",
    "checks",
    "data",
    "dynamics",
    "electronic",
    "interfaces",
    "models",
    "quantum",
    "shipped",
    "structures",
    "training",
    "trajectory",
    "units",
)

__all__ = ["__version__", *sorted(_FUNCTIONS), *_PACKAGES]


def __getattr__(name: str) -> object:
    if name in _FUNCTIONS:
        module, attribute = _FUNCTIONS[name]
        value = getattr(importlib.import_module(module), attribute)
        globals()[name] = value
        return value
    if name in _PACKAGES:
        return importlib.import_module(f"nadyn.{name}")
    raise AttributeError(f"module 'nadyn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
