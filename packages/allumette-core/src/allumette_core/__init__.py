"""A small tensor library: lazy graphs, derivatives of any order, jit, and pluggable backends.

>>> import allumette_core as al
>>> x = al.tensor([1.0, 2.0, 3.0], device="numpy")
>>> (x * x).sum()
tensor(14., dtype=float32, device='numpy')
"""

from typing import TYPE_CHECKING

from .tensor import ArrayLike, Tensor, evaluate  # before functions: these need each other

# isort: split
from . import random, tree
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
from .compiler.explain import explain
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
    DeviceLostError,
    DTypeError,
    FormatError,
    GradientError,
    IndexingError,
    ShapeError,
    TracingError,
)

# Name by name: type checkers lose what a star imports in a cycle. A test keeps both lists complete.
# fmt: off
from .functions import (  # isort: skip
    abs, acos, acosh, add, all, any, arange, argmax, argmin, argsort, asarray, asin, asinh,
    astype, atan, atan2, atanh, avg_pool, binary_cross_entropy,
    binary_cross_entropy_with_logits, bitwise_and, bitwise_invert, bitwise_left_shift,
    bitwise_or, bitwise_right_shift, bitwise_xor, broadcast_arrays, broadcast_to, ceil, clip,
    concat, conv, conv_transpose, copysign, cos, cosh, count_nonzero, cross_entropy, cummax,
    cummin, cumulative_prod, cumulative_sum, divide, dropout, einsum, elu, embedding, empty,
    empty_like, equal, erf, exp, exp2, expand_dims, expm1, eye, flip, floor, floor_divide, full,
    full_like, gelu, getitem, greater, greater_equal, hypot, index_add, isclose, isfinite,
    isinf, isnan, layer_norm, leaky_relu, less, less_equal, linspace, log, log10, log1p, log2,
    log_sigmoid, log_softmax, logaddexp, logical_and, logical_not, logical_or, logical_xor,
    logsumexp, matmul, matrix_transpose, max, max_pool, maximum, mean, meshgrid, min, minimum,
    moveaxis, mse, multiply, negative, nonzero, not_equal, one_hot, ones, ones_like, outer, pad,
    permute_dims, positive, pow, prod, put_along_axis, reciprocal, relu, remainder, repeat,
    reshape, rms_norm, roll, round, scaled_dot_product_attention, scatter, searchsorted,
    setitem, sigmoid, sign, signbit, silu, sin, sinh, sliding_windows, softmax, softplus, sort,
    split, sqrt, square, squeeze, stack, std, stop_gradient, subtract, sum, swapaxes, take,
    take_along_axis, tan, tanh, tensor, tensordot, tile, topk, tril, triu, trunc, unique_values,
    unstack, var, vecdot, vector_norm, where, zeros, zeros_like,
)
# fmt: on
from .io import load, load_metadata, save
from .jit import jit
from .profile import profile
from .resetting import reset_device

__version__: str

if not TYPE_CHECKING:  # to a type checker it would make every misspelt name a string

    def __getattr__(name: str) -> str:
        if name == "__version__":  # looked up when asked for: that takes long
            from importlib.metadata import version

            return version("allumette-core")
        raise AttributeError(f"module 'allumette_core' has no attribute {name!r}")


# fmt: off
__all__ = [  # noqa: RUF022
    "AllumetteError", "ArgumentError", "ArrayLike", "BackendError", "DTypeError", "DeviceError",
    "DeviceLostError", "FormatError", "GradientError", "Gradients", "IndexingError", "ShapeError",
    "Tensor", "TracingError", "__version__", "abs", "acos", "acosh", "add", "all", "any",
    "arange", "argmax", "argmin", "argsort", "asarray", "asin", "asinh", "astype", "atan",
    "atan2", "atanh", "avg_pool", "backends", "backward", "binary_cross_entropy",
    "binary_cross_entropy_with_logits", "bitwise_and", "bitwise_invert", "bitwise_left_shift",
    "bitwise_or", "bitwise_right_shift", "bitwise_xor", "bool", "broadcast_arrays",
    "broadcast_to", "ceil", "check_grads", "clip", "concat", "conv", "conv_transpose", "copysign",
    "cos", "cosh", "count_nonzero", "cross_entropy", "cummax", "cummin", "cumulative_prod",
    "cumulative_sum", "default_device", "divide", "dropout", "einsum", "elu", "embedding",
    "empty", "empty_like", "equal", "erf", "evaluate", "exp", "exp2", "expand_dims", "explain",
    "expm1", "eye", "flip", "float16", "float32", "float64", "floor", "floor_divide", "full",
    "full_like", "gelu", "getitem", "grad", "graph", "greater", "greater_equal", "hessian",
    "hypot", "index_add", "int16", "int32", "int64", "int8", "isclose", "isfinite", "isinf",
    "isnan", "jacfwd", "jacrev", "jit", "jvp", "layer_norm", "leaky_relu", "less", "less_equal",
    "linspace", "load", "load_metadata", "log", "log10", "log1p", "log2", "log_sigmoid",
    "log_softmax", "logaddexp", "logical_and", "logical_not", "logical_or", "logical_xor",
    "logsumexp", "matmul", "matrix_transpose", "max", "max_pool", "maximum", "mean", "meshgrid",
    "min", "minimum", "moveaxis", "mse", "multiply", "negative", "no_grad", "nonzero",
    "not_equal", "one_hot", "ones", "ones_like", "outer", "pad", "permute_dims", "positive",
    "pow", "prod", "profile", "put_along_axis", "random", "reciprocal", "relu", "remainder",
    "repeat", "reset_device", "reshape", "rms_norm", "roll", "round", "save",
    "scaled_dot_product_attention", "scatter", "searchsorted", "set_default_device", "setitem",
    "sigmoid", "sign", "signbit", "silu", "sin", "sinh", "sliding_windows", "softmax", "softplus",
    "sort", "split", "sqrt", "square", "squeeze", "stack", "std", "stop_gradient", "subtract",
    "sum", "swapaxes", "take", "take_along_axis", "tan", "tanh", "tensor", "tensordot", "tile",
    "topk", "tree", "tril", "triu", "trunc", "uint16", "uint32", "uint64", "uint8",
    "unique_values", "unstack", "value_and_grad", "var", "vecdot", "vector_norm", "vjp", "vmap",
    "where", "zeros", "zeros_like",
]
# fmt: on
