"""Each step of docs/write-a-backend.md prints what the page shows."""

from pathlib import Path

import pytest
from tutorial_page import PAGE, output, steps

STEPS = list(steps(PAGE.read_text(encoding="utf-8")))


def test_it_goes_from_nothing_to_native() -> None:
    shown = [block[2] for _, _, block in STEPS]
    assert len(STEPS) >= 6
    assert "fallback 0, skipped 0 by 0 declared gaps, unexplained 0\n" in shown[-1]
    assert any("failed 1" in text for text in shown)


@pytest.mark.parametrize("step", range(len(STEPS)))
def test_a_step_prints_what_is_shown(step: int, tmp_path: Path) -> None:
    kernels, command, block = STEPS[step]
    assert f"$ allumette {command}\n" + output(kernels, command, tmp_path) == block[2]
