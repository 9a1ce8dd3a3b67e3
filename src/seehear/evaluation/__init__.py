"""Score a folder of made clips against a folder of real ones, whichever system made them."""

from seehear.evaluation.compare import Difference, compared
from seehear.evaluation.folders import Failure, Pair, pairs_of
from seehear.evaluation.measures import FEATURES, load_measure
from seehear.evaluation.prompts import read_prompts
from seehear.evaluation.report import Report, read_report, write_report
from seehear.evaluation.score import TASKS, evaluated

__all__ = [
    "FEATURES",
    "TASKS",
    "Difference",
    "Failure",
    "Pair",
    "Report",
    "compared",
    "evaluated",
    "load_measure",
    "pairs_of",
    "read_prompts",
    "read_report",
    "write_report",
]
