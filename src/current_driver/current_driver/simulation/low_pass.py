# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""A first-order low-pass with state, for short blocks.

It gives the bits of `scipy.signal.lfilter([1 - pole], [1, -pole], ...)`. Importing scipy.signal takes 70 MB and most of
a second, which a robot's process would pay for nothing else.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def low_pass(values: Values, pole: float, state: Values) -> tuple[Values, Values]:
    """Return values smoothed along the first axis, and the state to continue from.

    Args:
        values: Shape (samples, ...).
        pole: Pole of the filter, exp(-sample period / time constant) [1].
        state: State after the value before, shape (...); zeros to start from rest.
    """
    columns = values.reshape(len(values), -1).T.tolist()
    states = np.asarray(state, dtype=np.float64).reshape(-1).tolist()
    gain = 1.0 - pole
    smooth = []
    for number, column in enumerate(columns):
        memory = states[number]
        row = []
        for value in column:
            output = memory + gain * value
            memory = pole * output
            row.append(output)
        states[number] = memory
        smooth.append(row)
    return np.array(smooth).T.reshape(values.shape), np.array(states).reshape(np.shape(state))
