"""Is everything in order? The machine, and the way of the gradient through a family's models."""

from seehear.doctor.chains import Chain, chains_of
from seehear.doctor.fits import Fit, fits
from seehear.doctor.links import Finding, Flow, Link, walk
from seehear.doctor.report import Report, examine

__all__ = [
    "Chain",
    "Finding",
    "Fit",
    "Flow",
    "Link",
    "Report",
    "chains_of",
    "examine",
    "fits",
    "walk",
]
