"""Optimizers as pure functions of trees: ``init`` makes a state, ``update`` a better tree.

>>> import allumette_core as al
>>> from allumette_train import SGD
>>> optimizer, parameters = SGD(0.5), {"w": al.tensor([1.0, 2.0])}
>>> state = optimizer.init(parameters)
>>> parameters, state = optimizer.update({"w": al.tensor([2.0, 2.0])}, state, parameters)
>>> parameters["w"].tolist()
[0.0, 1.0]
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

import allumette_core as al

__all__ = ["SGD", "Adam", "AdamState", "AdamW", "Optimizer", "SGDState"]

Tree: TypeAlias = Any
Factor: TypeAlias = "al.Tensor | float"


class Optimizer(Protocol):
    """What a training step asks of an optimizer; both methods may run inside ``al.jit``."""

    def init(self, parameters: Tree) -> Any:
        """The state before the first update, a tree."""
        ...

    def update(
        self, gradients: Tree, state: Any, parameters: Tree, factor: Factor = 1.0
    ) -> tuple[Tree, Any]:
        """The parameters after one step and the next state; nothing given is changed.

        ``factor`` multiplies the learning rate: what a schedule varies.
        """
        ...


class SGDState(NamedTuple):
    """Attributes: ``velocity``, a tree like the parameters, or None without momentum."""

    velocity: Tree


@dataclass(frozen=True, slots=True)
class SGD:
    """Gradient descent: ``v = momentum * v + gradient; parameter -= learning_rate * v``.

    Attributes:
        learning_rate: above 0.
        momentum: at least 0 and below 1.

    Raises:
        ArgumentError: if one is out of range.
    """

    learning_rate: float = 0.1
    momentum: float = 0.0

    def __post_init__(self) -> None:
        _check_rate("SGD", self.learning_rate)
        _check_decay("SGD", "momentum", self.momentum)

    def init(self, parameters: Tree) -> SGDState:
        """A velocity of zeros, if there is momentum."""
        return SGDState(al.tree.map(al.zeros_like, parameters) if self.momentum else None)

    def update(
        self, gradients: Tree, state: SGDState, parameters: Tree, factor: Factor = 1.0
    ) -> tuple[Tree, SGDState]:
        """One step down the gradients."""
        velocity = gradients
        if self.momentum:
            velocity = al.tree.map(lambda v, g: self.momentum * v + g, state.velocity, gradients)
            state = SGDState(velocity)
        rate = self.learning_rate * factor
        moved = al.tree.map(lambda p, v: p - rate * v, parameters, velocity)
        return moved, state


class AdamState(NamedTuple):
    """Attributes: running means of the gradients and their squares, and powers of the betas."""

    mean: Tree
    square: Tree
    power1: al.Tensor
    power2: al.Tensor


@dataclass(frozen=True, slots=True)
class Adam:
    """Kingma and Ba (2015), algorithm 1; with weight decay AdamW, Loshchilov and Hutter (2019).

    Attributes:
        learning_rate: above 0.
        beta1: at least 0 and below 1, for the mean of the gradients.
        beta2: at least 0 and below 1, for the mean of their squares.
        epsilon: above 0.
        weight_decay: at least 0; each step takes ``learning_rate * weight_decay`` of a parameter.

    Raises:
        ArgumentError: if one is out of range.
    """

    learning_rate: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        name = type(self).__name__
        _check_rate(name, self.learning_rate)
        _check_decay(name, "beta1", self.beta1)
        _check_decay(name, "beta2", self.beta2)
        if not (0 < self.epsilon < math.inf and 0 <= self.weight_decay < math.inf):
            raise al.ArgumentError(
                f"{name}: epsilon={self.epsilon} must be above 0 and "
                f"weight_decay={self.weight_decay} at least 0"
            )

    def init(self, parameters: Tree) -> AdamState:
        """Means of zero."""
        one = al.ones((), dtype=al.float32, device=al.tree.leaves(parameters)[0].device)
        zeros = al.tree.map(al.zeros_like, parameters)
        return AdamState(zeros, al.tree.map(al.zeros_like, parameters), one, one * 1.0)

    def update(
        self, gradients: Tree, state: AdamState, parameters: Tree, factor: Factor = 1.0
    ) -> tuple[Tree, AdamState]:
        """One step, of about the learning rate for each parameter."""
        b1, b2 = self.beta1, self.beta2
        mean = al.tree.map(lambda m, g: b1 * m + (1 - b1) * g, state.mean, gradients)
        square = al.tree.map(lambda s, g: b2 * s + (1 - b2) * (g * g), state.square, gradients)
        power1, power2 = state.power1 * b1, state.power2 * b2
        rate = self.learning_rate * factor
        kept = 1 - rate * self.weight_decay
        rate, scale = rate / (1 - power1), 1 / (1 - power2)

        def move(p: al.Tensor, m: al.Tensor, s: al.Tensor) -> al.Tensor:
            shrunk = p * kept if self.weight_decay else p
            return shrunk - rate * m / (al.sqrt(s * scale) + self.epsilon)

        moved = al.tree.map(move, parameters, mean, square)
        return moved, AdamState(mean, square, power1, power2)


@dataclass(frozen=True, slots=True)
class AdamW(Adam):
    """:class:`Adam` with the weight decay that its authors recommend."""

    weight_decay: float = 0.01


def _check_rate(name: str, rate: float) -> None:
    if not 0 < rate < math.inf:
        raise al.ArgumentError(f"{name}: learning_rate={rate} must be above 0 and finite")


def _check_decay(name: str, what: str, value: float) -> None:
    if not 0 <= value < 1:
        raise al.ArgumentError(f"{name}: {what}={value} must be at least 0 and below 1")
