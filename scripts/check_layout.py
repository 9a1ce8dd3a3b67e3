"""Compare the modules of the package with the list in docs/architecture.md.

Fails when a module is missing from the list, when the list names one that is gone, or when the
package has more than 14 modules and sub-packages at its top level.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE, PAGE = ROOT / "src" / "seehear", ROOT / "docs" / "architecture.md"
HEADING, MAX_TOP_LEVEL = "## Files", 14


def modules() -> set[str]:
    """Every module of the package, as a path below it; packages without code are left out."""
    found = (path for path in PACKAGE.rglob("*.py") if path.stat().st_size)
    return {path.relative_to(PACKAGE).as_posix() for path in found}


def listed() -> set[str]:
    """The modules that the page lists: paths in backquotes in its section on files."""
    section = PAGE.read_text(encoding="utf-8").partition(f"\n{HEADING}\n")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `([\w./]+\.py)` \|", section, flags=re.MULTILINE))


def main() -> int:
    """Print what differs; 1 if anything does."""
    found, wanted = modules(), listed()
    top = {path.split("/")[0] for path in found} - {"__init__.py"}
    troubles = [f"{p}: not in the list of {PAGE.name}; add it there" for p in found - wanted]
    troubles += [f"{p}: in the list of {PAGE.name}, but gone; remove it" for p in wanted - found]
    if len(top) > MAX_TOP_LEVEL:
        troubles.append(f"expected at most {MAX_TOP_LEVEL} top-level entries, got {sorted(top)}")
    for trouble in sorted(troubles):
        print(trouble)
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main())
