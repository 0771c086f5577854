"""`al.explain`: what compiled code would do with a function."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import tree
from ..convert import from_array
from ..tensor import Tensor
from ..tracing import stand_in
from .program import Program, build


def explain(function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Print how compiled code would compute `function(*args, **kwargs)`.

    Each phase is a loop over rows, which a backend runs a chunk at a time; in it are the fused
    loop nests and the products of matrices, and what is folded up over the rows. Arguments are
    taken as `jit` takes them: a number is an input, a bool or a string a fixed value.

    >>> import allumette_core as al
    >>> al.explain(lambda x: al.sum(al.exp(x) * 2), al.ones((1000, 3)))
    phase 1: streams over 3000 rows
      nest [rows]: exp mul, 1 sum -> float32[] folded over rows
      in a chunk: nothing is stored between the statements
    """
    from .describe import describe  # with the whole compiler behind it: only when it is asked for

    sys.stdout.write(describe(program_of(function, args, kwargs)) + "\n")


def program_of(function: Callable[..., Any], args: Any, kwargs: Any) -> Program:
    """The program of `function(*args, **kwargs)`, arguments being taken as `jit` takes them."""
    leaves, structure = tree.flatten((args, kwargs))
    arrays = (np.ndarray, np.generic)
    stood = [stand_in(from_array(np.asarray(x)) if isinstance(x, arrays) else x) for x in leaves]
    inputs = [x._node for x in stood if isinstance(x, Tensor)]
    args, kwargs = tree.unflatten(structure, stood)
    results = tree.leaves(function(*args, **kwargs))
    return build(inputs, [leaf._node for leaf in results if isinstance(leaf, Tensor)])[0]
