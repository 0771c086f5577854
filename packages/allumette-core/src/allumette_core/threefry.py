"""The block cipher behind random numbers, for NumPy arrays and tensors alike."""

from typing import Any

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


def threefry(k0: Any, k1: Any, high: Any, low: Any) -> tuple[Any, Any]:
    """Threefry-2x32 with 20 rounds: two words for each counter (high, low) under the key (k0, k1).

    All are uint32 arrays or tensors, whose arithmetic wraps around. Source: Salmon et al.,
    "Parallel random numbers: as easy as 1, 2, 3", 2011.

    >>> import numpy as np
    >>> zero = np.zeros(1, np.uint32)
    >>> [hex(word.item()) for word in threefry(zero, zero, zero, zero)]
    ['0x6b200159', '0x99ba4efe']
    """
    schedule = (k0, k1, k0 ^ k1 ^ 0x1BD11BDA)
    a, b = high + k0, low + k1
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            a = a + b
            b = ((b << rotation) | (b >> (32 - rotation))) ^ a
        a = a + schedule[(group + 1) % 3]
        b = b + schedule[(group + 2) % 3] + (group + 1)
    return a, b
