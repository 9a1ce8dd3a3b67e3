"""Score a folder of generated clips from any system against a folder of real clips."""

from seehear.evaluation.compare import Difference, compared, over_optimisation_warnings
from seehear.evaluation.evaluate import evaluated
from seehear.evaluation.feature_cache import FeatureCache, default_folder
from seehear.evaluation.feature_networks import FEATURES, load_measure
from seehear.evaluation.match_clips import Failure, Pair, pairs_of
from seehear.evaluation.naming_rules import SYSTEMS
from seehear.evaluation.prompts import read_prompts
from seehear.evaluation.report import Report, read_report, write_report

__all__ = [
    "FEATURES",
    "SYSTEMS",
    "Difference",
    "Failure",
    "FeatureCache",
    "Pair",
    "Report",
    "compared",
    "default_folder",
    "evaluated",
    "load_measure",
    "over_optimisation_warnings",
    "pairs_of",
    "read_prompts",
    "read_report",
    "write_report",
]
