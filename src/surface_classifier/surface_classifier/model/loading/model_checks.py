# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of a model's weights and answers, whatever engine runs it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from current_driver.errors import SurfaceError
from surface_classifier.model.network_config import NetworkConfig

_REMEDY = 'copy the model again or train it again'


def check_weights(arrays: Mapping[str, NDArray[Any]], network: NetworkConfig, file: Path) -> None:
    """Refuse weights that are not finite, and a network that needs more weights than there are.

    The second is checked before the network is built: it would take the memory.

    Args:
        arrays: The weights by name.
        network: Shape of the network.
        file: Their file, named in errors.

    Raises:
        SurfaceError: The names say which.
    """
    for name, values in arrays.items():
        if values.dtype.kind == 'f' and not np.isfinite(values).all():
            raise SurfaceError(f'{file}: {name} holds NaN or infinite weights; {_REMEDY}')
    needed = sum(_fewest_weights(member) for member in (network, *network.members))
    held = sum(values.size for values in arrays.values())
    if needed > held:
        raise SurfaceError(
            f'{file} does not hold the network of its contract: it has {held} weights, the network {needed} or more; '
            f'{_REMEDY}'
        )


def check_answer(probabilities: NDArray[np.float64], classes: int, folder: Path) -> None:
    """Refuse a model whose answer to an ordinary window is no distribution over its classes.

    Args:
        probabilities: Its answer, (windows, classes).
        classes: Number of its classes.
        folder: The model's folder, named in errors.

    Raises:
        SurfaceError: The shape differs, values are not finite, or a row does not sum to 1.
    """
    if probabilities.ndim != 2 or probabilities.shape[1] != classes:
        raise SurfaceError(
            f'{folder}: the model answers with the shape {probabilities.shape}, not with {classes} classes; {_REMEDY}'
        )
    sums = probabilities.sum(axis=1)
    if not np.isfinite(probabilities).all() or not np.allclose(sums, 1.0, atol=1e-6):
        raise SurfaceError(
            f'{folder}: the model answers with {probabilities[0].tolist()}, which are no probabilities; {_REMEDY}'
        )


def _fewest_weights(network: NetworkConfig) -> int:
    lstm = sum(4 * size * (size + 1) for size in network.hidden_sizes)
    return lstm + sum(network.head_sizes) + sum(first * second for first, second in pairwise(network.head_sizes))
