"""Opening a backend by name: only its plugin is imported, and no other takes its place."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from allumette_core.backend import status

Script = Callable[..., Any]

IMPORTED = "[name for name in sys.modules if name.startswith('t_')]"


def test_importing_core_imports_no_plugin(run: Callable[..., Any]) -> None:
    others = "{'click', 'pluggy'} & set(sys.modules)"
    result = run("-c", f"import allumette_core, sys; print({IMPORTED}, {others})")
    assert result.stdout == "[] set()\n"


@pytest.mark.parametrize(("name", "modules"), [("numpy", []), ("good", ["t_good"])])
def test_opening_one_imports_no_other(script: Script, name: str, modules: list[str]) -> None:
    out = script(f"""
        backend = r.open_backend("{name}")
        out = backend.info.name, {IMPORTED}, r.open_backend("{name}") is backend
    """)
    assert out == [name, modules, True]


def test_two_names_of_one_module_are_two_backends(script: Script) -> None:
    out = script("""
        good, fine = r.open_backend("good"), r.open_backend("fine")
        out = [good.info.name, fine.info.name, r.backend_of("fine:1") is fine]
    """)
    assert out == ["good", "fine", True]


def test_the_built_in_backend_wins_its_name(script: Script) -> None:
    out = script("""
        backend = r.open_backend("numpy")
        out = [type(backend).__module__, refused(r.open_backend, "numpy@t-numpy")]
    """)
    assert out[0] == "allumette_core.backend.reference"
    assert re.search("belongs to the backend built into allumette-core", out[1])


REFUSED = {
    "importerror": "is broken: importing t_importerror raised ModuleNotFoundError",
    "exit": r"is broken: importing t_exit called sys\.exit\(3\)",
    "base": "is broken: importing t_base raised Odd",
    "v2": r"\(t-v2 1\.2\) is incompatible: .*Remedy: pip install --upgrade allumette-core",
    "mistyped": "is broken: .*'allumette_prob'.*did you mean 'allumette_probe'",
    "nodevice": "is unavailable: no device was found. Remedy: plug one in",
    "twin": r"is duplicate: t-twin-b 1\.2 provides 'twin' too. Remedy: .*twin@t-twin-a",
    "nothing": "is broken: allumette_open returned a int, not a Backend",
    "openfails": "is broken: t_open_fails: allumette_open raised MemoryError: full",
    "god": "no backend 'god' is installed; installed: .*Did you mean 'good'",
    "qqqqqq": "no backend 'qqqqqq' is installed.*Remedy: name one of these",
    "good@t-fine": "'t-fine' does not provide backend 'good'; write 'good@t-good'",
}


def test_a_backend_asked_for_by_name_is_refused_with_reason_and_remedy(script: Script) -> None:
    out = script(f"out = {{n: refused(r.open_backend, n) for n in {list(REFUSED)!r}}}")
    for name, message in REFUSED.items():
        assert out[name].startswith("BackendError: ")
        assert re.search(message, out[name]), out[name]


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("gpu", r"no backend 'gpu' is installed; .*Remedy: pip install allumette-gpu"),
        ("cuda", r"Did you mean 'gpu' \(pip install allumette-gpu\)\?"),
        ("par", r"Remedy: pip install allumette-cpu"),
    ],
)
def test_what_is_not_installed_is_named_with_the_package_that_brings_it(
    name: str, remedy: str
) -> None:
    assert re.search(remedy, status.unknown(name, ["numpy"]))


def test_a_device_string_means_a_backend_and_its_device(script: Script) -> None:
    out = script("""
        devices = ["good", "good:0", "good:1", "numpy", "numpy:0"]
        wrong = ["good:2", "numpy:1", "good:x", "", "good:", ":1", "a:b:c", 3]
        out = [[r.resolve_device(d) for d in devices], [refused(r.backend_of, d) for d in wrong]]
    """)
    assert out[0] == ["good", "good", "good:1", "numpy", "numpy"]
    assert "DeviceError: no device 'good:2'; backend 'good' has: good, good:1" in out[1]
    assert all(message.startswith("DeviceError: ") for message in out[1])


def test_the_variable_sets_the_default(script: Script) -> None:
    code = "out = [r.default_device(), *r.explain_default()[:2]]"
    assert script(code, ALLUMETTE_BACKEND="good") == ["good", "good", "ALLUMETTE_BACKEND=good"]
    assert script(code, ALLUMETTE_BACKEND="")[0] in ("par", "numpy")


WRONG = ["goood", "exit", "numpy:7", ":", "twin", "good@t-exit"]


def test_a_wrong_variable_is_named_in_the_error(script: Script) -> None:
    out = script(f"""
        import os
        out = []
        for wish in {WRONG!r}:
            os.environ["ALLUMETTE_BACKEND"] = wish
            out.append(refused(r.default_device))
    """)
    for wish, message in zip(WRONG, out, strict=True):
        assert message.startswith(f"BackendError: ALLUMETTE_BACKEND={wish}: ")


def test_a_wrong_variable_does_not_stop_the_listing(allumette: Callable[..., Any]) -> None:
    result = allumette("backends", ALLUMETTE_BACKEND="goood")
    assert result.returncode == 0
    assert "default: none, because ALLUMETTE_BACKEND=goood: no backend" in result.stdout


def test_the_variable_may_change_while_the_process_runs(script: Script) -> None:
    out = script("""
        import os
        out = []
        for wish in ("numpy", "fine", "good:1", "good:0"):
            os.environ["ALLUMETTE_BACKEND"] = wish
            out.append(r.default_device())
    """)
    assert out == ["numpy", "fine", "good:1", "good"]


def test_set_default_device_outranks_the_variable(script: Script) -> None:
    out = script(
        """
        r.set_default_device("good:0")
        first = r.default_device()
        wrong = refused(r.set_default_device, "exit")
        kept = r.default_device()
        r.set_default_device(None)
        out = [first, wrong, kept, r.default_device()]
        """,
        ALLUMETTE_BACKEND="numpy",
    )
    assert [out[0], out[2], out[3]] == ["good", "good", "numpy"]
    assert out[1].startswith("BackendError")


def test_an_exact_choice_settles_a_duplicate(script: Script) -> None:
    out = script("""
        backend = r.open_backend("twin@t-twin-b")
        states = {s.distribution: s.state.value for s in r.backends() if s.name == "twin"}
        same = r.backend_of("twin:1") is backend
        out = [backend.origin, states, same, refused(r.open_backend, "twin@t-twin-a")]
    """)
    assert out[:3] == ["t_twin_b", {"t-twin-a": "duplicate", "t-twin-b": "usable"}, True]
    assert out[3] == "BackendError: backend 'twin' is open already, from 't-twin-b'"


def test_the_variable_can_make_the_exact_choice(script: Script) -> None:
    out = script(
        "out = [r.open_backend('twin').origin, r.default_device()]",
        ALLUMETTE_BACKEND="twin@T_Twin_A",
    )
    assert out == ["t_twin_a", "twin"]


def test_many_threads_open_one_backend_once(script: Script) -> None:
    out = script("""
        import threading
        barrier, found = threading.Barrier(16), []

        def work(name):
            barrier.wait()
            found.append(id(r.backend_of(name)))
            r.backends()

        names = ["good", "fine", "numpy", "good:1"] * 4
        threads = [threading.Thread(target=work, args=(name,)) for name in names]
        [t.start() for t in threads]
        [t.join() for t in threads]
        out = [len(found), len(set(found))]
    """)
    assert out == [16, 3]


def test_what_is_installed_later_is_found_after_refresh(script: Script, tmp_path: Any) -> None:
    out = script(f"""
        import pathlib, sys
        site = pathlib.Path({str(tmp_path)!r})
        sys.path.append(str(site))
        opened = r.open_backend("good")
        before = refused(r.open_backend, "late")
        info = site / "t_late-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\\nName: t-late\\nVersion: 1.0\\n")
        (info / "entry_points.txt").write_text("[allumette.backends.v1]\\nlate = t_late\\n")
        import t_good
        source = pathlib.Path(t_good.__file__).read_text()
        (site / "t_late.py").write_text(source.replace("'good'", "'late'"))
        r.refresh()
        out = [before, r.open_backend("late").info.name, r.open_backend("good") is opened]
    """)
    assert out[0].startswith("BackendError: no backend 'late'")
    assert out[1:] == ["late", True]


def test_data_goes_to_a_plugin_and_back(script: Script) -> None:
    out = script("""
        import numpy as np
        backend = r.backend_of("good:1")
        out = backend.to_host(backend.from_host(np.arange(3), "good:1")).tolist()
    """)
    assert out == [0, 1, 2]
