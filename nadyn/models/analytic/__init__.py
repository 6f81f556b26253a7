"""Models with a formula: the same face as a learned model, and answers that are known."""

from nadyn.models.analytic.springs import Springs, springs
from nadyn.models.analytic.table import analytic_model
from nadyn.models.analytic.tully import Tully, tully
from nadyn.models.analytic.vibronic import VibronicCoupling, pyrazine, read_vibronic_model

__all__ = [
    "Springs",
    "Tully",
    "VibronicCoupling",
    "analytic_model",
    "pyrazine",
    "read_vibronic_model",
    "springs",
    "tully",
]
