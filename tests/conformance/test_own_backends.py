"""The backends of this repository conform, in each of their modes: minutes each."""

import pytest
from allumette_core.backend.registry import backends
from kit import conform

pytestmark = pytest.mark.slow
USABLE = {status.name for status in backends() if status.usable}


def held(*names: str, **options: str) -> None:
    """Fail unless the backends `names` conform in an environment with `options`."""
    lacking = set(names) - USABLE
    if lacking:
        pytest.skip(f"{', '.join(sorted(lacking))} cannot be used here")
    done = conform(*names, **options)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert done.stdout.count("unexplained 0") >= len(names)


def test_numpy() -> None:
    held("numpy")


@pytest.mark.parametrize("threads", ["1", "2"])
@pytest.mark.parametrize("tier", ["always", "auto"])
def test_the_cpu_in_both_tiers(tier: str, threads: str) -> None:
    held("seq", "par", ALLUMETTE_CPU_COMPILE=tier, ALLUMETTE_NUM_THREADS=threads)


@pytest.mark.parametrize("checked", ["0", "1"])
def test_the_gpu_checked_and_not(checked: str) -> None:
    held("gpu", ALLUMETTE_GPU_CHECKED=checked)
