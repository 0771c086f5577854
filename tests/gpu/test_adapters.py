"""Which adapters there are, what is told of them, and choosing one by its name."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from allumette_gpu import adapters


def doctor(**variables: str) -> Any:
    command = [sys.executable, "-m", "allumette_core", "doctor", "--json"]
    env = {**os.environ, **variables}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    return json.loads(done.stdout)


def test_the_doctor_tells_adapter_driver_limits_and_features(device: Any) -> None:
    facts = doctor(ALLUMETTE_GPU_LIMITS="binding=1048576 memory=7000000")["devices"]["gpu"]
    assert facts["adapter"].startswith(device.adapter_name)
    assert facts["driver"].endswith(("(Vulkan)", "(Metal)", "(D3D12)"))
    assert facts["memory"] == "7,000,000 bytes"
    assert facts["largest value"] == "1,048,576 bytes"
    assert facts["storage buffers"] == f"{device.limits.buffers} a kernel"
    assert f"{device.limits.invocations:,} invocations" in facts["workgroups"]
    assert device.features <= set(facts["features"].split(", "))


def test_an_adapter_is_chosen_by_a_part_of_its_name(device: Any) -> None:
    part = device.adapter_name[1:5].swapcase()
    assert doctor(WGPU_ADAPTER_NAME=part)["devices"]["gpu"]
    report = doctor(WGPU_ADAPTER_NAME="Voodoo 2")
    assert "gpu" not in report["devices"]
    (gpu,) = [b for b in report["backends"] if b["name"] == "gpu"]
    assert gpu["state"] == "unavailable"
    assert "no adapter has 'Voodoo 2' in its name" in gpu["reason"]
    assert device.adapter_name in gpu["reason"]
    assert "WGPU_ADAPTER_NAME" in gpu["remedy"]


def test_better_kinds_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    class Adapter:
        def __init__(self, name: str, kind: str) -> None:
            self.info = {"device": name, "adapter_type": kind}

    found = [Adapter("b", "CPU"), Adapter("c", "IntegratedGPU"), Adapter("a", "DiscreteGPU")]
    ordered = tuple(sorted(found, key=adapters._rank))
    assert [adapters.adapter_name(a) for a in ordered] == ["a", "c", "b"]
    monkeypatch.setattr(adapters, "_every_adapter", lambda: ordered)
    monkeypatch.setenv("WGPU_ADAPTER_NAME", "C")
    assert [adapters.adapter_name(a) for a in adapters.find_adapters()] == ["c"]
    monkeypatch.setattr(adapters, "_every_adapter", tuple)
    monkeypatch.delenv("WGPU_ADAPTER_NAME")
    assert "mesa-vulkan-drivers" in str(adapters.missing())
