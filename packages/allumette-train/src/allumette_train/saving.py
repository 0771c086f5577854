"""Trained models as safetensors files, with everything needed to use them again."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import allumette_core as al
import numpy as np
import numpy.typing as npt

from allumette_train.data import Features, Preprocessing
from allumette_train.modules import MLP

__all__ = ["TrainedModel", "check_output", "load_model", "save_model"]

_FORMAT = "allumette-train/1"


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A network, how its inputs are prepared and what its outputs mean.

    Attributes:
        network: takes (N, F) float32 and gives one logit a row for two classes, or (N, K).
        preprocessing: turns features into what the network takes.
        classes: the names of the classes.
        about: how it was trained, as JSON would hold it.

    >>> rows = np.array([[0.0], [1.0]])
    >>> network = MLP.init(al.random.key(0), (1, 1))
    >>> model = TrainedModel(network, Preprocessing.learn(Features(rows)), ("no", "yes"))
    >>> len(model.predict(rows)), model.probabilities(rows).shape
    (2, (2, 2))
    """

    network: MLP
    preprocessing: Preprocessing
    classes: tuple[str, ...]
    about: Mapping[str, Any] = field(default_factory=dict)

    def probabilities(self, features: Features | npt.ArrayLike) -> npt.NDArray[np.float32]:
        """The probability of each class, (N, K), for N rows as they were given to training.

        Raises:
            ShapeError: if the rows are of another width than those of the training.
        """
        if not isinstance(features, Features):
            numbers = np.asarray(features)
            features = Features(numbers.reshape(len(numbers), -1) if numbers.ndim else numbers)
        self._check(features)
        device = self.network.layers[0].weight.device
        logits = self.network(al.asarray(self.preprocessing.apply(features), device=device))
        if len(self.classes) == 2:
            ones = np.asarray(al.sigmoid(logits[:, 0]))
            return np.stack([1 - ones, ones], axis=1)
        return np.array(al.softmax(logits, axis=1))

    def predict(self, features: Features | npt.ArrayLike) -> list[str]:
        """The name of the most probable class for each of N rows."""
        best = self.probabilities(features).argmax(axis=1)
        return [self.classes[index] for index in best]

    def _check(self, features: Features) -> None:
        known, width = self.preprocessing, features.numbers.shape[1:]
        wanted = self.network.sizes[0] - sum(len(texts) for _, texts in known.categories)
        names = [name for name, _ in known.categories]
        if width != (wanted,) or [c.name for c in features.categories] != names:
            raise al.ShapeError(
                f"predict: rows of shape {width} with categories "
                f"{[c.name for c in features.categories]}; the model was trained on {(wanted,)} "
                f"numbers {list(known.names)} and categories {names}"
            )


def save_model(path: str | os.PathLike[str], model: TrainedModel) -> None:
    """Write a model to one file, whole or not at all.

    Raises:
        OSError: if the file cannot be written.
    """
    metadata = {
        "format": _FORMAT,
        "sizes": list(model.network.sizes),
        "preprocessing": model.preprocessing.to_dict(),
        "classes": list(model.classes),
        "about": dict(model.about),
    }
    al.save(path, model.network, metadata)


def load_model(path: str | os.PathLike[str], device: str | None = None) -> TrainedModel:
    """Read what :func:`save_model` wrote.

    Args:
        path: the file.
        device: where to put the parameters; None for the default.

    Raises:
        FileNotFoundError: if there is no such file.
        FormatError: if the file is damaged, or no model of ``allumette train``.

    >>> model = TrainedModel(
    ...     MLP.init(al.random.key(0), (1, 1)),
    ...     Preprocessing.learn(Features(np.ones((2, 1)))),
    ...     ("no", "yes"),
    ... )
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(f"{folder}/model.safetensors", model)
    ...     load_model(f"{folder}/model.safetensors").classes
    ('no', 'yes')
    """
    metadata = al.load_metadata(path)
    if metadata.get("format") != _FORMAT:
        raise al.FormatError(
            f"{os.fspath(path)}: its format is {metadata.get('format')!r}, not {_FORMAT!r}; "
            "only files saved by `allumette train` work"
        )
    try:
        sizes = [int(size) for size in metadata["sizes"]]
        preprocessing = Preprocessing.from_dict(metadata["preprocessing"])
        classes = tuple(map(str, metadata["classes"]))
        about = dict(metadata["about"])
        like = MLP.init(al.random.key(0, device), sizes)
    except (KeyError, TypeError, ValueError) as error:
        raise al.FormatError(
            f"{os.fspath(path)}: its description is damaged ({error}); train or fetch it again"
        ) from None
    return TrainedModel(al.load(path, like=like, device=device), preprocessing, classes, about)


def check_output(path: Path, size: int = 1, *, inputs: Sequence[Path] = ()) -> None:
    """Find out now whether ``size`` bytes can be written to ``path`` later; leaves nothing behind.

    Args:
        path: where the model is to go.
        size: how large it will be.
        inputs: files that must not be overwritten.

    Raises:
        ArgumentError: with the reason and what would work.
    """
    folder = path.absolute().parent
    if path.suffix != ".safetensors":
        raise al.ArgumentError(f"--output {path}: models are saved as .safetensors files")
    if path.is_dir() or any(path.resolve() == other.resolve() for other in inputs):
        raise al.ArgumentError(f"--output {path}: would overwrite what is there; give another name")
    if not folder.is_dir():
        raise al.ArgumentError(f"--output {path}: there is no directory {folder}; create it first")
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".allumette-") as probe:
            for start in range(0, size, 1 << 20):
                probe.write(bytes(min(1 << 20, size - start)))
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        reason = error.strerror or str(error)
        raise al.ArgumentError(
            f"--output {path}: {size} bytes cannot be written to {folder} ({reason}); make room, "
            "or give another directory"
        ) from None
