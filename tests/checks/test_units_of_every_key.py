"""Every key of a run file or a training file that carries a unit, as the number that the program computes with."""

import math
import re
from types import UnionType
from typing import Annotated, Union, get_args, get_origin

import pytest
import torch
from contracts.by_hand import model_by_hand
from pydantic import BaseModel

from nadyn.checks.configuration import parse_configuration
from nadyn.dynamics.baths.friction import friction_of
from nadyn.dynamics.baths.table import ThermostatSection
from nadyn.dynamics.decoherence.table import decoherence_of
from nadyn.dynamics.initial.wigner import variances
from nadyn.dynamics.methods.adaptive import division_of
from nadyn.dynamics.methods.csdm import CsdmOptions
from nadyn.dynamics.methods.representation_of import pulse_of
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.training.build import encoder_of
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.loop import _given_noise

# CODATA 2018, written down here once more: nothing of nadyn.units is used.
FEMTOSECOND, ELECTRONVOLT, ANGSTROM, KELVIN = 41.341373335, 1 / 27.211386246, 1 / 0.529177211, 3.166811563e-6
PER_PICOSECOND = 1 / (1000 * FEMTOSECOND)
