# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Offline classification: recordings and data sets through the very labeller that the live nodes use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surface_classifier.model.label import Label
from surface_classifier.model.labeller import Labeller
from surface_classifier.signal.window_stream import Window, WindowStream


def label_messages(
    labeller: Labeller, stream: WindowStream, messages: Iterable[tuple[str, Any, int]]
) -> Iterator[Label]:
    """Label every window that the messages of a recording complete.

    Args:
        labeller: Labels the windows.
        stream: A fresh stream of the model's window configuration.
        messages: For each message its topic as the configuration names it, the message, and when it was received [ns].

    Raises:
        SurfaceError: A message lacks a configured field.
    """
    for topic, message, receive_ns in messages:
        for window in stream.push_message(topic, message, receive_ns):
            yield labeller.label(window)


def label_windows(
    labeller: Labeller,
    parts: Mapping[str, NDArray[np.float64]],
    start_ns: NDArray[np.int64],
    end_ns: NDArray[np.int64],
    recording: NDArray[np.int64] | None = None,
) -> Iterator[Label]:
    """Label the windows of a data set, numbered from 0 as they stand there.

    Args:
        labeller: Labels the windows.
        parts: For each part an array (windows, samples, channels); NaN where unmeasured.
        start_ns: Stamp of each window's first sample [ns].
        end_ns: Stamp of each window's last sample [ns].
        recording: Recording of each window; where it changes, what was believed before is forgotten. None: one
            recording.
    """
    for row, (start, end) in enumerate(zip(start_ns.tolist(), end_ns.tolist(), strict=True)):
        if recording is not None and (row == 0 or recording[row] != recording[row - 1]):
            labeller.reset()
        values = {name: windows[row] for name, windows in parts.items()}
        measured = {name: ~np.isnan(window) for name, window in values.items()}
        seen = [measured[name] for name in labeller.part_names]
        yield labeller.label(
            Window(
                index=row,
                start_ns=start,
                end_ns=end,
                parts=values,
                coverage=sum(int(mask.sum()) for mask in seen) / sum(mask.size for mask in seen),
                part_starts_ns=dict.fromkeys(values, start),
                part_coverage={name: float(mask.mean()) for name, mask in measured.items()},
            )
        )
