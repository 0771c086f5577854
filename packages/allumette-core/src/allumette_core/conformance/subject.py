"""The backend under test, and what really ran on it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..backend.spec import Backend, Capabilities, Executable
from ..compiler.program import Program
from .values import Array, Generator


@dataclass
class Subject:
    """A backend's device, how thorough to be, and a count of what ran by (primitive, mode) in the
    check that is running."""

    backend: Backend
    full: bool = False
    seed: int = 0
    device: str = ""
    traced: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.device = self.device or self.backend.devices()[0]

    @property
    def name(self) -> str:
        return self.backend.info.name

    @property
    def capabilities(self) -> Capabilities:
        return self.backend.info.capabilities

    def rng(self, *of: object) -> Generator:
        """Random numbers that depend on the seed and `of` alone, whatever ran before."""
        words = [self.seed, *" ".join(map(str, of)).encode()]
        return np.random.default_rng(words)

    def upload(self, arrays: Iterable[Array]) -> list[Any]:
        """`arrays` as buffers."""
        return [self.backend.from_host(x, self.device) for x in arrays]

    def download(self, buffers: Iterable[Any]) -> list[Array]:
        """`buffers` as arrays of the kit's own."""
        return [np.array(self.backend.to_host(buffer)) for buffer in buffers]

    def compile(self, program: Program) -> Executable:
        """`program` on the device."""
        return self.backend.compile(program, self.device)

    def call(self, executable: Executable, arrays: Iterable[Array]) -> list[Array]:
        """Run once."""
        return self.download(executable(self.upload(arrays)))

    def run(self, program: Program, arrays: Sequence[Array]) -> list[list[Array]]:
        """The outputs of two calls of one executable."""
        executable = self.compile(program)
        return [self.call(executable, arrays) for _ in range(2)]
