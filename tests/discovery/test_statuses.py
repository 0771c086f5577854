"""Each fault of a plugin is a status with a reason and a remedy, wherever statuses are shown."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

# name, distribution, state, what the reason says, what the remedy says
EXPECTED = [
    ("good", "t-good", "usable", "", ""),
    ("fine", "t-good", "usable", "", ""),
    ("both", "t-both", "usable", "", ""),
    ("nothing", "t-opens-nothing", "usable", "", ""),
    ("nodevice", "t-unavailable", "unavailable", "no device was found", "plug one in"),
    ("nodriver", "t-unavailable", "unavailable", "no driver was found; install one", ""),
    (
        *("importerror", "t-importerror", "broken"),
        r"importing t_importerror raised ModuleNotFoundError: .*a_module_that_nobody_has"
        r".* \(t_importerror.py:1\)",
        "install what provides the module 'a_module_that_nobody_has', or: pip install .*",
    ),
    (
        *("v2", "t-v2", "incompatible"),
        r"it is written for version 2 of the contract; this core has 1\.\d+",
        "pip install --upgrade allumette-core",
    ),
    (
        *("v0", "t-v0", "incompatible"),
        r"it is written for version 0 of the contract; this core has 1\.\d+",
        "pip install --upgrade t-v0",
    ),
    (
        *("minor", "t-minor", "incompatible"),
        r"it needs version 1\.9 of the contract; this core has 1\.\d+",
        "pip install --upgrade allumette-core",
    ),
    (
        *("twin", "t-twin-a", "duplicate", r"t-twin-b 1\.2 provides 'twin' too"),
        "uninstall all but one, or choose: ALLUMETTE_BACKEND=twin@t-twin-a or .*=twin@t-twin-b",
    ),
    (
        *("twin", "t-twin-b", "duplicate", r"t-twin-a 1\.2 provides 'twin' too"),
        "uninstall all but one, or choose: ALLUMETTE_BACKEND=twin@t-twin-b or .*=twin@t-twin-a",
    ),
    ("numpy", "allumette-core", "usable", "", ""),
    (
        *("numpy", "t-numpy", "duplicate"),
        "the name 'numpy' belongs to the backend built into allumette-core",
        "pip uninstall t-numpy, .*",
    ),
    (
        *("mistyped", "t-mistyped", "broken"),
        "t_mistyped implements a hook 'allumette_prob', which does not exist",
        r"did you mean 'allumette_probe'\?",
    ),
    (
        *("argument", "t-argument", "broken"),
        "t_argument: .*allumette_probe.*'nam'.*",
        r"mend the plugin \(t-argument 1\.2\)",
    ),
    (
        *("unmarked", "t-unmarked", "broken"),
        "t_unmarked defines allumette_probe without @hookimpl",
        "mark it: .*",
    ),
    ("hookless", "t-hookless", "broken", "t_hookless has no allumette_backend hook", "mend .*"),
    (
        *("exit", "t-exit", "broken"),
        r"importing t_exit called sys\.exit\(3\) \(t_exit.py:3\)",
        "pip install --upgrade t-exit, or pip uninstall t-exit",
    ),
    ("base", "t-base", "broken", r"importing t_base raised Odd: very odd \(t_base.py:2\)", ".*"),
    ("syntax", "t-syntax", "broken", "importing t_syntax raised SyntaxError: .*", ".*"),
    (
        *("othername", "t-other-name", "broken"),
        "the entry point is 'othername', allumette_backend names 'another'",
        "mend .*",
    ),
    (
        *("raises", "t-raises", "broken"),
        r"t_raises: allumette_probe raised ZeroDivisionError: .* \(t_raises.py:\d+\)",
        ".*",
    ),
    ("Bad Name", "t-bad-name", "broken", ".*'Bad Name'; a name is a letter, .*", "reinstall .*"),
    ("t-garbled", "t-garbled", "broken", r"its entry_points.txt cannot be read: .*", ".*"),
]
IDS = [f"{name}-{distribution}" for name, distribution, *_ in EXPECTED]


@pytest.fixture(scope="module")
def listing(allumette: Callable[..., Any]) -> Any:
    return allumette("backends", "--json")


@pytest.fixture(scope="module")
def listed(listing: Any) -> Any:
    assert listing.returncode == 0, listing.stderr
    return json.loads(listing.stdout)


@pytest.fixture(scope="module")
def diagnosed(allumette: Callable[..., Any]) -> Any:
    result = allumette("doctor", "--json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def asked(script: Callable[..., Any]) -> Any:
    return script("""
        fields = "name", "distribution", "state", "reason", "remedy", "usable"
        out = [{f: getattr(s, f) for f in fields} for s in r.backends()]
    """)


@pytest.fixture(scope="module")
def texts(allumette: Callable[..., Any]) -> list[str]:
    return [allumette("backends").stdout, allumette("doctor").stdout]


def _find(entries: list[Any], name: str, distribution: str) -> Any:
    found = [e for e in entries if (e["name"], e["distribution"]) == (name, distribution)]
    assert len(found) == 1, f"{name} of {distribution} is listed {len(found)} times"
    return found[0]


@pytest.mark.parametrize(("name", "dist", "state", "reason", "remedy"), EXPECTED, ids=IDS)
def test_a_fault_is_a_status_with_reason_and_remedy(
    listed: Any,
    diagnosed: Any,
    asked: Any,
    name: str,
    dist: str,
    state: str,
    reason: str,
    remedy: str,
) -> None:
    entries = [
        _find(listed["backends"], name, dist),
        _find(diagnosed["backends"], name, dist),
        _find(asked, name, dist),
    ]
    for entry in entries:
        assert entry["state"] == state
        assert re.fullmatch(reason, entry["reason"]), entry["reason"]
        assert re.fullmatch(remedy, entry["remedy"]), entry["remedy"]
    assert entries[2]["usable"] == (state == "usable")


@pytest.mark.parametrize(("name", "dist", "state", "reason", "remedy"), EXPECTED, ids=IDS)
def test_a_person_reads_the_same(
    texts: list[str], name: str, dist: str, state: str, reason: str, remedy: str
) -> None:
    for text in texts:
        assert "\x1b" not in text
        assert re.search(rf"^{name} +{state} +{dist}\b.*{reason}", text, re.MULTILINE)
        assert not remedy or re.search(rf"^    remedy: {remedy}$", text, re.MULTILINE)


def test_nothing_is_listed_that_was_not_expected(listed: Any) -> None:
    known = {(name, dist) for name, dist, *_ in EXPECTED} | {("openfails", "t-open-fails")}
    extra = {(e["name"], e["distribution"]) for e in listed["backends"]} - known
    ours = {(n, d) for n, d in extra if not d.startswith(("allumette-", "an unnamed"))}
    assert not ours
    assert any(name == "nameless" for name, _ in extra)


def test_every_status_that_is_not_usable_says_what_to_do(listed: Any) -> None:
    for entry in listed["backends"]:
        assert (entry["state"] == "usable") == (not entry["reason"])
        # A plugin that gives its reason as one text has its remedy in there.
        if entry["state"] != "usable" and entry["name"] != "nodriver":
            assert entry["remedy"]


def test_json_keeps_to_its_schema(listed: Any, diagnosed: Any) -> None:
    assert listed["schema"] == "allumette-backends/1"
    assert diagnosed["schema"] == "allumette-doctor/1"
    fields = {
        *("name", "state", "reason", "remedy", "distribution", "version", "entry_point"),
        *("summary", "spec", "notes", "seconds", "capabilities"),
    }
    for entry in listed["backends"] + diagnosed["backends"]:
        assert set(entry) == fields
    good = _find(listed["backends"], "good", "t-good")
    assert good["version"] == "1.2"
    assert good["spec"] == "1.0"
    assert good["summary"] == "good of t_good"
    assert good["entry_point"] == "t_good"
    assert 0 < good["seconds"] < 60
    assert "float32" in good["capabilities"]["dtypes"]
    assert _find(listed["backends"], "v2", "t-v2")["seconds"] is None


def test_doctor_describes_the_installation(diagnosed: Any, python: Any) -> None:
    assert diagnosed["ok"] is True
    assert diagnosed["python"]["executable"] == str(python)
    assert diagnosed["cpu"]["usable"] >= 1
    assert diagnosed["platform"]["system"]
    packages = diagnosed["packages"]
    assert packages["allumette-core"]
    assert packages["numpy"]
    assert packages["t-good"] == "1.2"
    assert "allumette-gpu" in packages
    assert diagnosed["default"]["device"] in ("par", "numpy")


def test_doctor_lists_the_commands_of_plugins(diagnosed: Any) -> None:
    states = {(c["name"], c["distribution"]): c["state"] for c in diagnosed["commands"]}
    assert states["hello", "t-hello"] == "usable"
    assert states["sick", "t-sick"] == "broken"
    assert states["lies", "t-lies"] == "broken"
    assert states["doctor", "t-usurper"] == "duplicate"
    assert states["echo", "t-echo-a"] == states["echo", "t-echo-b"] == "duplicate"


def test_what_a_plugin_prints_does_not_spoil_the_json(listing: Any) -> None:
    assert "bye" not in listing.stdout
    assert "bye" in listing.stderr


def test_listing_backends_imports_no_command(listing: Any) -> None:
    assert "command" not in listing.stderr


def test_a_slow_import_is_noted(allumette: Callable[..., Any], slow_path: Any) -> None:
    result = allumette("backends", "--json", PYTHONPATH=str(slow_path))
    entry = _find(json.loads(result.stdout)["backends"], "slow", "t-slow")
    assert entry["state"] == "usable"
    assert entry["seconds"] > 2
    assert re.fullmatch(r"slow: importing it took 2\.\d s", entry["notes"][0])
    others = [e for e in json.loads(result.stdout)["backends"] if e["name"] == "good"]
    assert others[0]["notes"] == []
