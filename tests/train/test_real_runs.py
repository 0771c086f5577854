"""Real data: the 70,000 images of Fashion-MNIST, as Debian installs them."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from allumette_core.cli.app import run

FASHION = Path("/usr/share/datasets/fashion-mnist")
EXAMPLE = Path(__file__).parents[2] / "examples/lenet.py"


@pytest.mark.slow
@pytest.mark.skipif(not FASHION.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
def test_fashion_mnist(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = "--hidden 128 --optimizer adam --epochs 3 --batch-size 128 --seed 0 --json"
    code = run(["train", "-b", "numpy", "--data", str(FASHION), *options.split()])
    out, err = capfd.readouterr()
    assert (code, err) == (0, "")
    end = json.loads(out.splitlines()[-1])
    assert end["test_accuracy"] >= 0.85
    assert (tmp_path / "allumette-fashion-mnist.safetensors").is_file()


@pytest.mark.slow
def test_star_with_default_arguments(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for seed in range(3):
        assert run(["train", "-b", "numpy", "--json", "-s", str(seed)]) == 0
        end = json.loads(capfd.readouterr().out.splitlines()[-1])
        assert end["validation_accuracy"] > 0.95


@pytest.mark.slow
@pytest.mark.skipif(not FASHION.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
def test_the_lenet_example_reaches_nine_in_ten() -> None:
    pytest.importorskip("allumette_cpu", reason="takes minutes without allumette-cpu")
    command = [sys.executable, str(EXAMPLE), str(FASHION), "--device", "par"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    epochs = re.findall(r"epoch (\d): .* test accuracy ([\d.]+)%", done.stdout)
    assert [number for number, _ in epochs] == ["1", "2", "3", "4", "5"]
    assert float(epochs[-1][1]) >= 90
