"""Compiled kernels on disk: found again, rebuilt when damaged, shared by processes."""

import subprocess
import sys
from pathlib import Path

import pytest
from allumette_cpu.runtime import cache, machine

NEGATE = """
define i64 @negate(i64 %x) {
  %y = sub i64 0, %x
  ret i64 %y
}
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ALLUMETTE_CPU_CACHE", str(tmp_path))
    monkeypatch.setattr(cache, "_modules", {})
    return tmp_path


def produce() -> bytes:
    return machine.object_code(machine.optimised(NEGATE))


def never() -> bytes:
    raise AssertionError("compiled again")


def entry(place: Path) -> Path:
    (path,) = place.iterdir()
    return path


def test_an_entry_is_found_by_the_next_process(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = cache.loaded("negate", produce)
    assert cache.loaded("negate", never) is first
    monkeypatch.setattr(cache, "_modules", {})
    assert cache.loaded("negate", never).address("negate")


@pytest.mark.parametrize("damage", ["flipped", "short", "empty", "other"])
def test_a_damaged_entry_is_made_anew(
    place: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    cache.loaded("negate", produce)
    path = entry(place)
    good = path.read_bytes()
    flipped = bytearray(good)
    flipped[-5] ^= 1
    damaged = {"flipped": bytes(flipped), "short": good[:-9], "empty": b"", "other": b"x" * 500}
    path.write_bytes(damaged[damage])
    monkeypatch.setattr(cache, "_modules", {})
    made = []
    cache.loaded("negate", lambda: made.append(1) or produce())  # type: ignore[func-returns-value]
    assert made == [1]
    assert path.read_bytes() == good


def test_keys_tell_entries_apart(place: Path) -> None:
    cache.loaded("one", produce)
    cache.loaded("two", produce)
    assert len(list(place.iterdir())) == 2


def test_a_directory_that_cannot_be_written_only_costs_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ALLUMETTE_CPU_CACHE", str(tmp_path / "file" / "below"))
    monkeypatch.setattr(cache, "_modules", {})
    assert cache.loaded("negate", produce).address("negate")


def test_an_empty_variable_keeps_nothing_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLUMETTE_CPU_CACHE", "")
    monkeypatch.setattr(cache, "_modules", {})
    assert cache.directory() is None
    assert cache.loaded("negate", produce).address("negate")


def test_processes_may_share_a_directory(place: Path) -> None:
    script = (
        "import sys; from allumette_cpu.runtime import functions;"
        "functions.address('gemm_f32'); print('numba' in sys.modules, 'scipy' in sys.modules)"
    )
    runs = [
        subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert [run.communicate(timeout=120)[0].split() for run in runs] == [["False", "False"]] * 3
    assert entry(place).stat().st_size > 1000  # one entry, no temporary file left over
