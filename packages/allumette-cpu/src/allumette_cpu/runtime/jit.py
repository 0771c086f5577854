"""Python source to an object file, through numba. The only module that imports numba to compile."""

import threading
from typing import Any

import llvmlite.binding as llvm
from numba import njit, types

from . import machine
from .namespace import namespace

_SIGNATURE = types.void(types.int64, types.int64, types.CPointer(types.int64))
# What numba compiles returns a status and takes two pointers more; a kernel raises nothing.
_ENTRY = """
declare i32 @"{inner}"(ptr, ptr, i64, i64, ptr)
define void @{symbol}(i64 %block, i64 %thread, ptr %args) {{
  %result = alloca ptr
  %error = alloca ptr
  %status = call i32 @"{inner}"(ptr %result, ptr %error, i64 %block, i64 %thread, ptr %args)
  ret void
}}
"""
_lock = threading.RLock()


def compile_kernel(source: str, name: str, symbol: str) -> bytes:
    """The object file that defines function `symbol`: kernel `name` of `source`."""
    with _lock:
        scope = namespace()
        exec(compile(source, f"<{name}>", "exec"), scope)
        return machine.object_code(_module(scope[name], symbol))


def _module(function: Any, symbol: str) -> Any:
    options = {"nogil": True, "error_model": "numpy", "no_cpython_wrapper": True}
    dispatcher = njit(_SIGNATURE, no_cfunc_wrapper=True, **options)(function)
    (result,) = dispatcher.overloads.values()
    inner = result.fndesc.llvm_func_name
    module = llvm.parse_assembly(result.library.get_llvm_str())
    module.link_in(llvm.parse_assembly(_ENTRY.format(inner=inner, symbol=symbol)))
    for item in (*module.functions, *module.global_variables):
        if not item.is_declaration and item.name != symbol:
            item.linkage = "internal"
    return machine.optimised(str(module))
