"""Compiled kernels on disk: found again, rebuilt when damaged, shared by processes."""

import ctypes
import inspect
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from allumette_core.errors import BackendError
from allumette_cpu.runtime import cache, functions, gemm, machine

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


MISSING = """
declare void @nowhere_to_be_found(i64)
define void @call_it(i64 %x) {
  call void @nowhere_to_be_found(i64 %x)
  ret void
}
"""
PRESENT = """
declare double @fmod(double, double)
define double @call_it(double %x) {
  %y = call double @fmod(double %x, double 2.0)
  ret double %y
}
"""


def test_code_that_calls_what_is_not_there_is_refused(place: Path) -> None:
    code = machine.object_code(machine.optimised(MISSING))
    with pytest.raises(BackendError, match="does not load"):
        cache.loaded("missing", lambda: code)
    assert list(place.iterdir()) == []  # nor is it kept
    call = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)
    present = cache.loaded("fmod", lambda: machine.object_code(machine.optimised(PRESENT)))
    assert call(present.address("call_it"))(5.5) == 1.5


def test_an_entry_that_does_not_load_is_made_anew(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.loaded("negate", produce)
    cache._write(entry(place).name, machine.object_code(machine.optimised(MISSING)))
    monkeypatch.setattr(cache, "_modules", {})
    assert cache.loaded("negate", produce).address("negate")
    monkeypatch.setattr(cache, "_modules", {})
    assert cache.loaded("negate", never).address("negate")


def test_what_was_used_longest_ago_makes_room(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        cache.loaded(f"{number}", produce)
    paths = sorted(place.iterdir())
    for age, path in enumerate(paths):
        os.utime(path, (1e9 - age, 1e9 - age))
    size = paths[0].stat().st_size
    monkeypatch.setattr(cache, "KEPT_BYTES", 3 * size)
    monkeypatch.setattr(cache, "_TURN", "")
    cache._read(paths[2].name)  # the oldest is used again
    cache.loaded("another", produce)
    left = set(place.iterdir())
    assert len(left) == 3
    assert paths[2] in left
    assert paths[1] not in left


def test_few_entries_look_at_all_the_others(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Path] = []
    monkeypatch.setattr(cache, "_prune", looks.append)
    for number in range(256):
        cache._write(f"{number:02x}", b"code")
    assert looks == [place]


@pytest.mark.parametrize("when", ["compiling", "writing"])
def test_ctrl_c_leaves_nothing_half_done(
    place: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    def interrupt(*args: object) -> bytes:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if when == "writing":
            patch.setattr(Path, "replace", interrupt)
        with pytest.raises(KeyboardInterrupt):
            cache.loaded("negate", interrupt if when == "compiling" else produce)
    assert list(place.iterdir()) == []
    assert cache.loaded("negate", produce).address("negate")
    done = []
    other = threading.Thread(target=lambda: done.append(cache.loaded("negate", never)))
    other.start()
    other.join(10)
    assert len(done) == 1  # no lock was left taken


def test_processes_that_fill_and_empty_one_directory(place: Path) -> None:
    script = """if True:
        import sys
        from allumette_cpu.runtime import cache, machine
        cache.KEPT_BYTES, cache._TURN = 20_000, ""
        for number in range(60):
            text = f"define i64 @f() {{\\n ret i64 {number}\\n}}"
            cache._modules.clear()
            import ctypes
            address = cache.address_of(text, "f")
            assert ctypes.CFUNCTYPE(ctypes.c_int64)(address)() == number
    """
    runs = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(3)]
    assert [run.wait(timeout=120) for run in runs] == [0, 0, 0]
    assert sum(path.stat().st_size for path in place.iterdir()) <= 20_000


def test_products_are_known_by_all_that_writes_them(tmp_path: Path) -> None:
    runtime = Path(gemm.__file__).parent
    shutil.copytree(runtime, tmp_path / "runtime", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(runtime.parent / "plan.py", tmp_path)
    before = functions.digest(tmp_path / "runtime")
    assert before == functions.digest(runtime)
    writers = {Path(inspect.getfile(c)) for c in gemm._Gemm.__mro__ if c is not object}
    assert len(writers) > 5
    for name in (*(path.name for path in writers), "../plan.py"):
        with (tmp_path / "runtime" / name).open("a") as file:
            file.write("# another version\n")
        after = functions.digest(tmp_path / "runtime")
        assert after != before, name
        before = after
