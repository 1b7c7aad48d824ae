# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""How `auto` in a recipe becomes numbers: batch size and learning rate from the number of training windows."""

from __future__ import annotations

import math

TARGET_BATCH = 64
BASE_LEARNING_RATE = 2e-3


def auto_batch_size(windows: int) -> int:
    """Return the batch size for a number of training windows.

    Batches of about `TARGET_BATCH` windows, of equal size: a last batch of a few windows would be the noisiest step of
    every epoch.
    """
    return math.ceil(windows / math.ceil(windows / TARGET_BATCH))


def auto_learning_rate(batch_size: int) -> float:
    """Return the peak learning rate for a batch size.

    It grows with the square root of the batch size, with which the noise of adaptive steps falls (Malladi et al., On
    the SDEs and scaling rules for adaptive gradient algorithms, NeurIPS 2022).
    """
    return BASE_LEARNING_RATE * math.sqrt(batch_size / TARGET_BATCH)
