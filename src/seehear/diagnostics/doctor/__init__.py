"""Checks of the machine and of the gradient flow through the models of a family."""

from seehear.diagnostics.doctor.chains import Chain, chains_of
from seehear.diagnostics.doctor.gradient_check import Finding, GradientSize, Link, check_gradients
from seehear.diagnostics.doctor.memory_fit import Fit, fits
from seehear.diagnostics.doctor.report import Report, examine

__all__ = [
    "Chain",
    "Finding",
    "Fit",
    "GradientSize",
    "Link",
    "Report",
    "chains_of",
    "check_gradients",
    "examine",
    "fits",
]
