# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""How `auto` in a recipe becomes numbers, from the number of training windows.

The constants were chosen on simulated tasks of 98 windows with seeds from 100 on and on three folds of BorealTC
(EXPERIMENTS.md); `bench/default_recipe.py` measures what comes of them on other seeds.
"""

from __future__ import annotations

import math

SMALLEST_BATCH, LARGEST_BATCH = 16, 64
STEPS_PER_EPOCH = 4
SMALLEST_RATE, LARGEST_RATE = 2e-3, 1e-2
RATE_OF_ONE_STEP = 0.13
LARGEST_LOGIT_SCALE = 5.0
MANY_WINDOWS = 500
DROPOUT_OF_MANY = 0.3
LABEL_SMOOTHING_OF_MANY = 0.1


def auto_batch_size(windows: int) -> int:
    """Return the batch size for a number of training windows.

    A quarter of the windows, from 16 to 64 of them, in batches of equal size: a last batch of a few windows would be
    the noisiest step of every epoch.
    """
    target = min(max(math.ceil(windows / STEPS_PER_EPOCH), SMALLEST_BATCH), LARGEST_BATCH)
    return math.ceil(windows / math.ceil(windows / target))


def auto_learning_rate(steps: int) -> float:
    """Return the peak learning rate for a number of steps in the whole training.

    The steps of an adaptive optimiser have about the length of the rate, and the distance that a walk covers grows
    with the square root of the number of its steps; so the rate falls with it, from 0.01 to 0.002.
    """
    return min(max(RATE_OF_ONE_STEP / math.sqrt(steps), SMALLEST_RATE), LARGEST_RATE)


def auto_logit_scale(windows: int) -> float:
    """Return the factor on the discriminant's logits in training for a number of training windows.

    Where windows are few, the discriminant is the best that can be had of most of them. Sharpened, it leaves the loss
    to the windows that it gets wrong, and the LSTM learns those without undoing the rest. From 500 windows on the LSTM
    has enough to learn from all.
    """
    return min(max(MANY_WINDOWS / windows, 1.0), LARGEST_LOGIT_SCALE)


def auto_dropout(windows: int) -> float:
    """Return the dropout for a number of training windows.

    From 500 windows on it is worth a point on recordings that were not seen; below, its noise is all that is left of
    the loss once the windows are learnt, and it gains nothing.
    """
    return DROPOUT_OF_MANY if windows >= MANY_WINDOWS else 0.0


def auto_label_smoothing(windows: int) -> float:
    """Return the label smoothing for a number of training windows.

    From 500 windows on it keeps the held-out loss, by which the best epoch is chosen, from rising with confidence
    while the accuracy still grows. Below, the sharpened discriminant is confident on purpose.
    """
    return LABEL_SMOOTHING_OF_MANY if windows >= MANY_WINDOWS else 0.0
