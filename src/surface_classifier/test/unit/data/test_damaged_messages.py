# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""One damaged message, at the worst place, costs itself and nothing else, in whatever reads the recording."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from current_driver import messages
from current_driver.errors import SurfaceError
from current_driver.recordings.recording import Recording, find_recordings
from current_driver.recordings.writing.recording_writer import RecordingWriter
from current_driver.testing.drives import START_NS
from surface_classifier.data.dataset_builder import motor_window_config, with_input_rates
from surface_classifier.data.inspection.topic_log import log_recording
from surface_classifier.signal.window_config import ChannelConfig, PartConfig, WindowConfig

BLOCKS = 60
BLOCK_NS = 100_000_000


def block_cdr(number: int) -> bytes:
    stamps = START_NS + number * BLOCK_NS + np.arange(10, dtype=np.int64) * 10_000_000
    block = messages.CurrentBlock(stamps, np.ones((10, 2)), ('left', 'right'), number * 10)
    return messages.serialize(messages.current_block_message(block))


def write_bag(path: Path, damaged: range, blocks: int = BLOCKS) -> Recording:
    """Write a labelled drive of which some blocks are cut short."""
    with RecordingWriter(path, 'sqlite3', flush_interval_s=None) as writer:
        label = messages.truth_message(START_NS, 'ice', 'operator')
        writer.write_message('surface_truth', label, START_NS, latched=True)
        writer.add_topic('motor_current', messages.MOTOR_CURRENT)
        for number in range(blocks):
            cdr = block_cdr(number)
            stamp_ns = START_NS + (number + 1) * BLOCK_NS - 10_000_000
            writer.write('motor_current', stamp_ns, cdr[:40] if number in damaged else cdr)
    (recording,) = find_recordings([path])
    return recording


def windows(input_rate_hz: float | None = 100.0) -> WindowConfig:
    channels = tuple(
        ChannelConfig(name, 'motor_current', messages.MOTOR_CURRENT, f'current[{name}]') for name in ('left', 'right')
    )
    return WindowConfig((PartConfig('motor', 20.0, channels, input_rate_hz=input_rate_hz),), 20, 20)


def test_the_motors_are_those_of_the_first_message_that_can_be_read(tmp_path: Path) -> None:
    config = motor_window_config([write_bag(tmp_path / 'bag', range(1))])
    assert config.parts[0].channel_names == ('left', 'right')


def test_a_recording_without_a_readable_message_says_why(tmp_path: Path) -> None:
    recording = write_bag(tmp_path / 'bag', range(BLOCKS))
    with pytest.raises(SurfaceError, match='no message that can be used: a message cannot be decoded'):
        motor_window_config([recording])
    with pytest.raises(SurfaceError, match='none of 60 messages'):
        with_input_rates(windows(None), recording)


def test_the_rate_is_measured_on_messages_that_are_used(tmp_path: Path) -> None:
    recording = write_bag(tmp_path / 'bag', range(520), blocks=600)
    measured = with_input_rates(windows(None), recording)
    assert measured.parts[0].input_rate_hz == pytest.approx(100.0)


def test_the_first_messages_do_not_decide_over_the_recording(tmp_path: Path) -> None:
    """One in five of the first ones is damaged, far fewer of all."""
    recording = write_bag(tmp_path / 'bag', range(0, 500, 5), blocks=1200)
    assert with_input_rates(windows(None), recording).parts[0].input_rate_hz == pytest.approx(100.0)


def test_the_topics_are_logged_as_without_it(tmp_path: Path) -> None:
    logs: list[Any] = []
    for name, damaged in (('whole', range(0)), ('bag', range(1))):
        with write_bag(tmp_path / name, damaged).reader() as reader:
            logs.append({log.topic: log for log in log_recording(reader, 60.0)}['/motor_current'])
    whole, log = logs
    assert (log.count, log.timing.stamped) == (BLOCKS, 'header')
    assert log.timing.rate_hz == pytest.approx(whole.timing.rate_hz)
    assert [series.path for series in log.series()] == [series.path for series in whole.series()]


def test_a_model_is_adapted_on_the_other_messages(tmp_path: Path) -> None:
    pytest.importorskip('torch')
    from surface_classifier.training.adapt import read_robot_windows

    contract: Any = SimpleNamespace(config=windows(), classes=('ice',))
    few = write_bag(tmp_path / 'few', range(1), blocks=400)
    assert len(read_robot_windows([few], contract).labels) >= 35
    many = write_bag(tmp_path / 'many', range(0, 400, 5), blocks=400)
    with pytest.raises(SurfaceError, match='80 of 400 messages'):
        read_robot_windows([many], contract)
