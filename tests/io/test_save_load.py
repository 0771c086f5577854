"""Files: whole or not at all, and refusals that name the file."""

import os
from collections import namedtuple
from pathlib import Path

import allumette_core as al
import numpy as np
import pytest

Pair = namedtuple("Pair", "left right")


def t(values, dtype="float32"):
    return al.tensor(np.asarray(values, dtype), device="numpy")


@pytest.fixture(autouse=True)
def on_numpy(monkeypatch):
    monkeypatch.setenv("ALLUMETTE_BACKEND", "numpy")


def test_trees_come_back(tmp_path):
    tree = {"layers": [Pair(t([[1.0, -0.0]]), t(np.nan)), Pair(t([]), t(2))], "n": t(7, "int64")}
    file = tmp_path / "model.safetensors"
    al.save(file, tree, {"step": 3, "name": "modèle"})
    back = al.load(file, like=tree)
    for a, b in zip(al.tree.leaves(tree), al.tree.leaves(back), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()
    assert isinstance(back["layers"][0], Pair)
    assert al.load_metadata(file) == {"step": 3, "name": "modèle"}
    assert sorted(al.load(file)) == sorted(al.tree.names(tree))
    assert "layers.0.left" in al.load(file)


@pytest.mark.parametrize("dtype", al.dtypes.ALL, ids=str)
def test_every_dtype(tmp_path, dtype):
    value = np.array([[0, 1, 1], [1, 0, 1]], dtype)[:, ::-1].T
    al.save(tmp_path / "x", {"x": t(value, dtype)})
    np.testing.assert_array_equal(np.asarray(al.load(tmp_path / "x")["x"]), value)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    file = tmp_path / "model.safetensors"
    al.save(file, {"w": t([1.0])})

    def full_disk(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        al.save(file, {"w": t([2.0])})
    monkeypatch.undo()
    assert [f.name for f in tmp_path.iterdir()] == [file.name]
    assert al.load(file, device="numpy")["w"].tolist() == [1.0]


def test_a_missing_folder_says_so(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        al.save(tmp_path / "nowhere" / "x", {"w": t([1.0])})


@pytest.mark.parametrize("keep", [0, 4, 20, -1])
def test_truncated_files(tmp_path, keep):
    file = tmp_path / "model.safetensors"
    al.save(file, {"w": t(np.ones(100))})
    content = file.read_bytes()
    file.write_bytes(content[:keep] if keep >= 0 else content[:-1])
    with pytest.raises(al.FormatError, match=r"model\.safetensors"):
        al.load(file)


def test_other_files_and_none(tmp_path):
    (tmp_path / "x").write_bytes(b"PK\x03\x04" + bytes(200))
    with pytest.raises(al.FormatError, match="not a whole safetensors file"):
        al.load(tmp_path / "x")
    with pytest.raises(FileNotFoundError, match="missing"):
        al.load(tmp_path / "missing")
    with pytest.raises(FileNotFoundError, match=str(tmp_path.name)):
        al.load(Path(tmp_path))


def test_like_refuses_what_differs(tmp_path):
    file = tmp_path / "x"
    al.save(file, {"a": t([1.0]), "b": t([1.0])})
    with pytest.raises(al.FormatError, match=r"lacks \['c'\].*\['b'\]"):
        al.load(file, like={"a": t([1.0]), "c": t([1.0])})
    with pytest.raises(al.FormatError, match=r"float32\[1\], expected float32\[2\]"):
        al.load(file, like={"a": t([1.0, 2.0]), "b": t([1.0])})
    with pytest.raises(al.FormatError, match="float64"):
        al.load(file, like={"a": t([1.0], "float64"), "b": t([1.0])})


def test_what_cannot_be_saved(tmp_path):
    with pytest.raises(al.FormatError, match=r"a\.0 is a str"):
        al.save(tmp_path / "x", {"a": ["text"]})
    with pytest.raises(al.FormatError, match="two tensors are named"):
        al.save(tmp_path / "x", {"a.0": t(1.0), "a": [t(1.0)]})
    assert list(tmp_path.iterdir()) == []
