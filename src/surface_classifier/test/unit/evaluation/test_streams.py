# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Joined streams: the signal is the recordings', windows are cut again, and delays and false changes are counted."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from model_samples import TWO_PART_CONFIG, channels

from current_driver.errors import SurfaceError
from surface_classifier.data.dataset import Dataset, RecordingInfo
from surface_classifier.data.joined_streams import join_recordings
from surface_classifier.evaluation.streams import StreamLabels, label_streams, score_labelled_streams, score_streams
from surface_classifier.model.belief import BeliefSettings, filter_sequence
from surface_classifier.signal.grid import Grid
from surface_classifier.signal.window_config import PartConfig, WindowConfig
from surface_classifier.training.confidence.predictions import StreamPredictions

CONFIG = WindowConfig((PartConfig('motor', 10.0, channels('left'), 10.0),), window_samples=8, stride_samples=2)


def cut_dataset(path: Path, config: WindowConfig, seconds: tuple[float, ...] = (12.0, 9.0, 15.0)) -> Dataset:
    """Recordings whose samples name their recording and their number on the grid, cut into windows."""
    rows: dict[str, list[np.ndarray]] = {part.name: [] for part in config.parts}
    start_ns, recording = [], []
    grids = [Grid(part.sample_rate_hz) for part in config.parts]
    for number, length in enumerate(seconds):
        base = 1000 * (number + 1) * int(config.parts[0].sample_rate_hz)
        first = base
        while (first - base + config.window_samples) / config.parts[0].sample_rate_hz <= length:
            stamp = grids[0].stamp_ns(first)
            for k, (part, grid) in enumerate(zip(config.parts, grids, strict=True)):
                begin = grid.first_at_or_after(stamp)
                values = (
                    1e6 * number
                    + begin
                    - grid.first_at_or_after(grids[0].stamp_ns(base))
                    + np.arange(config.samples_of_part(k))
                )
                rows[part.name].append(np.repeat(values[:, None], len(part.channels), axis=1).astype(float))
            start_ns.append(stamp)
            recording.append(number)
            first += config.stride_samples
    starts = np.array(start_ns, dtype=np.int64)
    return Dataset.save(
        path,
        config=config,
        classes=('gravel', 'ice'),
        parts={name: np.stack(values) for name, values in rows.items()},
        labels=np.array(recording, dtype=np.int64) % 2,
        start_ns=starts,
        end_ns=starts + round((config.window_samples - 1) / config.parts[0].sample_rate_hz * 1e9),
        recording=np.array(recording, dtype=np.int64),
        recordings=[RecordingInfo(f'drive {number}', length) for number, length in enumerate(seconds)],
    )


@pytest.mark.parametrize('config', [CONFIG, replace(TWO_PART_CONFIG, stride_samples=3)], ids=['one part', 'two parts'])
def test_the_signal_of_each_recording_is_whole_and_in_order(tmp_path: Path, config: WindowConfig) -> None:
    dataset = cut_dataset(tmp_path / 'set', config)
    stream = join_recordings(dataset, np.arange(len(dataset)), seed=1)
    assert stream is not None
    for k, part in enumerate(config.parts):
        values = stream.parts[k]
        assert values.shape[1:] == (config.samples_of_part(k), len(part.channels))
        steps = np.diff(values[:, :, 0], axis=1)
        joints = np.abs(steps) > 1e5
        assert (steps[~joints] == 1.0).all()
        assert joints.any(axis=1).sum() >= 2  # windows over a joint are there
    recordings = (stream.parts[0][:, -1, 0] // 1e6).astype(int)
    np.testing.assert_array_equal(stream.truth, recordings % 2)
    # As often as the surface differs across a joint.
    order = recordings[np.r_[True, np.diff(recordings) != 0]]
    assert len(stream.changes_ns) == int((np.diff(order % 2) != 0).sum())
    stride_s = config.stride_samples / config.parts[0].sample_rate_hz
    np.testing.assert_allclose(np.diff(stream.stamps_ns) / 1e9, stride_s, atol=1e-8)


def test_recordings_are_cut_to_their_first_seconds_and_orders_differ(tmp_path: Path) -> None:
    dataset = cut_dataset(tmp_path / 'set', CONFIG)
    short = join_recordings(dataset, np.arange(len(dataset)), seed=0, longest_piece_s=5.0)
    whole = join_recordings(dataset, np.arange(len(dataset)), seed=0)
    assert short is not None
    assert whole is not None
    assert short.parts[0].max() % 1e6 < 50
    assert len(short.truth) == (150 - 8) // 2 + 1
    assert len(whole.truth) > 2 * len(short.truth)
    firsts = set()
    for seed in range(8):
        stream = join_recordings(dataset, np.arange(len(dataset)), seed)
        assert stream is not None
        firsts.add(float(stream.parts[0][0, 0, 0]))
    assert len(firsts) > 1


def test_only_the_windows_asked_for_are_joined(tmp_path: Path) -> None:
    dataset = cut_dataset(tmp_path / 'set', CONFIG)
    stream = join_recordings(dataset, np.flatnonzero(np.asarray(dataset.recording) == 2), seed=0)
    assert stream is not None
    assert set((stream.parts[0][:, :, 0] // 1e6).astype(int).ravel()) == {2}
    assert stream.changes_ns == ()


def test_windows_that_do_not_touch_cannot_be_joined(tmp_path: Path) -> None:
    dataset = cut_dataset(tmp_path / 'set', replace(CONFIG, stride_samples=9))
    with pytest.raises(SurfaceError, match='shorter stride'):
        join_recordings(dataset, np.arange(len(dataset)), seed=0)


def made_stream(truth: list[int], labels: list[int]) -> tuple[StreamLabels, np.ndarray]:
    """A stream with a window a second; the surface changes at the stamp of the first window on the new one."""
    found = np.array(truth)
    stamps = np.arange(1, len(truth) + 1) * 1_000_000_000
    changes = tuple(int(stamps[k]) for k in np.flatnonzero(np.diff(found) != 0) + 1)
    predicted = np.array(labels)
    return StreamLabels(found, stamps, changes, 2, predicted, predicted), predicted


def test_delay_missed_changes_and_false_changes_are_counted() -> None:
    stream, labels = made_stream([0] * 6 + [1] * 6 + [2] * 3, [0, 0, 1, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
    scores = score_streams([stream], [labels])
    assert scores['accuracy'] == pytest.approx(7 / 17)
    assert scores['changes'] == 2
    assert scores['missed'] == 0.5
    assert math.isinf(scores['median_delay_s']) or scores['median_delay_s'] > 3.0
    # One change to 1 while on 0; the change back and the late one to the true surface are not false.
    assert scores['false_changes_per_minute'] == pytest.approx(1 / (15 / 60))
    perfect = score_streams([stream], [stream.truth])
    assert (perfect['missed'], perfect['median_delay_s'], perfect['false_changes_per_minute']) == (0.0, 0.0, 0.0)
    assert perfect['accuracy'] == pytest.approx(15 / 17)  # the warm-up counts


def test_accuracy_is_reported_by_the_time_on_a_surface() -> None:
    stream, labels = made_stream([0] * 8 + [1] * 8, [0] * 11 + [1] * 5)
    found = score_streams([stream], [labels])['by_time_on_surface']
    assert found['0 to 5 s']['accuracy'] < 1.0
    assert found['5 to 10 s']['accuracy'] == 1.0
    assert sum(entry['steps'] for entry in found.values()) == 16
    assert list(found) == ['0 to 5 s', '5 to 10 s']


def test_labels_of_streams_are_a_function_of_their_predictions() -> None:
    truth = np.repeat([0, 1, 0], 8)
    shown = np.where(np.arange(24) % 5 == 4, 1 - truth, truth)
    stamps_ns = np.arange(1, 25) * 1_000_000_000
    changes_ns = (int(stamps_ns[8]), int(stamps_ns[16]))
    stream = StreamPredictions(3.0 * np.eye(2)[shown], truth, stamps_ns, changes_ns, 2)
    belief = BeliefSettings(8.0, 0.5, 0.1, 9.0, (0.5, 0.5))
    (labelled,) = label_streams([stream], 1.5, belief)
    np.testing.assert_array_equal(labelled.raw, shown)
    expected = filter_sequence(belief, stream.probabilities(1.5), stamps_ns.tolist())[1]
    np.testing.assert_array_equal(labelled.filtered, expected)
    assert (labelled.changes_ns, labelled.unlabelled) == (changes_ns, 2)
    scores = score_labelled_streams([labelled])
    assert scores['filtered']['false_changes_per_minute'] < scores['raw']['false_changes_per_minute']
