"""These tests hold functions to NumPy's meaning, on the reference backend."""

from collections.abc import Iterator

import allumette_core as al
import pytest


@pytest.fixture(autouse=True)
def _on_the_reference() -> Iterator[None]:
    al.set_default_device("numpy")
    yield
    al.set_default_device(None)
