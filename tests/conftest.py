"""What every test shares: hypothesis profiles, slow tests, and which packages may be installed."""

import os
from importlib.metadata import distributions

import pytest
from hypothesis import settings

# A first call may compile or import, so time per example says nothing about a test.
settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if "CI" in os.environ else "dev")
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--run-slow", action="store_true", help="also run the tests marked slow")


def pytest_configure() -> None:
    wanted = os.environ.get("ALLUMETTE_TESTS_ONLY")
    if wanted is not None and sorted(wanted.split()) != _installed():
        raise pytest.UsageError(f"these tests are to run with {wanted} alone, not {_installed()}")


def pytest_report_header() -> str:
    return f"installed here: {', '.join(_installed())}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--run-slow"):
        return
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="slow: give --run-slow"))


def _installed() -> list[str]:
    names = {str(found.metadata["Name"]).lower() for found in distributions()}
    return sorted(name for name in names if name.startswith("allumette-"))
