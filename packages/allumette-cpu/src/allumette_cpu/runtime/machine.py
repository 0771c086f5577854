"""Machine code in this process: LLVM text or an object file in, callable addresses out.

Only llvmlite is needed, so that kernels kept on disk run without importing numba.
"""

import threading
from functools import cache
from typing import Any

import llvmlite.binding as llvm

_lock = threading.RLock()


@cache
def target_machine() -> Any:
    """The machine we are on, with all that its processor can do, optimising as far as it goes."""
    with _lock:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        return llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(
            cpu=llvm.get_host_cpu_name(),
            features=llvm.get_host_cpu_features().flatten(),
            opt=3,
            reloc="default",
            codemodel="jitdefault",
            jit=True,
        )


@cache
def _engine() -> Any:
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), target_machine())


def optimised(text: str, speed: int = 3) -> Any:
    """The module of LLVM assembly `text` after LLVM's optimiser."""
    with _lock:
        machine = target_machine()
        module = llvm.parse_assembly(text)
        module.triple = llvm.get_process_triple()
        module.data_layout = str(machine.target_data)
        options = llvm.create_pipeline_tuning_options(speed_level=speed)
        options.loop_vectorization = options.slp_vectorization = True
        builder = llvm.create_pass_builder(machine, options)
        builder.getModulePassManager().run(module, builder)
        return module


def object_code(module: Any) -> bytes:
    """The object file of an LLVM module."""
    with _lock:
        return bytes(target_machine().emit_object(module))


def load(code: bytes, *names: str) -> tuple[int, ...]:
    """The addresses of functions `names` of an object file, which stays loaded for good.

    The names must be new to the process.
    """
    with _lock:
        engine = _engine()
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        engine.finalize_object()
        return tuple(engine.get_function_address(name) for name in names)


def define_symbol(name: str, address: int) -> None:
    """Make `name` known to object files loaded from now on."""
    llvm.add_symbol(name, address)
