"""HTML reports of single runs and galleries of many runs. The pages work offline."""

from seehear.report.gallery import write_gallery
from seehear.report.page import write_page
from seehear.report.runs import Run, read_run, read_runs

__all__ = ["Run", "read_run", "read_runs", "write_gallery", "write_page"]
