"""Saved models: the same answers after loading, and clear refusals."""

from pathlib import Path

import allumette_core as al
import numpy as np
import pytest
from allumette_train import (
    MLP,
    Category,
    Features,
    Preprocessing,
    TrainedModel,
    load_model,
    save_model,
)
from allumette_train.saving import check_output


def model(outputs: int = 1, classes: tuple[str, ...] = ("no", "yes")) -> TrainedModel:
    words = Category("job", np.array([0, 1, 0], np.int32), ("cook", "baker"))
    features = Features(np.array([[1.0], [2.0], [4.0]]), ("age",), (words,))
    network = MLP.init(al.random.key(0, "numpy"), (3, 4, outputs))
    return TrainedModel(network, Preprocessing.learn(features), classes, {"seed": 0})


ROWS = Features(
    np.array([[3.0], [-1.0]]),
    ("age",),
    (Category("job", np.array([1, 0], np.int32), ("x", "cook")),),
)


@pytest.mark.parametrize(
    ("outputs", "classes"), [(1, ("no", "yes")), (3, ("a", "b", "c"))], ids=["binary", "many"]
)
def test_round_trip(tmp_path: Path, outputs: int, classes: tuple[str, ...]) -> None:
    path, saved = tmp_path / "m.safetensors", model(outputs, classes)
    save_model(path, saved)
    loaded = load_model(path, device="numpy")
    assert loaded.classes == classes
    assert loaded.about == {"seed": 0}
    assert np.array_equal(loaded.probabilities(ROWS), saved.probabilities(ROWS))
    assert loaded.predict(ROWS) == saved.predict(ROWS)
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]


def test_probabilities() -> None:
    for trained in (model(), model(3, ("a", "b", "c"))):
        found = trained.probabilities(ROWS)
        assert found.shape == (2, len(trained.classes))
        assert found.sum(axis=1) == pytest.approx([1, 1], rel=1e-6)
        logits = np.asarray(
            trained.network(al.asarray(trained.preprocessing.apply(ROWS), device="numpy"))
        )
        if logits.shape[1] == 1:
            logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
        expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        assert found == pytest.approx(expected, rel=1e-5)
        best = [trained.classes[i] for i in expected.argmax(axis=1)]
        assert trained.predict(ROWS) == best


def test_plain_arrays() -> None:
    rows = np.array([[0.0, 1.0], [2.0, 3.0]])
    network = MLP.init(al.random.key(0, "numpy"), (2, 1))
    trained = TrainedModel(network, Preprocessing.learn(Features(rows)), ("a", "b"))
    assert len(trained.predict(rows)) == 2
    assert trained.predict(rows.reshape(2, 2, 1)) == trained.predict(rows)
    with pytest.raises(al.ShapeError, match=r"rows of shape \(3,\).*trained on \(2,\) numbers"):
        trained.predict(np.ones((2, 3)))


def test_wrong_columns() -> None:
    with pytest.raises(al.ShapeError, match=r"numbers \['age'\] and categories \['job'\]"):
        model().predict(Features(np.ones((2, 1))))


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    with pytest.raises(FileNotFoundError):
        load_model(path)
    path.write_bytes(b"nonsense")
    with pytest.raises(al.FormatError, match=r"m\.safetensors"):
        load_model(path)
    al.save(path, {"w": al.zeros(2)})
    with pytest.raises(al.FormatError, match="only files saved by `allumette train` work"):
        load_model(path)
    al.save(path, {"w": al.zeros(2)}, {"format": "allumette-train/1", "sizes": "many"})
    with pytest.raises(al.FormatError, match="its description is damaged"):
        load_model(path)


def test_truncated_file(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_model(path, model())
    content = path.read_bytes()
    for size in (0, 7, 100, len(content) - 1):
        path.write_bytes(content[:size])
        with pytest.raises(al.FormatError, match=r"m\.safetensors"):
            load_model(path)


def test_check_output(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    check_output(path, 3_000_000)
    assert list(tmp_path.iterdir()) == []
    cases = [
        (tmp_path / "m.txt", 1, r"models are saved as \.safetensors"),
        (tmp_path / "none" / "m.safetensors", 1, r"there is no directory .*none; create it"),
        (Path("/dev/full/m.safetensors"), 1, r"there is no directory /dev/full"),
        (Path("/proc/m.safetensors"), 1, r"1 bytes cannot be written to /proc \("),
    ]
    for wrong, size, message in cases:
        with pytest.raises(al.ArgumentError, match=message):
            check_output(wrong, size)
    path.mkdir()
    with pytest.raises(al.ArgumentError, match="would overwrite"):
        check_output(path)


def test_inputs_are_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "data.safetensors"
    path.write_bytes(b"")
    with pytest.raises(al.ArgumentError, match="would overwrite"):
        check_output(tmp_path / ".." / tmp_path.name / path.name, inputs=[path])
