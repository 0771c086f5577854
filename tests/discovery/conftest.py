"""Plugin distributions to throw away: real projects, built into wheels, installed into a venv."""

import json
import os
import subprocess
import sys
import sysconfig
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hatchling.builders.wheel import WheelBuilder

BACKEND = """
    from allumette_core.backend.hooks import hookimpl
    from allumette_core.backend.spec import BackendInfo, Unavailable

    NAMES = {names!r}

    @hookimpl
    def allumette_backend():
        return [BackendInfo(name, summary=f"{{name}} of {module}") for name in NAMES]

    @hookimpl
    def allumette_open(name):
        from allumette_core.backend.reference import NumpyBackend

        class Ours(NumpyBackend):
            info = BackendInfo(name)
            origin = "{module}"

            def devices(self):
                return name, name + ":1"

        return Ours()
"""


@dataclass(frozen=True)
class Project:
    """A distribution: `source` is its only module, `entries` what it registers in each group."""

    source: str
    backends: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    group: str = "allumette.backends.v1"
    more: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def working(module: str, *names: str, extra: str = "") -> str:
    """The source of a plugin without a fault, followed by `extra`."""
    source = textwrap.dedent(BACKEND).format(names=names, module=module)
    return source + textwrap.dedent(extra)


def command(name: str) -> str:
    return textwrap.dedent(f"""
        import click
        from allumette_core.backend.hooks import hookimpl

        @hookimpl
        def allumette_commands(app):
            @app.command()
            @click.option("--fail", is_flag=True)
            def {name}(fail):
                "Say hello."
                if fail:
                    raise OSError(2, "No such file or directory", "data.csv")
                click.echo("hello from {name}")
    """)


PROJECTS = {
    "t-good": Project(working("t_good", "good", "fine"), ("good", "fine")),
    "t-unavailable": Project(
        working(
            "t_unavailable",
            *("nodevice", "nodriver"),
            extra="""
            @hookimpl
            def allumette_probe(name):
                if name == "nodevice":
                    return Unavailable("no device was found", "plug one in")
                return "no driver was found; install one"
            """,
        ),
        ("nodevice", "nodriver"),
    ),
    "t-importerror": Project("import a_module_that_nobody_has\n", ("importerror",)),
    "t-v2": Project(
        "raise SystemExit('v2 was imported')\n", ("v2",), group="allumette.backends.v2"
    ),
    "t-v0": Project(
        "raise SystemExit('v0 was imported')\n", ("v0",), group="allumette.backends.v0"
    ),
    "t-both": Project(
        working("t_both", "both"), ("both",), more={"allumette.backends.v2": {"both": "t_both2"}}
    ),
    "t-minor": Project(
        working("t_minor", "minor").replace("(name, summary", "(name, '1.9', summary"), ("minor",)
    ),
    "t-twin-a": Project(working("t_twin_a", "twin"), ("twin",)),
    "t-twin-b": Project(working("t_twin_b", "twin"), ("twin",)),
    "t-numpy": Project(working("t_numpy", "numpy"), ("numpy",)),
    "t-mistyped": Project(
        working("t_mistyped", "mistyped", extra="@hookimpl\ndef allumette_prob(name): ..."),
        ("mistyped",),
    ),
    "t-argument": Project(
        working("t_argument", "argument", extra="@hookimpl\ndef allumette_probe(nam): ..."),
        ("argument",),
    ),
    "t-unmarked": Project(
        working("t_unmarked", "unmarked", extra="def allumette_probe(name): ..."), ("unmarked",)
    ),
    "t-hookless": Project("x = 1\n", ("hookless",)),
    "t-exit": Project("import sys\nprint('bye')\nsys.exit(3)\n", ("exit",)),
    "t-base": Project("class Odd(BaseException): ...\nraise Odd('very odd')\n", ("base",)),
    "t-syntax": Project("def broken(:\n", ("syntax",)),
    "t-other-name": Project(working("t_other_name", "another"), ("othername",)),
    "t-raises": Project(
        working("t_raises", "raises", extra="@hookimpl\ndef allumette_probe(name): 1 / 0"),
        ("raises",),
    ),
    "t-opens-nothing": Project(
        working("t_opens_nothing", "nothing").replace("return Ours()", "return 42"), ("nothing",)
    ),
    "t-open-fails": Project(
        working("t_open_fails", "openfails").replace("return Ours()", "raise MemoryError('full')"),
        ("openfails",),
    ),
    "t-bad-name": Project(working("t_bad_name", "Bad:Name"), ("Bad Name",)),
    "t-hello": Project(command("hello"), commands=("hello",)),
    "t-sick": Project("import a_module_that_nobody_has\n", commands=("sick",)),
    "t-lies": Project(command("truth"), commands=("lies",)),
    "t-usurper": Project(command("doctor"), commands=("doctor",)),
    "t-echo-a": Project(command("echo"), commands=("echo",)),
    "t-echo-b": Project(command("echo"), commands=("echo",)),
}
SLOW = {
    "t-slow": Project("import time\ntime.sleep(2.1)\n" + working("t_slow", "slow"), ("slow",)),
}


def _build(name: str, project: Project, folder: Path) -> str:
    """The wheel of `project`, made by hatchling as its author would."""
    module = name.replace("-", "_")
    groups = {
        project.group: dict.fromkeys(project.backends, module),
        "allumette.commands.v1": dict.fromkeys(project.commands, module),
        **project.more,
    }
    lines = ["[project]", f'name = "{name}"', 'version = "1.2"']
    for group, entries in groups.items():
        if entries:
            lines.append(f'[project.entry-points."{group}"]')
            lines += [
                f"{json.dumps(entry)} = {json.dumps(value)}" for entry, value in entries.items()
            ]
    lines += ["[tool.hatch.build.targets.wheel]", f'only-include = ["{module}.py"]']
    root = folder / name
    root.mkdir()
    (root / "pyproject.toml").write_text("\n".join(lines), encoding="utf-8")
    (root / f"{module}.py").write_text(textwrap.dedent(project.source), encoding="utf-8")
    return next(WheelBuilder(str(root)).build(directory=str(folder / "wheels")))


def _install(projects: Mapping[str, Project], folder: Path, *options: str) -> None:
    wheels = [_build(name, project, folder) for name, project in projects.items()]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    switches = ["--quiet", "--no-deps", "--no-index", "--no-compile"]
    before, after = [o for o in options if o.startswith("--python")], list(options)
    after = [o for o in after if o not in before]
    subprocess.run([*pip, *before, "install", *switches, *after, *wheels], check=True)


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a virtual environment that has what this one has, and every plugin."""
    folder = tmp_path_factory.mktemp("plugins")
    venv = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    python = venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    _install(PROJECTS, folder, f"--python={python}")
    asked = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(
        subprocess.run([python, "-c", asked], capture_output=True, text=True).stdout.strip()
    )
    ours = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    line = "import site; " + "; ".join(f"site.addsitedir({path!r})" for path in ours)
    (site / "parent.pth").write_text(line + "\n", encoding="utf-8")
    _damage(site)
    return python


def _damage(site: Path) -> None:
    """Metadata as half an uninstallation and a stray editor leave it."""
    (site / "t_removed-1.0.dist-info").mkdir()
    nameless = site / "t_nameless-1.0.dist-info"
    nameless.mkdir()
    (nameless / "entry_points.txt").write_text("[allumette.backends.v1]\nnameless = t_good\n")
    garbled = site / "t_garbled-1.0.dist-info"
    garbled.mkdir()
    (garbled / "METADATA").write_text("Metadata-Version: 2.1\nName: t-garbled\nVersion: 1.0\n")
    (garbled / "entry_points.txt").write_text("[allumette.backends.v1]\nthis is no entry\n")
    binary = site / "t_binary-1.0.dist-info"
    binary.mkdir()
    (binary / "entry_points.txt").write_bytes(b"\xff\xfe[allumette.backends.v1]\n")


@pytest.fixture(scope="session")
def slow_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PYTHONPATH with one more plugin, which takes two seconds to import."""
    folder = tmp_path_factory.mktemp("slow")
    _install(SLOW, folder, f"--target={folder / 'site'}")
    return folder / "site"


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def run(python: Path) -> Run:
    """Runs the virtual environment's Python with arguments, and environment variables."""

    def run(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        env = {k: v for k, v in os.environ.items() if not k.startswith(("ALLUMETTE_", "COV_"))}
        return subprocess.run(
            [python, *arguments],
            env={**env, "PYTHONPATH": "", **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def allumette(run: Run) -> Run:
    """Runs the command `allumette`."""

    def allumette(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        return run("-m", "allumette_core", *arguments, **variables)

    return allumette


WORKER = """
import json, os, sys, warnings
from allumette_core.backend import registry as r
from allumette_core.errors import AllumetteError

def refused(call, *arguments):
    try:
        return f"not refused: {call(*arguments)}"
    except AllumetteError as error:
        return f"{type(error).__name__}: {error}"

warnings.simplefilter("error")
environment, path = dict(os.environ), list(sys.path)
for line in sys.stdin:
    code, variables = json.loads(line)
    os.environ.clear()
    os.environ.update(environment | variables)
    sys.path[:] = path
    for name in [name for name in sys.modules if name.startswith("t_")]:
        del sys.modules[name]
    r.REGISTRY = r.Registry()
    scope = {"r": r, "refused": refused, "sys": sys}
    exec(code, scope)
    print("OUT", json.dumps(scope["out"]), flush=True)
"""


@pytest.fixture(scope="module")
def script(python: Path) -> Iterator[Callable[..., Any]]:
    """Runs Python code with `r` the registry, as good as new; its variable `out` comes back.

    All run in one process, which costs a tenth of a process for each.
    """
    env = {k: v for k, v in os.environ.items() if not k.startswith("ALLUMETTE_")}
    with subprocess.Popen(
        [python, "-c", WORKER],
        env={**env, "PYTHONPATH": ""},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        read, write = process.stdout, process.stdin

        def script(code: str, **variables: str) -> Any:
            write.write(json.dumps([textwrap.dedent(code), variables]) + "\n")
            write.flush()
            for line in read:
                if line.startswith("OUT "):
                    return json.loads(line[4:])
            raise AssertionError("the code raised: see stderr")

        yield script
        write.close()
