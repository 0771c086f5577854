"""Machine code in this process: LLVM text or an object file in, callable addresses out.

Only llvmlite is needed, so that kernels kept on disk run without importing numba.
"""

import os
import struct
import threading
from functools import cache
from typing import Any

import llvmlite.binding as llvm
from allumette_core.errors import BackendError

_lock = threading.RLock()


def free_in_child(lock: Any) -> None:
    """Have a fork wait for `lock`: its child has no thread that would ever release it."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release
        )


free_in_child(_lock)


def _new_target_machine() -> Any:
    return llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=3,
        reloc="pic",
        jit=True,
    )


@cache
def target_machine() -> Any:
    """The machine we are on, with all that its processor can do, optimising as far as it goes."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return _new_target_machine()


def optimised(text: str, by_hand: bool = False) -> Any:
    """The module of LLVM assembly `text` after LLVM's optimiser; `by_hand`: it is vectorised and
    unrolled as it should be, and only needs tidying up."""
    with _lock:
        machine = target_machine()
        module = llvm.parse_assembly(text)
        module.triple = llvm.get_process_triple()
        module.data_layout = str(machine.target_data)
        options = llvm.create_pipeline_tuning_options(speed_level=1 if by_hand else 3)
        options.loop_vectorization = options.slp_vectorization = not by_hand
        options.loop_unrolling = not by_hand
        builder = llvm.create_pass_builder(machine, options)
        builder.getModulePassManager().run(module, builder)
        return module


def object_code(module: Any) -> bytes:
    """The object file of an LLVM module."""
    with _lock:
        return bytes(target_machine().emit_object(module))


def _undefined(file: Any) -> list[str]:
    """The names that an ELF object file takes from outside; nothing for other formats."""
    parts = {section.name(): section.data() for section in file.sections()}
    if not {b".symtab", b".strtab"} <= parts.keys():
        return []
    names = parts[b".strtab"]
    symbols = struct.iter_unpack("<IBBHQQ", parts[b".symtab"])
    starts = [name for name, _, _, section, _, _ in symbols if not section and name]
    found = [names[start : names.index(b"\0", start)].decode() for start in starts]
    return [name for name in found if name != "_GLOBAL_OFFSET_TABLE_"]


class Loaded:
    """An object file in memory. Its symbols are its own, and it stays for good."""

    def __init__(self, code: bytes) -> None:
        """Load it.

        Raises:
            BackendError: it calls a function that this process does not have.
        """
        with _lock:
            target_machine()
            # An engine knows the functions of this process: it comes first.
            empty = llvm.parse_assembly("")
            self._engine = llvm.create_mcjit_compiler(empty, _new_target_machine())
            file = llvm.ObjectFileRef.from_data(code)
            missing = [name for name in _undefined(file) if llvm.address_of_symbol(name) is None]
            if missing:  # the linker would have the code jump to address 0
                raise BackendError(f"compiled code needs {', '.join(missing)}, which is not here")
            self._engine.add_object_file(file)
            self._engine.finalize_object()
            _kept.append(self._engine)  # an address may be in use anywhere

    def address(self, name: str) -> int:
        """The address of function `name`.

        Raises:
            KeyError: there is none.
        """
        with _lock:
            address = int(self._engine.get_function_address(name))
        if not address:
            raise KeyError(name)
        return address


_kept: list[Any] = []
