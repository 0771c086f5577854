"""One test a check. The checks, and what becomes of their outcomes, are in the plugin's hands."""

import pytest

from allumette_core.conformance.check import Check
from allumette_core.conformance.plugin import Session


def test_conformance(check: Check, conformance: Session) -> None:
    outcome = conformance.perform(check)
    if outcome.failed:
        repro = f"\n\n# {'-' * 20} to reproduce:\n{outcome.repro}" if outcome.repro else ""
        pytest.fail(f"{outcome.problem}{repro}", pytrace=False)
    if outcome.state == "skipped":
        pytest.skip(f"{outcome.gap} is not declared" + (f"; {outcome.note}" * bool(outcome.note)))
    if outcome.state == "known":
        pytest.xfail(outcome.note)
    assert outcome.state == "passed"
