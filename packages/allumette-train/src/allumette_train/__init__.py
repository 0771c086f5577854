"""Datasets, layers, optimizers and the command ``allumette train``.

>>> import allumette_core as al
>>> from allumette_train import MLP, SGD
>>> network = MLP.init(al.random.key(0), (2, 50, 50, 1))
>>> network.sizes
(2, 50, 50, 1)
"""

from importlib.metadata import version as _version

from allumette_train.batches import minibatches, split
from allumette_train.data import Category, Dataset, Features, Part, Preprocessing, read_data
from allumette_train.datasets import make
from allumette_train.metrics import binary_hits, hits
from allumette_train.modules import MLP, Linear
from allumette_train.optimizers import SGD, Adam, AdamW, Optimizer
from allumette_train.saving import TrainedModel, load_model, save_model
from allumette_train.scoring import Rows, Score, evaluate
from allumette_train.training import (
    DivergedError,
    Outcome,
    Plan,
    Report,
    Watcher,
    fit,
)

__version__ = _version("allumette-train")

__all__ = [
    "MLP",
    "SGD",
    "Adam",
    "AdamW",
    "Category",
    "Dataset",
    "DivergedError",
    "Features",
    "Linear",
    "Optimizer",
    "Outcome",
    "Part",
    "Plan",
    "Preprocessing",
    "Report",
    "Rows",
    "Score",
    "TrainedModel",
    "Watcher",
    "__version__",
    "binary_hits",
    "evaluate",
    "fit",
    "hits",
    "load_model",
    "make",
    "minibatches",
    "read_data",
    "save_model",
    "split",
]
