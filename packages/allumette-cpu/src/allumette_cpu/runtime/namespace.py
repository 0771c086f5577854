"""The names that rendered kernels may use."""

from functools import cache
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic


def _pointer(kind: Any) -> Any:
    """A function from an address to a pointer that is indexed without checks or wrap-around."""

    @intrinsic
    def pointer(typing_context: Any, address: Any) -> Any:
        signature = types.CPointer(kind)(types.int64)

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

        return signature, generate

    return pointer


@intrinsic
def float_bits(typing_context: Any, word: Any) -> Any:
    """The float64 whose bits an integer holds."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(signature.return_type))

    return types.float64(types.int64), generate


@cache
def _names() -> dict[str, Any]:
    kinds = {
        "b1": types.uint8, "i8": types.int8, "i16": types.int16, "i32": types.int32,
        "i64": types.int64, "u8": types.uint8, "u16": types.uint16, "u32": types.uint32,
        "u64": types.uint64, "f16": types.uint16, "f32": types.float32, "f64": types.float64,
    }  # fmt: skip
    names: dict[str, Any] = {name: _pointer(kind) for name, kind in kinds.items()}
    names |= {"np": np, "float_bits": float_bits}
    return names


def namespace() -> dict[str, Any]:
    """A new scope to define a kernel in."""
    return dict(_names())
