# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The check that block sizes do not matter: it passes on sound streams, and finds streams that depend on the sizes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from current_driver import messages
from current_driver.errors import SurfaceError
from current_driver.recordings.recording import Recording
from current_driver.recordings.writing.recording_writer import RecordingWriter
from current_driver.testing.drives import START_NS, write_drive
from surface_classifier.cli.main import main
from surface_classifier.data import block_check
from surface_classifier.data.block_check import check_blocks
from surface_classifier.data.dataset_builder import motor_window_config
from surface_classifier.signal.channel_map import TopicSamples
from surface_classifier.signal.window_config import ChannelConfig, PartConfig, WindowConfig, default_window_config
from surface_classifier.signal.window_stream import Window, WindowStream

REQUIRES = ('mcap', 'rosbags')


def write_rough_drive(path: Path) -> Path:
    """A drive at 1 kHz with blocks of many sizes, a lost block, a pause, and a source that starts again."""
    rng = np.random.default_rng(3)
    with RecordingWriter(path, flush_interval_s=None) as writer:
        stamp_ns, first_sample, stream_id = START_NS, 0, 1
        for number in range(120):
            count = int(rng.integers(1, 120))
            if number == 40:
                first_sample += 30
            if number == 70:
                stamp_ns += 2 * messages.NANOSECONDS
            if number == 90:
                first_sample, stream_id = 0, 2
            stamps = stamp_ns + np.cumsum(rng.integers(800_000, 1_200_000, count))
            block = messages.CurrentBlock(
                stamps, rng.normal(size=(count, 2)), ('left', 'right'), first_sample, stream_id
            )
            writer.write_message('motor_current', messages.current_block_message(block), int(stamps[-1]))
            stamp_ns, first_sample = int(stamps[-1]), first_sample + count
    return path


@pytest.mark.parametrize('input_rate_hz', [None, 1000.0])
def test_a_rough_drive_gives_the_same_windows_in_any_blocks(tmp_path: Path, input_rate_hz: float | None) -> None:
    part = PartConfig('motor', 100.0, default_window_config().parts[0].channels, input_rate_hz)
    config = WindowConfig((part,), window_samples=30, stride_samples=10)
    result = check_blocks(Recording(write_rough_drive(tmp_path / 'a')), config, random_cuts=5)
    assert result.is_equal
    assert result.differences == []
    assert result.windows > 30
    recorded, single, *random = result.cuts
    assert (recorded.blocks, recorded.largest > 100) == (120, True)
    assert (single.smallest, single.largest) == (1, 1)
    assert len(random) == 5
    assert len({cut.blocks for cut in random}) > 1
    assert max(cut.largest for cut in random) > recorded.largest


def test_messages_of_one_sample_are_joined_too(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / 'imu', flush_interval_s=None) as writer:
        for number in range(300):
            stamp_ns = START_NS + number * 10_000_000
            message = messages.imu_message(stamp_ns, np.full(3, float(number)), np.zeros(3), 'imu_link')
            writer.write_message('imu', message, stamp_ns)
    yaw = ChannelConfig('yaw', 'imu', messages.IMU, 'angular_velocity.z', unit='rad/s')
    config = WindowConfig((PartConfig('imu', 50.0, (yaw,)),), window_samples=20, stride_samples=5)
    result = check_blocks(Recording(tmp_path / 'imu'), config)
    assert result.is_equal
    assert result.windows > 20
    assert result.cuts[2].largest == 4


class Nudged(WindowStream):
    """A stream in which the last bit of a value depends on the size of its block."""

    def push(self, samples: TopicSamples) -> list[Window]:
        if len(samples.stamps_ns) == 3:
            samples = samples._replace(values=np.nextafter(samples.values, np.inf))
        return super().push(samples)


class Forgetful(WindowStream):
    """A stream that gives out one window a block."""

    def push(self, samples: TopicSamples) -> list[Window]:
        return super().push(samples)[:1]


@pytest.mark.parametrize(('stream', 'word'), [(Nudged, 'part motor differs by up to'), (Forgetful, 'window')])
def test_a_stream_that_depends_on_block_sizes_is_found(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    stream: Callable[[WindowConfig], WindowStream],
    word: str,
) -> None:
    bag = write_drive(tmp_path / 'a', [('ice', 6.0)])
    (tmp_path / 'channels.yaml').write_text(
        'window: {samples: 20, stride: 1}\n'
        'parts: [{name: motor, sample_rate_hz: 100, channels: [{name: left, topic: motor_current, '
        "type: surface_msgs/msg/MotorCurrent, field: 'current[left]'}]}]\n"
    )
    arguments = ['dataset', 'check', str(bag), '--channels', str(tmp_path / 'channels.yaml')]
    assert main(arguments) == 0
    assert 'all are equal to the last bit' in capsys.readouterr().out
    monkeypatch.setattr(block_check, 'WindowStream', stream)
    assert main([*arguments, '--json', str(tmp_path / 'check.json')]) == 1
    printed = capsys.readouterr().out
    assert word in printed
    assert 'differ' in printed
    found = json.loads((tmp_path / 'check.json').read_text())
    assert found['equal'] is False
    assert found['recordings'][0]['equal'] is False
    assert 0 < len(found['recordings'][0]['differences']) <= 10


def test_the_command_says_what_it_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in range(2):
        write_drive(tmp_path / 'r' / f'drive_{seed}', [('ice', 5.0)], seed=seed)
    assert main(['dataset', 'check', str(tmp_path / 'r')]) == 0
    printed = capsys.readouterr().out
    assert 'drive_0: 9 windows' in printed
    assert '50 blocks of 10 samples' in printed
    assert '500 blocks of 1 sample\n' in printed
    assert '18 windows of 2 recordings compared: all are equal to the last bit' in printed
    assert main(['dataset', 'check', str(tmp_path / 'r'), '--random-cuts', '1', '--json', '-']) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found['equal'], found['windows']) == (True, 18)
    assert [cut['name'] for cut in found['recordings'][0]['cuts']] == [
        'as recorded',
        'sample by sample',
        'random sizes 1',
    ]


def test_nothing_to_compare_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['dataset', 'check', str(write_drive(tmp_path / 'short', [('ice', 0.5)]))]) == 2
    assert 'nothing could be compared' in capsys.readouterr().err


def test_a_drive_without_the_channels_is_named(tmp_path: Path) -> None:
    recording = Recording(write_drive(tmp_path / 'a', [('ice', 2.0)]))
    other = Recording(write_drive(tmp_path / 'b', [('ice', 2.0)], topic='wheel_current'))
    config = motor_window_config([recording])
    with pytest.raises(SurfaceError, match='wheel_current'):
        check_blocks(other, config)
