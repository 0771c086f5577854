"""Functions are as accurate as is stated, over numbers of every size."""

import runpy
from pathlib import Path
from typing import Any

import pytest

BENCHMARK = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "gpu_ulp.py"))


@pytest.mark.parametrize("name", BENCHMARK["FUNCTIONS"])
def test_units_in_the_last_place(name: str, device: Any) -> None:
    largest, mean, at = BENCHMARK["measured"](name, 50_000)
    assert largest <= 4, f"{name} at {at}"
    assert mean <= 0.5
    if "float16" in device.dtypes:
        largest, _, at = BENCHMARK["measured"](name, 0, "float16")
        assert largest <= 0.51, f"{name} of float16 at {at}"
