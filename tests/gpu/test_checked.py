"""Checked mode: errors name their kernel, and a NaN is told where it comes from."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import allumette_core as al
import numpy as np
import pytest
from allumette_core.errors import BackendError
from allumette_gpu import native


@pytest.fixture(autouse=True)
def checked(backend: Any) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALLUMETTE_GPU_CHECKED", "1")
        al.reset_device("gpu")
    yield
    al.reset_device("gpu")


def told(function: Callable[..., Any], *args: Any) -> list[warnings.WarningMessage]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made = function(*args)
        al.evaluate(made)
    return caught


def some(*numbers: float) -> Any:
    return al.tensor(np.array(numbers, np.float32), device="gpu")


def test_a_nan_is_told_with_kernel_instruction_place_operands_and_line() -> None:
    (warning,) = told(lambda x: al.sum(al.log(x * 2) + 1), some(3.0, 0.0, -1.0, -2.0))
    text = str(warning.message)
    assert text.startswith("kernel 'reduce'")
    assert "log(float32[4]), instruction" in text
    assert text.endswith("makes a NaN at [2] of -2.0")
    assert warning.category is RuntimeWarning
    assert warning.filename == __file__


def test_the_first_of_those_that_have_a_nan_is_told_under_jit() -> None:
    @al.jit
    def f(x: Any) -> Any:
        return al.softmax(al.exp((x - x) / (x - 1)))

    (warning,) = told(f, some(2.0, 1.0, 4.0))
    assert "div(float32[3], float32[3])" in str(warning.message)
    assert "at [1] of 0.0, 0.0" in str(warning.message)


def test_a_nan_of_what_is_no_function_of_an_element() -> None:
    (warning,) = told(lambda x: al.cumulative_sum(x), some(1.0, np.inf, -np.inf, 2.0))
    assert "cumsum(float32[4]), instruction 2 of 2, makes a NaN at [2]" in str(warning.message)


def test_what_was_a_nan_before_or_is_dropped_is_not_told() -> None:
    assert not told(lambda x: al.sin(x) + 1, some(1.0, np.nan))
    assert not told(lambda x: al.where(x > 0, al.log(x), 0.0), some(-1.0, 2.0))
    assert not told(lambda x: al.exp(x), some(1.0, np.inf))


def test_it_is_told_where_it_could_not_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from allumette_gpu import executable

    def refuse(*args: Any) -> Any:
        raise BackendError("no memory")

    x = some(-1.0)
    run = al.jit(lambda x: al.log(x))
    run(al.abs(x))
    monkeypatch.setattr(executable, "build", refuse)
    (warning,) = told(run, x)
    assert "makes a NaN" in str(warning.message)
    assert "no memory" in str(warning.message)


def test_an_error_names_its_kernel_and_shows_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(encoder: Any, recorded: Any) -> None:
        raise RuntimeError("it went wrong")

    monkeypatch.setattr(native.Encoder, "dispatch", fail)
    with pytest.raises(BackendError, match=r"kernel 'map' failed: it went wrong[\s\S]*fn main"):
        (some(1.0) + 1).numpy()


def test_accesses_are_bounded(backend: Any) -> None:
    """What is compiled without bounds would read whatever lies there."""
    device = backend.device("gpu")
    assert device.checked
    wide, narrow = some(*range(64)), some(7.0)
    source = """
@group(0) @binding(0) var<storage, read> from_: array<f32>;
@group(0) @binding(1) var<storage, read_write> to: array<f32>;
@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) id: vec3<u32>) { to[id.x + 5u] = from_[id.x + 9u]; }
"""
    pipeline = device.pipeline(source, "wild")
    al.evaluate(wide, narrow)
    group = device.raw.create_bind_group(
        layout=pipeline.get_bind_group_layout(0),
        entries=[
            {"binding": i, "resource": {"buffer": x.room.block.raw, "offset": x.offset, "size": 4}}
            for i, x in enumerate((narrow._node.buffer, wide._node.buffer))
        ],
    )
    device.commands.run([(pipeline, group, (1, 1, 1))], (), 0)
    assert wide.tolist()[1:] == list(range(1, 64))
