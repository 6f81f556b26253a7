"""Models with a formula: the same face as a learned model, and answers that are known."""

from nadyn.models.analytic.conical_intersection import ConicalIntersection, conical_intersection
from nadyn.models.analytic.jahn_teller_modes import jahn_teller_modes
from nadyn.models.analytic.lvc_template import read_lvc, sulfur_dioxide
from nadyn.models.analytic.morse import MorsePhotodissociation, morse
from nadyn.models.analytic.normal_coordinates import NormalCoordinates
from nadyn.models.analytic.shin_metiu import ShinMetiu, shin_metiu
from nadyn.models.analytic.spin_boson import spin_boson
from nadyn.models.analytic.springs import Springs, springs
from nadyn.models.analytic.table import analytic_model
from nadyn.models.analytic.tully import Tully, tully
from nadyn.models.analytic.vibronic import VibronicCoupling, pyrazine, read_vibronic_model

__all__ = [
    "ConicalIntersection",
    "MorsePhotodissociation",
    "NormalCoordinates",
    "ShinMetiu",
    "Springs",
    "Tully",
    "VibronicCoupling",
    "analytic_model",
    "conical_intersection",
    "jahn_teller_modes",
    "morse",
    "pyrazine",
    "read_lvc",
    "read_vibronic_model",
    "shin_metiu",
    "spin_boson",
    "springs",
    "sulfur_dioxide",
    "tully",
]
