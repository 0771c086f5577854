"""The kit finds what is wrong with a backend, and nothing wrong with one that is right."""

import re
from pathlib import Path

import pytest
from allumette_core.conformance.check import perform
from allumette_core.conformance.levels import checks
from allumette_core.conformance.subject import Subject
from mutants import MUTANTS
from sabotage import killer, opened, sample

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "kill-table.md"
FULL_ONLY = {"add: is wrong above 2**24 elements", "gather: holds indices in float32"}


def test_there_are_enough_mutants_and_each_is_in_the_table() -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = [
        row for row in re.findall(r"^\| (.+) \| (.+?) \|$", text, re.MULTILINE) if ": " in row[0]
    ]
    assert len(MUTANTS) >= 60
    assert {name for name, _ in rows} == set(MUTANTS)
    assert not [name for name, killed in rows if killed == "nothing"]
    assert {name for name, killed in rows if "full run only" in killed} <= FULL_ONLY


QUICKLY = [name for name in sample(16) if not name.startswith("backend") and name not in FULL_ONLY]


@pytest.mark.parametrize("name", QUICKLY)
def test_a_mutant_is_killed(name: str) -> None:
    assert killer(name) is not None


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(MUTANTS) - set(QUICKLY)))
def test_every_mutant_is_killed(name: str) -> None:
    assert killer(name, full=name in FULL_ONLY) is not None


@pytest.mark.parametrize("seed", [1, 2])
def test_no_false_alarm(seed: int) -> None:
    subject = Subject(opened(None), seed=seed)
    made = [c for c in checks((0, 1, 3, 4)) if c.level != 1 or "float" in c.dtype][seed::5]
    assert not [o.problem for o in (perform(c, subject) for c in made) if o.failed]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_no_false_alarm_in_twenty_seeds(seed: int) -> None:
    subject = Subject(opened(None), seed=seed)
    assert not [o.problem for o in (perform(c, subject) for c in checks(full=False)) if o.failed]
