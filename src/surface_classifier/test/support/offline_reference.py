# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What a recording gives offline, and how live windows and labels are compared with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from current_driver.recordings.reading.open_recording import open_recording
from surface_classifier.model.engine import load_engine
from surface_classifier.model.label import Label
from surface_classifier.model.labeller import Labeller
from surface_classifier.nodes.conversion import window_from_message
from surface_classifier.signal.window_stream import Window, WindowStream


@dataclass(frozen=True)
class Offline:
    """Windows and labels of a recording, and how many windows were voided."""

    windows: list[Window]
    labels: list[Label]
    voided: int


def classify_offline(bag: Path, model: Path) -> Offline:
    """Cut and label a recording's `motor_current` as offline classification does."""
    labeller = Labeller(load_engine(model, 'onnx'))
    stream = WindowStream(labeller.engine.contract.config)
    windows: list[Window] = []
    with open_recording(bag) as reader:
        for message in reader.messages(['motor_current']):
            windows.extend(stream.push_message('motor_current', reader.deserialize(message), message.stamp_ns))
    return Offline(windows, [labeller.label(window) for window in windows], stream.counters.voided)


def assert_equal_windows(live: Sequence[Any], expected: Sequence[Window]) -> None:
    """Fail unless the messages hold these windows, all of them and to the last bit."""
    assert [message.index for message in live] == [window.index for window in expected]
    for message, window in zip(live, expected, strict=True):
        received = window_from_message(message)
        assert (received.start_ns, received.end_ns) == (window.start_ns, window.end_ns)
        assert received.part_starts_ns == window.part_starts_ns
        for name, values in window.parts.items():
            assert received.parts[name].tobytes() == np.ascontiguousarray(values).tobytes()


def assert_equal_labels(live: Sequence[Any], expected: Sequence[Label]) -> None:
    """Fail unless the messages hold these labels, all of them, with probabilities equal to 1e-6."""
    assert [message.window_index for message in live] == [label.window_index for label in expected]
    for message, label in zip(live, expected, strict=True):
        assert message.surface == label.surface
        np.testing.assert_allclose(message.probabilities, label.probabilities, rtol=0, atol=1e-6)
