"""What of wgpu is private is in one module, and is there in the release that is installed."""

import re
from importlib.metadata import requires, version
from pathlib import Path
from typing import Any

import allumette_gpu
import numpy as np
import pytest
from allumette_gpu import native
from packaging.requirements import Requirement

SOURCES = sorted(Path(allumette_gpu.__file__).parent.rglob("*.py"))
PRIVATE = re.compile(r"(?<!self)(?<!sys)\._[a-z]|wgpu_native\._|wgpu_native import|\bffi\.|\blib\.")


def test_the_release_that_is_installed_is_one_that_was_tried() -> None:
    """And has every private call; another one is slower at worst, by way of the public API."""
    (wanted,) = (r for r in map(Requirement, requires("allumette-gpu") or ()) if r.name == "wgpu")
    assert wanted.specifier.contains(version("wgpu"))
    assert {clause.operator for clause in wanted.specifier} == {">=", "<"}
    assert native.CAN_ENCODE
    assert native.HAS_TRUSTED


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_nothing_private_is_used_elsewhere(path: Path) -> None:
    found = PRIVATE.findall(path.read_text())
    assert bool(found) == (path.stem == "native"), found


def test_waiting_works_by_the_public_api_too(
    device: Any, backend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "CAN_ENCODE", False)
    x = backend.from_host(np.ones(3, np.float32), "gpu")
    backend.synchronize("gpu")
    assert device.commands._encoder is None
    assert backend.to_host(x).tolist() == [1.0, 1.0, 1.0]
