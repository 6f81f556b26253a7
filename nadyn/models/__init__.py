"""From positions to the diabatic Hamiltonian: analytic models, encoders, learned models, model files."""

import importlib

_NAMES = {
    "load_model": "nadyn.models.model_file",
    "save_model": "nadyn.models.model_file",
    "LearnedModel": "nadyn.models.learned",
    "Model": "nadyn.models.model",
    "Evaluation": "nadyn.models.model",
}
__all__ = ["Evaluation", "LearnedModel", "Model", "analytic", "load_model", "save_model"]


def __getattr__(name: str) -> object:
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    if name == "analytic":
        return importlib.import_module("nadyn.models.analytic")
    raise AttributeError(f"module 'nadyn.models' has no attribute {name!r}")
