# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The arrays of a weights file, each taken once by the layer that it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class WeightsTable:
    """Arrays by name; a network takes all of them, so that none is missing, left over or of another shape."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep the arrays.

        Args:
            arrays: As a weights file holds them, by the names that torch gives them.
        """
        self._left = dict(arrays)

    def take(self, name: str, *shape: int) -> Floats:
        """Return an array.

        Args:
            name: Its name, such as `layers.0.0.bias_ih_l0`.
            shape: The shape that it must have.

        Raises:
            ValueError: There is none of that name, or it has another shape or type.
        """
        if name not in self._left:
            raise ValueError(f'it has no {name}')
        array = self._left.pop(name)
        if array.shape != shape or array.dtype != np.float32:
            raise ValueError(f'{name} is {array.dtype} of shape {array.shape}, not float32 of shape {shape}')
        return array

    def drop(self, name: str) -> None:
        """Leave out an array that only training needs.

        Raises:
            ValueError: There is none of that name.
        """
        if self._left.pop(name, None) is None:
            raise ValueError(f'it has no {name}')

    def check_empty(self) -> None:
        """Refuse arrays that nothing has taken.

        Raises:
            ValueError: Their names are in the message.
        """
        if self._left:
            raise ValueError(f'it also has {", ".join(sorted(self._left))}')
