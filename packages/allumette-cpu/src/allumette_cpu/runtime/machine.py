"""Machine code in this process: LLVM text or an object file in, callable addresses out.

Only llvmlite is needed, so that kernels kept on disk run without importing numba.
"""

import os
import threading
from functools import cache
from itertools import count
from typing import Any

import llvmlite.binding as llvm
from allumette_core.errors import BackendError

_lock = threading.RLock()
# An object's code and constants next to each other reach each other by short addresses, without
# which loops full of constants take a quarter longer. LLVM's linker that sees to this is young for
# Windows, where what is apart is reached by long ones.
IN_ONE_PIECE = os.name != "nt"
WITNESS = "witness"  # in every module: an object is linked, or not, when it is asked for


def free_in_child(lock: Any) -> None:
    """Have a fork wait for `lock`: its child has no thread that would ever release it."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release
        )


free_in_child(_lock)


def _new_target_machine() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=3,
        reloc="pic",
        codemodel="small" if IN_ONE_PIECE else "jitdefault",
        jit=True,
    )


@cache
def target_machine() -> Any:
    """The machine we are on, with all that its processor can do, optimising as far as it goes."""
    return _new_target_machine()


@cache
def _linker() -> Any:
    """What puts object files in memory and finds the functions of this process that they call."""
    return llvm.create_lljit_compiler(
        _new_target_machine(), use_jit_link=IN_ONE_PIECE, suppress_errors=True
    )


def optimised(text: str, by_hand: bool = False) -> Any:
    """The module of LLVM assembly `text` after LLVM's optimiser; `by_hand`: it is vectorised and
    unrolled as it should be, and only needs tidying up."""
    with _lock:
        machine = target_machine()
        module = llvm.parse_assembly(f"{text}\n@{WITNESS} = constant i8 1\n")
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


class Loaded:
    """An object file in memory. Its symbols are its own, and it stays for good."""

    def __init__(self, code: bytes) -> None:
        """Load it.

        Raises:
            BackendError: it calls a function that this process does not have.
        """
        with _lock:
            self._name = f"object {next(_numbers)}"
            self._found: dict[str, Any] = {}
            library = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
            try:
                _kept.append(library.export_symbol(WITNESS).link(_linker(), self._name))
            except RuntimeError as error:
                raise BackendError(f"compiled code does not load: {error}") from None
            _kept.append(self._found)  # an address may be in use anywhere

    def address(self, name: str) -> int:
        """The address of function `name`.

        Raises:
            KeyError: there is none.
        """
        with _lock:
            if name not in self._found:
                try:
                    self._found[name] = _linker().lookup(self._name, name)
                except RuntimeError:
                    raise KeyError(name) from None
            return int(self._found[name][name])


_kept: list[Any] = []
_numbers = count()
