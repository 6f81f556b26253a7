"""Trajectory files into numbers, figures and a report. Reads files only; knows no models."""

from nadyn.analysis.member_summary import analyse_members
from nadyn.analysis.members_page import members_report
from nadyn.analysis.page import report
from nadyn.analysis.summary import analyse

__all__ = ["analyse", "analyse_members", "members_report", "report"]
