"""vjp, jvp, grad, value_and_grad and backward: functions to functions, graph to graph.

Each runs the user's function on fresh variables, takes the tape from variables to results, and
walks it. The results are graph again, so the transforms nest to any depth and jit sees through.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

from .. import expr, tree
from .. import functions as F
from ..dtypes import is_float
from ..errors import DTypeError, GradientError, ShapeError
from ..expr import Node
from ..tensor import Tensor
from .tape import Tape

Argnums = int | Sequence[int]


def _as_tensors(name: str, values: Sequence[Any]) -> list[Tensor]:
    tensors = [v if isinstance(v, Tensor) else F.asarray(v) for v in values]
    for t in tensors:
        if not is_float(t.dtype):
            raise DTypeError(
                f"{name}: can only differentiate with respect to floats, got {t.dtype} of shape "
                f"{t.shape}; cast it, or leave it out with argnums"
            )
    return tensors


def _output_nodes(name: str, leaves: Sequence[Any]) -> list[Node]:
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            raise GradientError(
                f"{name}: the function must return tensors, got {type(leaf).__name__}; return "
                "other values as auxiliary data with has_aux=True"
            )
    return [leaf._node for leaf in leaves]


class _Linearized:
    """`function` run on variables in place of `primals`: its results and the tape between."""

    def __init__(
        self, name: str, function: Callable[..., Any], primals: Sequence[Any], has_aux: bool
    ) -> None:
        leaves, self.structure = tree.flatten(tuple(primals))
        self.variables = [expr.variable(t._node) for t in _as_tensors(name, leaves)]
        recording, expr.state.recording = expr.state.recording, True
        try:
            result = function(*tree.unflatten(self.structure, [Tensor(v) for v in self.variables]))
        finally:
            expr.state.recording = recording
        self.aux = None
        if has_aux:
            result, self.aux = _split_aux(name, result)
        out_leaves, self.out_structure = tree.flatten(result)
        self.outputs = _output_nodes(name, out_leaves)
        aux_nodes = [t._node for t in tree.leaves(self.aux) if isinstance(t, Tensor)]
        self.tape = Tape(self.outputs, self.variables)
        Tape([*self.outputs, *aux_nodes], self.variables).release()
        self.value = tree.unflatten(self.out_structure, [Tensor(n) for n in self.outputs])

    def pull(self, cotangents: Sequence[Tensor]) -> list[Tensor]:
        """The cotangent of each variable."""
        start: dict[int, Tensor] = {}
        for node, t in zip(self.outputs, cotangents, strict=True):
            if node.serial in self.tape.reached:
                start[node.serial] = start[node.serial] + t if node.serial in start else t
        got = self.tape.pull(start)
        return [
            got[v.serial] if v.serial in got else F.zeros_like(Tensor(v)) for v in self.variables
        ]


def _split_aux(name: str, result: Any) -> tuple[Any, Any]:
    if not isinstance(result, tuple) or len(result) != 2:
        raise GradientError(f"{name}: with has_aux the function returns (value, auxiliary data)")
    return result


def vjp(function: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """`(function(*primals), pull)`; `pull(cotangent)` gives the tuple of cotangents of `primals`.

    Args:
        function: from trees of float tensors to a tree of tensors.
        has_aux: the function returns `(value, aux)`; the result is then `(value, pull, aux)`.

    Raises:
        DTypeError: a primal is not of a float dtype.
        ShapeError: `pull` is given a cotangent of another structure or shape than the value.

    >>> import allumette_core as al
    >>> y, pull = al.vjp(lambda x: x * x, al.tensor([1.0, 2.0], device="numpy"))
    >>> pull(al.ones(2, device="numpy"))
    (tensor([2., 4.], dtype=float32, device='numpy'),)
    """
    run = _Linearized("vjp", function, primals, has_aux)

    def pull(cotangent: Any) -> tuple[Any, ...]:
        given, structure = tree.flatten(cotangent)
        if structure != run.out_structure:
            raise ShapeError(f"vjp: cotangent is {structure}, the value is {run.out_structure}")
        cotangents = [
            _like("vjp: cotangent", v, n) for v, n in zip(given, run.outputs, strict=True)
        ]
        pulled: tuple[Any, ...] = tree.unflatten(run.structure, run.pull(cotangents))
        return pulled

    return (run.value, pull, run.aux) if has_aux else (run.value, pull)


def _like(name: str, value: Any, node: Node) -> Tensor:
    """`value` as a tensor of the dtype of `node`, whose shape it must have."""
    t = (
        value
        if isinstance(value, Tensor)
        else F.asarray(value, dtype=node.dtype, device=node.device)
    )
    if t.shape != node.shape:
        raise ShapeError(f"{name} has shape {t.shape}, but the value has {node.shape}")
    return t if t.dtype == node.dtype else F.astype(t, node.dtype)


def jvp(
    function: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]
) -> tuple[Any, Any]:
    """`(function(*primals), directional derivative along tangents)`.

    Args:
        primals, tangents: sequences of equally structured trees of float tensors.

    Raises:
        DTypeError: a primal is not of a float dtype.
        ShapeError: primals and tangents differ in structure or shape.

    >>> import allumette_core as al
    >>> x = al.tensor(3.0, device="numpy")
    >>> al.jvp(lambda x: x**2, [x], [al.ones_like(x)])[1].item()
    6.0
    """
    run = _Linearized("jvp", function, tuple(primals), False)
    given, structure = tree.flatten(tuple(tangents))
    if structure != run.structure:
        raise ShapeError(f"jvp: tangents are {structure}, primals are {run.structure}")
    start = {
        v.serial: _like("jvp: tangent", t, v) for t, v in zip(given, run.variables, strict=True)
    }
    got = run.tape.push(start)
    out = [got[n.serial] if n.serial in got else F.zeros_like(Tensor(n)) for n in run.outputs]
    return run.value, tree.unflatten(run.out_structure, out)


def value_and_grad(
    function: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that gives `function`'s scalar value and its gradient.

    Args:
        function: to a float scalar, or with `has_aux` to `(scalar, aux)`.
        argnums: which positional arguments to differentiate; a sequence gives a tuple of gradients.

    Returns:
        A function of the same arguments that returns `(value, gradient)`, or
        `((value, aux), gradient)`. The gradient has the structure of the argument.

    Raises:
        GradientError: the value is not a float scalar.
        DTypeError: an argument to differentiate is not of a float dtype.

    >>> import allumette_core as al
    >>> value, g = al.value_and_grad(lambda w: (w["a"] ** 2).sum())(
    ...     {"a": al.ones(2, device="numpy")}
    ... )
    >>> value.item(), g["a"].tolist()
    (2.0, [2.0, 2.0])
    """
    chosen = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        for i in chosen:
            if not -len(args) <= i < len(args):
                raise GradientError(f"grad: argnums {i}, but there are {len(args)} arguments")
        places = [i % len(args) for i in chosen]

        def of_chosen(*primals: Any) -> Any:
            full = list(args)
            for i, primal in zip(places, primals, strict=True):
                full[i] = primal
            return function(*full, **kwargs)

        linear = _Linearized("grad", of_chosen, [args[i] for i in places], has_aux)
        if len(linear.outputs) != 1 or linear.outputs[0].shape != ():
            shapes = [n.shape for n in linear.outputs]
            raise GradientError(f"grad: the value must be one scalar, got shapes {shapes}")
        seed = _seed("grad", linear.outputs[0])
        grads = tree.unflatten(linear.structure, linear.pull([seed]))
        value = (linear.value, linear.aux) if has_aux else linear.value
        return value, grads[0] if isinstance(argnums, int) else grads

    return run


def _seed(name: str, node: Node) -> Tensor:
    if node.shape != ():
        raise GradientError(
            f"{name}: needs a scalar, got shape {node.shape}; reduce it, e.g. .sum()"
        )
    if not is_float(node.dtype):
        raise GradientError(f"{name}: needs a float, got {node.dtype}")
    return F.ones((), node.dtype, node.device)


def grad(
    function: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that gives the gradient of `function`'s scalar value; see `value_and_grad`.

    With `has_aux`, it gives `(gradient, aux)`.

    >>> import allumette_core as al
    >>> al.grad(al.grad(lambda x: x**3))(al.tensor(2.0, device="numpy")).item()
    12.0
    """
    both = value_and_grad(function, argnums, has_aux)

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        value, gradient = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return run


class Gradients:
    """What `loss.backward()` returns: the gradient of the loss for each tensor that requires one.

    >>> import allumette_core as al
    >>> w = al.tensor([1.0, 2.0], device="numpy", requires_grad=True)
    >>> grads = (w * w).sum().backward()
    >>> grads.wrt(w).tolist() == grads[w].tolist() == [2.0, 4.0]
    True
    """

    def __init__(self, found: dict[int, Tensor]) -> None:
        self._found = found

    def wrt(self, tensor: Tensor) -> Tensor:
        """The gradient with respect to `tensor`; zeros if the loss does not depend on it.

        Raises:
            GradientError: `tensor` does not require a gradient, or is not a leaf of this graph.
        """
        found = self._found.get(tensor._node.serial)
        if found is not None:
            return found
        if expr.is_parameter(tensor._node):
            return F.zeros_like(tensor)
        raise GradientError(
            f"no gradient for this {tensor.dtype} tensor of shape {tensor.shape}: it was not made "
            "with requires_grad=True before the loss was computed, or was changed in place since"
        )

    __getitem__ = wrt

    def __contains__(self, tensor: Tensor) -> bool:
        return tensor._node.serial in self._found

    def __len__(self) -> int:
        return len(self._found)


def backward(loss: Tensor) -> Gradients:
    """The gradients of the scalar `loss` for all tensors made with `requires_grad=True`.

    Raises:
        GradientError: not a float scalar, or it depends on no tensor that requires a gradient.

    >>> import allumette_core as al
    >>> w = al.tensor(3.0, device="numpy", requires_grad=True)
    >>> al.backward(w * w)[w].item()
    6.0
    """
    seed = _seed("backward", loss._node)
    parameters = [
        node
        for node in expr.ancestors([loss._node], lambda n: n.tracked)
        if expr.is_parameter(node)
    ]
    if not parameters:
        raise GradientError(
            "backward: the loss depends on no tensor that requires a gradient; make one with "
            "al.tensor(..., requires_grad=True), and not under al.no_grad()"
        )
    tape = Tape([loss._node], parameters)
    got = tape.pull({loss._node.serial: seed})
    return Gradients({p.serial: got[p.serial] for p in parameters if p.serial in got})


@contextmanager
def no_grad() -> Iterator[None]:
    """Inside, nothing is recorded for differentiation on this thread.

    >>> import allumette_core as al
    >>> w = al.tensor(3.0, device="numpy", requires_grad=True)
    >>> with al.no_grad():
    ...     (w * w).requires_grad
    False
    """
    before, expr.state.recording = expr.state.recording, False
    try:
        yield
    finally:
        expr.state.recording = before
