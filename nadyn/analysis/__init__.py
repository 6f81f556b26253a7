"""Trajectory files into numbers, figures and a report. Reads files only; knows no models."""

from nadyn.analysis.page import report
from nadyn.analysis.summary import analyse

__all__ = ["analyse", "report"]
