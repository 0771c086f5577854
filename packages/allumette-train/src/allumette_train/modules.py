"""Layers whose parameters are trees: what a layer holds is its fields, what it does is a call.

>>> import allumette_core as al
>>> from allumette_train import MLP
>>> network = MLP.init(al.random.key(0), (2, 16, 1))
>>> network(al.zeros((5, 2))).shape
(5, 1)
>>> al.tree.names(network)[:2]
['layers.0.weight', 'layers.0.bias']
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import allumette_core as al

__all__ = ["MLP", "Linear"]


@al.tree.register_dataclass
@dataclass(frozen=True, eq=False)
class Linear:
    """``x @ weight + bias``.

    Attributes:
        weight: (inputs, outputs) float32.
        bias: (outputs,) float32.

    >>> Linear(al.tensor([[2.0], [3.0]]), al.tensor([1.0]))(al.tensor([[1.0, 1.0]])).tolist()
    [[6.0]]
    """

    weight: al.Tensor
    bias: al.Tensor

    @classmethod
    def init(cls, key: al.Tensor, inputs: int, outputs: int) -> Linear:
        """Draw a layer: weights as He et al. (2015) for relu, uniform; biases small.

        Args:
            key: from ``al.random.key``; the same key draws the same layer, on the key's device.
            inputs: at least 1.
            outputs: at least 1.

        Raises:
            ArgumentError: if a size is below 1.
        """
        if inputs < 1 or outputs < 1:
            raise al.ArgumentError(f"Linear: sizes {inputs} and {outputs} must be at least 1")
        first, second = al.random.split(key)
        spread, offset = math.sqrt(6 / inputs), math.sqrt(1 / inputs)
        return cls(
            al.random.uniform(first, (inputs, outputs), low=-spread, high=spread),
            al.random.uniform(second, (outputs,), low=-offset, high=offset),
        )

    def __call__(self, x: al.Tensor) -> al.Tensor:
        """Apply to rows: (..., inputs) to (..., outputs)."""
        return x @ self.weight + self.bias


@al.tree.register_dataclass
@dataclass(frozen=True, eq=False)
class MLP:
    """Linear layers with relu between them: a multilayer perceptron.

    Attributes:
        layers: at least one; the last has no relu after it, its outputs are logits.
    """

    layers: tuple[Linear, ...]

    @classmethod
    def init(cls, key: al.Tensor, sizes: Sequence[int]) -> MLP:
        """Draw a network.

        Args:
            key: from ``al.random.key``.
            sizes: inputs, the width of each hidden layer (none for a linear model), outputs.

        Raises:
            ArgumentError: if there are fewer than two sizes or one is below 1.
        """
        if len(sizes) < 2:
            raise al.ArgumentError(f"MLP: sizes {tuple(sizes)} need inputs and outputs")
        keys = al.random.split(key, len(sizes) - 1)
        return cls(
            tuple(Linear.init(k, *pair) for k, pair in zip(keys, pairwise(sizes), strict=True))
        )

    @property
    def sizes(self) -> tuple[int, ...]:
        """Inputs, the width of each hidden layer, outputs."""
        return (self.layers[0].weight.shape[0], *(layer.weight.shape[1] for layer in self.layers))

    def __call__(self, x: al.Tensor) -> al.Tensor:
        """Logits of rows: (..., inputs) to (..., outputs)."""
        *hidden, last = self.layers
        for layer in hidden:
            x = al.relu(layer(x))
        return last(x)
