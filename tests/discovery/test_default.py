"""Which device is the default when nobody asks for one, and what a broken `par` does to it."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from allumette_core.backend import finder, naming, registry
from allumette_core.backend.scan import BACKENDS_GROUP, Claim
from allumette_core.errors import BackendError

SOURCE = """
from allumette_core.backend.hooks import hookimpl
from allumette_core.backend.spec import BackendInfo

@hookimpl
def allumette_backend():
    return BackendInfo("par")

@hookimpl
def allumette_probe(name):
    return {probe!r}

@hookimpl
def allumette_open(name): ...
"""

Make = Callable[..., registry.Registry]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """A registry that sees one plugin, `par`, whose probe gives what is asked for."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("ALLUMETTE_BACKEND", raising=False)

    def make(probe: Any = None, installed: bool = True) -> registry.Registry:
        module = f"t_par_{tmp_path.name}"
        (tmp_path / f"{module}.py").write_text(SOURCE.format(probe=probe), encoding="utf-8")
        claims = [Claim(BACKENDS_GROUP, "par", module, "t-par", "1.0")] if installed else []
        return registry.Registry(finder.Finder(lambda _: claims))

    return make


def test_par_is_the_default_if_it_is_usable(make: Make) -> None:
    assert make().default() == "par"


def test_numpy_is_the_default_without_par(make: Make) -> None:
    found = make(installed=False)
    assert found.default() == "numpy"
    assert found.explain_default().why == "'par' is not installed"


def test_numpy_takes_over_from_a_par_that_fails_and_says_so_once(
    make: Make, recwarn: pytest.WarningsRecorder
) -> None:
    found = make("it is too hot")
    assert [found.default(), found.default()] == ["numpy", "numpy"]
    (warning,) = recwarn.list
    assert "computing with 'numpy'" in str(warning.message)
    assert "it is too hot" in str(warning.message)


def test_a_probe_that_answers_nonsense_is_broken(make: Make) -> None:
    (status,) = [s for s in make(42).backends() if s.name == "par"]
    assert status.state == "broken"
    assert status.reason == "allumette_probe returned a int, not None, a str or Unavailable"


def test_progress_names_each_backend_before_it_is_imported(make: Make) -> None:
    seen: list[str] = []
    make().backends(seen.append)
    assert seen == ["numpy", "par"]


def test_threads_that_look_first_share_one_scan() -> None:
    calls = []

    def scan(_: str) -> list[Claim]:
        calls.append(1)
        time.sleep(0.05)
        return []

    found = finder.Finder(scan)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: found.candidates(), range(8)))
    assert len(calls) == 1
    assert all(answer is answers[0] for answer in answers)


def test_a_plugin_that_asks_for_itself_does_not_hang(tmp_path: Path, make: Make) -> None:
    found = make()
    module = f"t_par_{tmp_path.name}"
    source = f"import {__name__.rpartition('.')[2]}_hook as h; h.ask()\n"
    hook = tmp_path / f"{__name__.rpartition('.')[2]}_hook.py"
    hook.write_text("ask = None\n", encoding="utf-8")
    (tmp_path / f"{module}.py").write_text(source, encoding="utf-8")
    __import__(hook.stem).ask = lambda: found.finder.open(naming.parse("par"))
    with pytest.raises(BackendError, match="needs itself while it is imported"):
        found.finder.open(naming.parse("par"))


def test_no_usable_backend_is_an_error_of_doctor(
    make: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from allumette_core.cli import app

    claim = Claim(BACKENDS_GROUP, "numpy", "a_module_that_nobody_has", "allumette-core", "0")
    monkeypatch.setattr(finder, "_builtin", lambda: claim)
    monkeypatch.setattr(registry, "REGISTRY", make("broken"))
    assert app.run(["doctor"]) == 1
    assert "no backend is usable" in capsys.readouterr().out
