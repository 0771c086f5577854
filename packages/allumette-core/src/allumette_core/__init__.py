"""A small tensor library: lazy graphs, derivatives of any order, jit, and pluggable backends.

>>> import allumette_core as al
>>> x = al.tensor([1.0, 2.0, 3.0], device="numpy")
>>> (x * x).sum()
tensor(14., dtype=float32, device='numpy')
"""

from .tensor import ArrayLike, Tensor, evaluate  # before functions: these need each other

# isort: split
from . import functions, random, tree
from .autodiff.check import check_grads
from .autodiff.transforms import (
    Gradients,
    backward,
    grad,
    jvp,
    no_grad,
    value_and_grad,
    vjp,
)
from .autodiff.vmap import hessian, jacfwd, jacrev, vmap
from .backend.registry import backends, default_device, set_default_device
from .diagram import graph
from .dtypes import bool_ as bool  # the array API's name
from .dtypes import (
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
)
from .errors import (
    AllumetteError,
    ArgumentError,
    BackendError,
    DeviceError,
    DTypeError,
    FormatError,
    GradientError,
    IndexingError,
    ShapeError,
    TracingError,
)
from .functions import *
from .io import load, load_metadata, save
from .jit import jit
from .profile import profile


def __getattr__(name: str) -> str:
    if name == "__version__":  # asked for, not always there: it takes a third of the import time
        from importlib.metadata import version

        return version("allumette-core")
    raise AttributeError(f"module 'allumette_core' has no attribute {name!r}")


__all__ = [
    "AllumetteError",
    "ArgumentError",
    "ArrayLike",
    "BackendError",
    "DTypeError",
    "DeviceError",
    "FormatError",
    "GradientError",
    "Gradients",
    "IndexingError",
    "ShapeError",
    "Tensor",
    "TracingError",
    "__version__",
    "backends",
    "backward",
    "bool",
    "check_grads",
    "default_device",
    "evaluate",
    "float16",
    "float32",
    "float64",
    "grad",
    "graph",
    "hessian",
    "int8",
    "int16",
    "int32",
    "int64",
    "jacfwd",
    "jacrev",
    "jit",
    "jvp",
    "load",
    "load_metadata",
    "no_grad",
    "profile",
    "random",
    "save",
    "set_default_device",
    "tree",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "value_and_grad",
    "vjp",
    "vmap",
]
__all__ += functions.__all__
