"""Write the metric cards in docs/evaluation.md from `seehear.evaluation.metric_cards`.

`python scripts/write_metric_cards.py` writes them; `--check` fails if the page is out of date.
"""

import argparse
import sys
from pathlib import Path

from seehear.evaluation.feature_networks import FEATURES, FeatureNetwork
from seehear.evaluation.metric_cards import CARDS, STATISTICS, MetricCard
from seehear.models.catalogue import BY_NAME

PAGE = Path(__file__).resolve().parents[1] / "docs" / "evaluation.md"
BEGIN, END = "<!-- cards: written by scripts/write_metric_cards.py -->\n", "<!-- end of cards -->"
ARROWS = {"lower": "↓", "higher": "↑"}


def row(*cells: str) -> str:
    """One line of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def networks() -> str:
    """Table of the `--features` networks and the source of their weights."""
    head = ("`--features`", "network", "columns", "weights")
    text = row(*head) + "|" + " --- |" * len(head) + "\n"
    for measure in FEATURES.values():
        columns = ", ".join(
            f"{column}{_condition(name)}" for name, column in measure.columns.items()
        )
        text += row(f"`{measure.name}`", measure.network, columns, _weights(measure))
    return text


def _condition(statistic: str) -> str:
    return " (with `--prompts`)" if statistic in ("VT", "AT") else ""


def _weights(measure: FeatureNetwork) -> str:
    if measure.shipped:
        return "in the package"
    if measure.extra:
        return f'`pip install "seehear[eval,{measure.extra}]"`, Apache-2.0'
    if not measure.entry:
        return f"your own file: `--features {measure.name}=PATH`"
    entry = BY_NAME[measure.entry]
    return f"`seehear models pull {entry.name}`, {entry.terms.name}"


def cards() -> str:
    """One section per formula, with one line per column."""
    return "".join(_section(*group) for group in _groups())


def _groups() -> list[tuple[str, list[MetricCard]]]:
    """Cards by formula, in the order of `STATISTICS`."""
    formulas = [statistic.formula for statistic in STATISTICS.values()]
    formulas += [card.formula for card in CARDS.values() if card.formula not in formulas]
    by_formula = {
        formula: [c for c in CARDS.values() if c.formula == formula] for formula in formulas
    }
    return [(formula, group) for formula, group in by_formula.items() if group]


def _section(formula: str, group: list[MetricCard]) -> str:
    first = group[0]
    text = "\n**" + ", ".join(card.name for card in group) + "** " + ARROWS[first.better]
    text += f"\n\n`{formula}`\n\nRange: {first.scale}.\n\n"
    head = ("column", "network: layer", "input of the network", "feature vectors", "source")
    text += row(*head) + "|" + " --- |" * len(head) + "\n"
    for card in group:
        text += row(card.name, card.network, card.input, card.rows, card.source)
    return text


def main() -> None:
    """Write the cards, or check that the page is up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail if the cards are out of date")
    options = parser.parse_args()
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    wanted = before + BEGIN + "\n" + networks() + cards() + "\n" + END + after
    if options.check:
        if wanted != text:
            sys.exit(f"{PAGE} is out of date: run `python scripts/write_metric_cards.py`")
        return
    PAGE.write_text(wanted, encoding="utf-8")


if __name__ == "__main__":
    main()
