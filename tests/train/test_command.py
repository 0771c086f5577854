"""`allumette train` as a user meets it: options, refusals, what it prints and what it saves."""

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from allumette_core.cli.app import run
from allumette_train import SGD, Adam, Plan, Report, Score, fit, load_model, make, split
from allumette_train.command import train
from allumette_train.progress import JsonLines
from click.testing import CliRunner

QUICK = ["-b", "numpy", "-p", "2", "-i", "20", "--hidden", "8"]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def allumette(capfd: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    """Run the program in this process, as the console script does."""
    code = run(["train", *args])
    out, err = capfd.readouterr()
    return code, out, err


def events(out: str) -> list[dict[str, Any]]:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    return [json.loads(line, parse_constant=refuse) for line in out.splitlines()]


def test_plain_lines(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, err = allumette(capfd, *QUICK)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "star: 80 rows, 20 validation"
    assert lines[1] == "network 2-8-1 on numpy"
    assert lines[2] == "adam 0.01 cosine, full batch"
    assert lines[3] == "20 iterations, seed 0"
    reports = [line for line in lines if re.match(r" ?\d+/20  loss \d\.\d{4}  acc +\d", line)]
    assert len(reports) == 20
    assert max(map(len, lines)) <= 40
    assert [line.split()[0] for line in lines[-6:]] == [
        *("loss", "accuracy", "validation", "time", "speed", "saved"),
    ]
    assert [p.name for p in tmp_path.iterdir()] == ["allumette-star.safetensors"]


def test_json(capfd: pytest.CaptureFixture[str]) -> None:
    code, out, err = allumette(capfd, *QUICK, "--json", "-o", "m.safetensors")
    assert (code, err) == (0, "")
    begin, *reports, end = events(out)
    assert begin["event"] == "begin"
    assert begin["sizes"] == [2, 8, 1]
    assert [r["event"] for r in reports] == ["report"] * 20
    assert [r["iteration"] for r in reports] == list(range(1, 21))
    assert reports[-1]["loss"] < reports[0]["loss"]
    assert end["event"] == "end"
    assert end["output"] == "m.safetensors"
    assert not end["interrupted"]
    assert 0 <= end["validation_accuracy"] <= 1
    assert end["rows_per_second"] > 0


def test_saved_model_is_the_trained_one(capfd: pytest.CaptureFixture[str]) -> None:
    _, out, _ = allumette(capfd, *QUICK, "--json", "--validation", "0", "-s", "5")
    end = events(out)[-1]
    model = load_model("allumette-star.safetensors", device="numpy")
    data = make("star", 100, seed=5)
    predicted = model.predict(data.features)
    right = np.mean(
        [data.classes.index(p) == y for p, y in zip(predicted, data.labels, strict=True)]
    )
    assert right == pytest.approx(end["accuracy"])
    assert model.about["summary"]["loss"] == end["loss"]


def test_seed_determines_everything(capfd: pytest.CaptureFixture[str]) -> None:
    def train_with(*args: str) -> tuple[list[Any], bytes]:
        _, out, _ = allumette(capfd, *QUICK, "--json", "--batch-size", "16", *args)
        losses = [e["loss"] for e in events(out)[1:]]
        weights = load_model("allumette-star.safetensors", device="numpy").network.layers[0].weight
        return losses, np.asarray(weights).tobytes()

    assert train_with("-s", "3") == train_with("-s", "3")
    first, second = train_with("-s", "3"), train_with("-s", "4")
    assert first[0] != second[0]
    assert first[1] != second[1]


CSV = "size,colour,kind\n" + "\n".join(
    f"{i % 7},{'red' if i % 2 else 'blue'},{'a' if i % 2 else 'b'}" for i in range(40)
)


def test_csv(capfd: pytest.CaptureFixture[str]) -> None:
    Path("things.csv").write_text(CSV)
    arguments = ["--data", "things.csv", "--target", "kind", "-b", "numpy", "--json"]
    code, out, err = allumette(capfd, *arguments, "--epochs", "40", "--batch-size", "10")
    assert (code, err) == (0, "")
    begin, *_, end = events(out)
    assert begin["sizes"] == [3, 50, 50, 1]
    assert begin["iterations"] == 40 * 4
    assert end["accuracy"] == end["validation_accuracy"] == 1
    assert load_model("allumette-things.safetensors").classes == ("a", "b")


def test_npz_with_test_rows(capfd: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 4))
    y = np.argmax(x[:, :3], axis=1)
    np.savez("d.npz", x_train=x[:60], y_train=y[:60], x_test=x[60:], y_test=y[60:])
    code, out, _ = allumette(
        capfd,
        "--data",
        "d.npz",
        "-b",
        "numpy",
        "--json",
        "--hidden",
        "none",
        "-l",
        "0.1",
        "--epochs",
        "60",
    )
    assert code == 0
    begin, *_, end = events(out)
    assert (begin["rows"], begin["validation_rows"], begin["test_rows"]) == (60, 0, 30)
    assert begin["sizes"] == [4, 3]
    assert end["test_accuracy"] > 0.8
    assert "validation_accuracy" not in end


def test_what_the_training_is_given(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def note(network: Any, optimizer: Any, rows: Any, plan: Any, **more: Any) -> Any:
        seen[:] = [optimizer, plan]
        return fit(network, optimizer, rows, plan, **more)

    monkeypatch.setattr("allumette_train.job.fit", note)
    more = ["--optimizer", "sgd", "-l", "0.5", "--momentum", "0.9", "--batch-size", "16"]
    assert allumette(capfd, *QUICK, "-s", "7", *more)[0] == 0
    assert seen == [SGD(0.5, 0.9), Plan(20, 16, 7, "constant")]
    assert allumette(capfd, *QUICK, "-s", "8")[0] == 0
    assert seen == [Adam(0.01), Plan(20, None, 8, "cosine")]


def test_files_are_split_and_weights_drawn_by_the_seed(capfd: pytest.CaptureFixture[str]) -> None:
    values = np.random.default_rng(0).normal(size=(300, 2))
    np.savez("d.npz", x=values, y=values[:, 0] > 0)
    shifts, weights = [], []
    for seed in (1, 2):
        arguments = ["--data", "d.npz", "-b", "numpy", "--epochs", "1", "-s", str(seed), "--json"]
        code, out, _ = allumette(capfd, *arguments, "-l", "1e-30")
        assert code == 0
        assert events(out)[0]["batch_size"] == 128
        model = load_model("allumette-d.safetensors", device="numpy")
        training, _ = split(300, 0.2, seed)
        assert model.preprocessing.shift == pytest.approx(values[training].mean(axis=0))
        shifts.append(model.preprocessing.shift[0])
        weights.append(model.network.layers[0].weight.tolist())
    assert shifts[0] != shifts[1]
    assert weights[0] != weights[1]


def test_output_is_checked_before_the_data_are_read(capfd: pytest.CaptureFixture[str]) -> None:
    Path("bad.csv").write_text("")
    code, _, err = allumette(capfd, "--data", "bad.csv", "--target", "y", "-o", "no/m.safetensors")
    assert code == 2
    assert "there is no directory" in err


def test_json_has_no_words_for_nan(capsys: pytest.CaptureFixture[str]) -> None:
    JsonLines().report(Report(1, 2, 0.5, 0.1, Score(math.nan, 0.5), Score(math.inf, 1.0)))
    (line,) = events(capsys.readouterr().out)
    assert line["loss"] is line["validation_loss"] is None
    assert line["validation_accuracy"] == 1


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], {"optimizer": "adam", "learning_rate": 0.01, "batch_size": None}),
        (["--batch-size", "16"], {"learning_rate": 0.002, "batch_size": 16}),
        (["--batch-size", "80"], {"learning_rate": 0.01, "batch_size": None}),
        (["--optimizer", "sgd"], {"learning_rate": 0.1, "schedule": "constant"}),
        (["--optimizer", "sgd", "--schedule", "cosine"], {"schedule": "cosine"}),
        (["--schedule", "constant"], {"optimizer": "adam", "schedule": "constant"}),
        (["-l", "0.5"], {"learning_rate": 0.5}),
        (["-d", "CIRCLE"], {"dataset": "circle"}),
        (["--validation", "0"], {"rows": 100, "validation_rows": 0}),
        (["--validation", "0.5"], {"rows": 50, "validation_rows": 50}),
    ],
)
def test_options_and_defaults(
    capfd: pytest.CaptureFixture[str], given: list[str], expected: dict[str, Any]
) -> None:
    code, out, _ = allumette(capfd, *QUICK, "--json", *given)
    assert code == 0
    begin = events(out)[0]
    assert {name: begin[name] for name in expected} == expected


def test_widths_and_lengths(capfd: pytest.CaptureFixture[str]) -> None:
    base = ["-b", "numpy", "-p", "1", "--json"]
    _, out, _ = allumette(capfd, *base, "-i", "2", "--hidden-layer-size", "7")
    assert events(out)[0]["sizes"] == [2, 7, 7, 1]
    _, out, _ = allumette(capfd, *base, "--epochs", "3", "--hidden", "4,3,2", "--batch-size", "5")
    assert events(out)[0]["sizes"] == [2, 4, 3, 2, 1]
    assert events(out)[0]["iterations"] == 3 * 2


def test_the_original_invocation(capfd: pytest.CaptureFixture[str]) -> None:
    code, out, _ = allumette(
        capfd, "-b", "numpy", "-d", "simple", "-p2", "-i10", "-l0.15", "--hidden-layer-size=12"
    )
    assert code == 0
    assert "network 2-12-12-1 on numpy" in out


REFUSED = {
    "dataset": (["-d", "strr"], r"'strr' is not one of .*'star'"),
    "backend": (["-b", "nonesuch"], r"nonesuch"),
    "device": (["-b", "numpy:7"], r"numpy:7"),
    "points": (["-p", "9"], r"9 is not in the range"),
    "rate": (["-l", "0"], r"0 is not above 0 and finite"),
    "rate-nan": (["-l", "nan"], r"nan is not above 0 and finite"),
    "rate-text": (["-l", "fast"], r"'fast' is not a number"),
    "hidden": (["--hidden", "64,x"], r"'64,x' is not like '64,32'"),
    "hidden-0": (["--hidden", "0"], r"'0' is not like '64,32'"),
    "hidden-twice": (["--hidden", "4", "--hidden-layer-size", "4"], r"exclude each other"),
    "length-twice": (["-i", "4", "--epochs", "4"], r"--epochs and --iterations exclude"),
    "optimizer": (["--optimizer", "lion"], r"'lion' is not one of 'sgd', 'adam'"),
    "momentum": (["--momentum", "0.5"], r"--momentum goes with --optimizer sgd"),
    "target": (["--target", "y"], r"--target goes with --data FILE.csv"),
    "both": (["--data", ".", "-d", "star"], r"--data and --dataset exclude each other"),
    "missing": (["--data", "none.csv"], r"'none.csv' does not exist"),
    "empty-folder": (["--data", "."], r"found no train-images-idx3-ubyte"),
    "validation": (["--validation", "1"], r"1(\.0)? is not in the range"),
    "tiny": (["-p", "1", "--validation", "0.01"], r"leaves 0 to validate"),
    "output": (["-o", "m.txt"], r"models are saved as \.safetensors files"),
    "folder": (["-o", "none/m.safetensors"], r"there is no directory"),
    "unwritable": (["-o", "/proc/m.safetensors"], r"cannot be written to /proc"),
    "option": (["--bogus"], r"No such option"),
    "seed": (["-s", "-1"], r"-1 is not in the range"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_are_one_line(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, case: str
) -> None:
    arguments, message = REFUSED[case]
    code, out, err = allumette(capfd, *arguments)
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert re.search(message, err), err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["", "a,y\n1,p\n2\n", "a,b\n1,2\n", "a,y\n1,p\nx,q\n2,q\n"])
def test_malformed_csv_leaves_nothing(capfd: pytest.CaptureFixture[str], content: str) -> None:
    Path("bad.csv").write_text(content)
    code, out, err = allumette(capfd, "--data", "bad.csv", "--target", "y")
    assert (code, out) == (2, "")
    assert err.startswith("error: bad.csv")
    assert err.count("\n") == 1
    assert [p.name for p in Path().iterdir()] == ["bad.csv"]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_divergence_saves_nothing(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = [*QUICK, "--optimizer", "sgd", "-l", "1e30", "--hidden", "8,8"]
    code, _, err = allumette(capfd, *arguments)
    assert code == 2
    assert re.search(r"the loss was (inf|nan) at iteration \d+; a lower --learning-rate", err)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_foreseen_is_one_line_too(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(error: Exception) -> Any:
        def call(*args: Any, **more: Any) -> None:
            raise error

        return call

    monkeypatch.setattr("allumette_train.job.save_model", refuse(OSError(28, "No space left")))
    code, _, err = allumette(capfd, *QUICK)
    assert (code, err.count("\n")) == (2, 1)
    assert "allumette-star.safetensors: the model is lost (No space left)" in err
    monkeypatch.setattr("allumette_train.job.make", refuse(MemoryError("3 TiB")))
    code, _, err = allumette(capfd, *QUICK)
    assert (code, err.count("\n")) == (2, 1)
    assert "not enough memory (3 TiB); a smaller --batch-size" in err


def test_help_fits_and_names_every_option() -> None:
    result = CliRunner().invoke(train, ["--help"], terminal_width=40)
    assert result.exit_code == 0
    for parameter in train.params:
        assert parameter.opts[-1] in result.output
    wide = CliRunner().invoke(train, ["--help"], terminal_width=100)
    assert "[default: 4]" in wide.output
    assert max(map(len, wide.output.splitlines())) <= 100


def test_as_a_process(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "allumette_core", "train", *QUICK]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert "saved       allumette-star.safetensors" in done.stdout
    wrong = subprocess.run(
        [*command, "-d", "strr"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert wrong.returncode == 2
    assert "Traceback" not in wrong.stderr


def test_reader_that_leaves(tmp_path: Path) -> None:
    command = f"{sys.executable} -m allumette_core train {' '.join(QUICK)} | head -n 1"
    done = subprocess.run(
        command, shell=True, capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.stdout.startswith("star")
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files")
def test_full_disk_is_noticed_before_training(tmp_path: Path) -> None:
    import resource

    def limit() -> None:
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    command = [sys.executable, "-m", "allumette_core", "train", *QUICK]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, check=False, preexec_fn=limit
    )
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []
