"""Score a folder of made clips against a folder of real ones, whichever system made them."""

from seehear.evaluation.compare import Difference, compared
from seehear.evaluation.folders import Failure, Pair, pairs_of
from seehear.evaluation.report import Report, read_report, write_report
from seehear.evaluation.score import TASKS, evaluated
from seehear.evaluation.systems import SYSTEMS

__all__ = [
    "SYSTEMS",
    "TASKS",
    "Difference",
    "Failure",
    "Pair",
    "Report",
    "compared",
    "evaluated",
    "pairs_of",
    "read_report",
    "write_report",
]
