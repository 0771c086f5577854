"""Save and load trees of tensors as safetensors files, whole or not at all."""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from . import tree
from .convert import from_array
from .errors import FormatError
from .tensor import Tensor


def save(
    path: str | os.PathLike[str], value: Any, metadata: Mapping[str, Any] | None = None
) -> None:
    """Write the tensors of `value` (a tree of tensors and arrays) to a safetensors file.

    The file is written beside its place, synced and renamed: whatever happens, `path` holds the
    old contents or the new ones, whole. Tensors are named by their path in the tree, with dots.

    Args:
        metadata: anything that JSON can hold, given back by `load_metadata`.

    Raises:
        FormatError: a leaf is neither tensor nor array, or two leaves have the same name.
        OSError: the file cannot be written; the message names it.

    >>> import allumette_core as al, tempfile, os
    >>> file = os.path.join(tempfile.mkdtemp(), "model.safetensors")
    >>> al.save(file, {"w": al.ones(2, device="numpy")}, {"step": 3})
    >>> al.load(file)["w"].tolist(), al.load_metadata(file)
    ([1.0, 1.0], {'step': 3})
    """
    from safetensors.numpy import save as encode

    arrays = _arrays(value)
    described = {"allumette": json.dumps(dict(metadata or {}))}
    content = encode(arrays, metadata=described)
    _write_atomically(Path(path), content)


def _arrays(value: Any) -> dict[str, np.ndarray[Any, Any]]:
    leaves, names = tree.leaves(value), tree.names(value)
    out: dict[str, np.ndarray[Any, Any]] = {}
    for name, leaf in zip(names, leaves, strict=True):
        if not isinstance(leaf, Tensor | np.ndarray):
            raise FormatError(
                f"save: {name or 'the value'} is a {type(leaf).__name__}, not a tensor"
            )
        if name in out:
            raise FormatError(f"save: two tensors are named {name!r}; rename a key")
        out[name] = np.ascontiguousarray(np.asarray(leaf)).reshape(leaf.shape)
    return out


def _write_atomically(path: Path, content: bytes) -> None:
    folder = path.resolve().parent
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def load(path: str | os.PathLike[str], like: Any = None, device: str | None = None) -> Any:
    """The tensors of a safetensors file, as a dict by name or in the structure of `like`.

    Args:
        like: a tree of tensors with the names, shapes and dtypes that the file must hold.
        device: where to put them; the default device if None.

    Raises:
        FormatError: not a safetensors file, truncated, or not what `like` asks for.
        FileNotFoundError: there is no such file.

    >>> import allumette_core as al, tempfile, os
    >>> file = os.path.join(tempfile.mkdtemp(), "model.safetensors")
    >>> al.save(file, [al.zeros(1, device="numpy")])
    >>> al.load(file, like=[al.ones(1, device="numpy")])[0].tolist()
    [0.0]
    """
    arrays, _ = _read(path)
    if like is None:
        return {name: from_array(array, device) for name, array in arrays.items()}
    leaves, structure = tree.flatten(like)
    names = tree.names(like)
    if set(names) != set(arrays):
        missing, extra = sorted(set(names) - set(arrays)), sorted(set(arrays) - set(names))
        raise FormatError(
            f"load: {path} lacks {missing or 'nothing'} and has besides {extra or 'nothing'}"
        )
    for name, leaf in zip(names, leaves, strict=True):
        found = arrays[name]
        if found.shape != leaf.shape or found.dtype != leaf.dtype:
            raise FormatError(
                f"load: {name} in {path} is {found.dtype}{list(found.shape)}, "
                f"expected {leaf.dtype}{list(leaf.shape)}"
            )
    return tree.unflatten(structure, [from_array(arrays[name], device) for name in names])


def load_metadata(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The metadata that `save` was given.

    Raises:
        FormatError: not a safetensors file, or truncated.

    >>> import allumette_core as al, tempfile, os
    >>> file = os.path.join(tempfile.mkdtemp(), "model.safetensors")
    >>> al.save(file, {}, {"epoch": 1})
    >>> al.load_metadata(file)
    {'epoch': 1}
    """
    return _read(path)[1]


def _read(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise FileNotFoundError(f"load: there is no file {path}")
    try:
        with safe_open(str(path), framework="numpy") as file:
            names = list(file.keys())  # it is no mapping
            described = (file.metadata() or {}).get("allumette", "{}")
            return {name: file.get_tensor(name) for name in names}, json.loads(described)
    except (SafetensorError, ValueError) as error:
        raise FormatError(f"load: {path} is not a whole safetensors file: {error}") from None
