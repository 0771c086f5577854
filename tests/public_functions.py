"""Every public function with arguments at which it is smooth, for tests of all of them.

A new public function belongs in `SMOOTH`, or in `WITHOUT` with the reason in its group's name.
"""

from typing import Any

import allumette_core as al
import numpy as np

RNG = np.random.default_rng(7)


def numbers(*shape: int) -> Any:
    """Distinct numbers away from 0, ties and whole numbers, of both signs."""
    size = int(np.prod(shape))
    spread = (np.arange(1, size + 1) - 0.37) / size * 2 * (-1.0) ** np.arange(size)
    return RNG.permutation(spread).reshape(shape)


def positive(*shape: int) -> Any:
    return np.abs(numbers(*shape)) + 0.3


A, B, M = numbers(2, 3), numbers(2, 3) * 0.93, numbers(3, 4)
POS, INNER, MASK = positive(2, 3), numbers(2, 3) * 0.4, [[True, False, True], [False, True, True]]
IMAGE, KERNEL = numbers(2, 4, 5, 5), numbers(6, 2, 3, 3)
LABELS = [2, 0]
INDEX = [[1, 0, 1], [2, 2, 0]]

SMOOTH: dict[str, Any] = {
    "abs": (al.abs, A),
    "acos": (al.acos, INNER),
    "acosh": (lambda x: al.acosh(x + 1.5), POS),
    "add": (al.add, A, B[0]),
    "asin": (al.asin, INNER),
    "asinh": (al.asinh, A),
    "astype": (lambda x: al.astype(x, x.dtype) * x, A),
    "atan": (al.atan, A),
    "atan2": (al.atan2, A, POS),
    "atanh": (al.atanh, INNER),
    "avg_pool": (lambda x: al.avg_pool(x, 2, padding=1), IMAGE),
    "binary_cross_entropy": (lambda p: al.binary_cross_entropy(p, np.float32(MASK)), POS / 3),
    "binary_cross_entropy_with_logits": (
        lambda z: al.binary_cross_entropy_with_logits(z, np.float32(MASK)),
        A,
    ),
    "broadcast_arrays": (lambda a, b: al.multiply(*al.broadcast_arrays(a, b)), A, B[0]),
    "broadcast_to": (lambda a: al.broadcast_to(a, (4, 2, 3)) ** 2, A),
    "clip": (lambda a: al.clip(a, -0.5, 0.5), A),
    "concat": (lambda a, b: al.concat([a, b], axis=1) ** 2, A, B),
    "conv": (lambda x, w: al.conv(x, w, stride=2, padding=1, groups=2), IMAGE, KERNEL),
    "conv_transpose": (lambda x, w: al.conv_transpose(x, w, stride=2), IMAGE, numbers(4, 2, 3, 3)),
    "copysign": (lambda a: al.copysign(a, -1.0), A),
    "cos": (al.cos, A),
    "cosh": (al.cosh, A),
    "cross_entropy": (lambda z: al.cross_entropy(z, al.tensor(LABELS)), A),
    "cummax": (al.cummax, A[0]),
    "cummin": (al.cummin, A[0]),
    "cumulative_prod": (al.cumulative_prod, A[0]),
    "cumulative_sum": (lambda a: al.cumulative_sum(a, axis=1), A),
    "divide": (al.divide, A, POS),
    "dropout": (lambda a: al.dropout(a, 0.5, al.random.key(0)), A),
    "einsum": (lambda a, b: al.einsum("ij,jk->ki", a, b), A, M),
    "elu": (al.elu, A),
    "embedding": (lambda w: al.embedding(w, al.tensor(INDEX)), M),
    "erf": (al.erf, A),
    "exp": (al.exp, A),
    "exp2": (al.exp2, A),
    "expand_dims": (lambda a: al.expand_dims(a, axis=1) ** 2, A),
    "expm1": (al.expm1, A),
    "flip": (lambda a: al.flip(a) * a, A),
    "gelu": (al.gelu, A),
    "getitem": (lambda a: a[::-1, 1:] ** 2, A),
    "hypot": (al.hypot, A, B),
    "index_add": (lambda a, u: al.index_add(a, al.tensor([1, 1]), u) ** 2, A, B),
    "layer_norm": (lambda a: al.layer_norm(a), A),
    "leaky_relu": (al.leaky_relu, A),
    "log": (al.log, POS),
    "log10": (al.log10, POS),
    "log1p": (al.log1p, POS),
    "log2": (al.log2, POS),
    "log_sigmoid": (al.log_sigmoid, A),
    "log_softmax": (al.log_softmax, A),
    "logaddexp": (al.logaddexp, A, B),
    "logsumexp": (lambda a: al.logsumexp(a, axis=0), A),
    "matmul": (al.matmul, A, M),
    "matrix_transpose": (lambda a: al.matrix_transpose(a) ** 2, A),
    "max": (lambda a: al.max(a, axis=1), A),
    "max_pool": (lambda x: al.max_pool(x, 2, stride=1), IMAGE),
    "maximum": (al.maximum, A, B),
    "mean": (lambda a: al.mean(a, axis=0) ** 2, A),
    "meshgrid": (lambda a, b: al.multiply(*al.meshgrid(a, b)), A[0], B[1]),
    "min": (lambda a: al.min(a, axis=1), A),
    "minimum": (al.minimum, A, B),
    "moveaxis": (lambda a: al.moveaxis(a, 0, 1) ** 2, A),
    "mse": (al.mse, A, B),
    "multiply": (al.multiply, A, B),
    "negative": (al.negative, A),
    "outer": (al.outer, A[0], M[0]),
    "pad": (lambda a: al.pad(a, ((1, 1), (0, 2))) ** 2, A),
    "permute_dims": (lambda a: al.permute_dims(a, (1, 0)) ** 2, A),
    "positive": (lambda a: al.positive(a) * a, A),
    "pow": (al.pow, POS, B),
    "prod": (lambda a: al.prod(a, axis=1), A),
    "put_along_axis": (
        lambda a, v: al.put_along_axis(a, al.tensor([[2], [0]]), v, axis=1) ** 2,
        A,
        B[:, :1],
    ),
    "reciprocal": (al.reciprocal, POS),
    "relu": (al.relu, A),
    "remainder": (al.remainder, A * 5, POS),
    "repeat": (lambda a: al.repeat(a, 2, axis=1) ** 2, A),
    "reshape": (lambda a: al.reshape(a, (3, -1)) ** 2, A),
    "rms_norm": (al.rms_norm, A),
    "roll": (lambda a: al.roll(a, 1, axis=1) * a, A),
    "scaled_dot_product_attention": (al.scaled_dot_product_attention, A, B, numbers(2, 3)),
    "scatter": (lambda a, u: al.scatter(a, al.tensor([1, 0]), u) ** 2, A, B),
    "setitem": (lambda a, b: al.setitem(a, (slice(None), 1), b) ** 2, A, B[:, 0]),
    "sigmoid": (al.sigmoid, A),
    "silu": (al.silu, A),
    "sin": (al.sin, A),
    "sinh": (al.sinh, A),
    "sliding_windows": (lambda a: al.sliding_windows(a, (2,), axis=1) ** 2, A),
    "softmax": (al.softmax, A),
    "softplus": (al.softplus, A),
    "sort": (lambda a: al.sort(a, descending=True) ** 2, A),
    "split": (lambda a: al.multiply(*al.split(al.concat([a, a * a], axis=0), 2)), A),
    "sqrt": (al.sqrt, POS),
    "square": (al.square, A),
    "squeeze": (lambda a: al.squeeze(a[None], axis=0) ** 2, A),
    "stack": (lambda a, b: al.stack([a, b], axis=1) ** 2, A, B),
    "std": (lambda a: al.std(a, axis=1), A),
    "subtract": (al.subtract, A, B),
    "sum": (lambda a: al.sum(a, axis=1, keepdims=True) ** 2, A),
    "swapaxes": (lambda a: al.swapaxes(a, 0, 1) ** 2, A),
    "take": (lambda a: al.take(a, al.tensor([2, 0, 0]), axis=1) ** 2, A),
    "take_along_axis": (lambda a: al.take_along_axis(a, al.tensor(INDEX), axis=1) ** 2, A),
    "tan": (al.tan, INNER),
    "tanh": (al.tanh, A),
    "tensordot": (lambda a, b: al.tensordot(a, b, axes=1), A, M),
    "tile": (lambda a: al.tile(a, (2, 2)) ** 2, A),
    "topk": (lambda a: al.topk(a, 2)[0] ** 2, A),
    "tril": (lambda a: al.tril(a) * a, A),
    "triu": (lambda a: al.triu(a) * a, A),
    "unstack": (lambda a: al.multiply(*al.unstack(a)), A),
    "var": (lambda a: al.var(a, axis=0, correction=1), A),
    "vecdot": (al.vecdot, A, B),
    "vector_norm": (al.vector_norm, A),
    "where": (lambda a, b: al.where(al.tensor(MASK), a * a, b), A, B),
}

WITHOUT = {
    "makes new values": """arange asarray empty empty_like eye full full_like linspace one_hot ones
        ones_like tensor zeros zeros_like""",
    "piecewise constant": "ceil floor floor_divide round sign trunc",
    "gives booleans or integers": """all any argmax argmin argsort bitwise_and bitwise_invert
        bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor count_nonzero equal greater
        greater_equal isclose isfinite isinf isnan less less_equal logical_and logical_not
        logical_or logical_xor nonzero not_equal searchsorted signbit unique_values""",
    "stops gradients": "stop_gradient",
}
