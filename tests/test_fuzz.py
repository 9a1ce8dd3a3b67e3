"""A short run of the seeded mutations; `python -m tests.fuzz --count 10000` is the long one."""

import pytest
from tests.fuzz import KINDS
from tests.fuzz.__main__ import run

# All kinds together take less than a minute on two cores.
COUNTS = {"media": 100, "lists": 300, "ledgers": 150, "checkpoints": 6, "web_bodies": 120}


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_mutations_give_a_result_or_a_sentence(kind):
    count = COUNTS.get(kind, 40)
    findings = run(kind, seed=26, count=count, seconds=60.0, mb=1000)
    assert not findings, findings[0].reason


@pytest.mark.long
def test_an_error_a_slow_case_and_a_crash_are_reported():
    findings = run("faulty", seed=0, count=6, seconds=1.0, mb=1000)
    assert [finding.index for finding in findings] == [1, 2, 3]
    error, slow, crash = (finding.reason for finding in findings)
    assert "ZeroDivisionError" in error
    assert slow.startswith("took")
    assert "ended with -11" in crash
