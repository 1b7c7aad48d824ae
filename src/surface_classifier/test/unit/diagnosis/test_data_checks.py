# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What a diagnosis sees in the data before any training: sensors, labels, and power above the Nyquist frequency."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from current_driver import messages
from current_driver.messages import CurrentBlock
from current_driver.recordings.reading.recording_reader import recording_base_ns
from current_driver.recordings.recording import find_recordings
from current_driver.recordings.writing.recording_writer import RecordingWriter
from surface_classifier.data.dataset import Dataset
from surface_classifier.data.dataset_builder import build_dataset
from surface_classifier.data.editing.dataset_edit import drop, relabel
from surface_classifier.data.editing.window_selection import select_windows
from surface_classifier.data.survey.aliasing import find_aliasing, low_passed
from surface_classifier.data.survey.sensor_checks import find_sensor_faults
from surface_classifier.diagnosis.balance_check import rarity_cost
from surface_classifier.diagnosis.label_checks import (
    check_labels,
    count_out_of_line,
    estimate_label_noise,
    shuffled_splits,
    window_features,
)
from surface_classifier.reproduce.forum_task import forum_task
from surface_classifier.signal.window_config import MOTOR_CURRENT_TYPE, ChannelConfig, PartConfig, WindowConfig

REQUIRES = ('sklearn', 'torch')


def two_channels(windows: int = 40) -> np.ndarray[tuple[int, int, int], np.dtype[np.float64]]:
    return 1.0 + 0.1 * np.random.default_rng(0).standard_normal((windows, 100, 2))


def test_sound_sensors_have_no_fault() -> None:
    assert find_sensor_faults([two_channels()]) == []


def test_a_channel_that_died_in_half_of_the_windows_is_dead() -> None:
    values = two_channels()
    values[20:, :, 1] = 0.0
    faults = find_sensor_faults([values])
    assert [(fault.channel, fault.kind, fault.value) for fault in faults] == [(1, 'dead', 0.5)]


def test_a_robot_that_stands_still_has_no_dead_channel() -> None:
    values = two_channels()
    values[20:] = 0.0
    assert find_sensor_faults([values]) == []


def test_a_clipped_channel_is_saturated() -> None:
    values = two_channels()
    values[:, :, 0] = np.minimum(values[:, :, 0], 1.1)
    assert [(fault.channel, fault.kind) for fault in find_sensor_faults([values])] == [(0, 'saturated')]


def test_a_current_that_rests_at_zero_is_not_saturated() -> None:
    values = two_channels()
    values[:, :30, 0] = 0.0
    assert find_sensor_faults([values]) == []


@given(st.floats(0.1, 10.0), st.floats(-5.0, 5.0))
@settings(max_examples=20, deadline=None)
def test_a_copy_is_a_duplicate_whatever_its_gain_and_offset(gain: float, offset: float) -> None:
    values = two_channels()
    values[:, :, 1] = gain * values[:, :, 0] + offset
    faults = find_sensor_faults([values])
    assert [(fault.channel, fault.kind, fault.other) for fault in faults] == [(1, 'duplicate', 0)]


def test_wrong_labels_are_found_and_right_ones_left_alone() -> None:
    task = forum_task('texture', 3)
    features = window_features([task.windows])
    sound = check_labels(features, task.labels, task.recordings, seed=0)
    wrong = np.arange(5, 98, 6)
    labels = task.labels.copy()
    labels[wrong] = (labels[wrong] + 2) % 6
    spoilt = check_labels(features, labels, task.recordings, seed=0)
    assert len(sound.suspects) <= 4
    assert len(spoilt.suspects) >= 5
    assert np.isin(spoilt.suspects, wrong).mean() >= 0.75
    found = np.isin(spoilt.suspects, wrong)
    assert (spoilt.probable == task.labels[spoilt.suspects])[found].mean() >= 0.5
    assert spoilt.drop_gain > 0.0
    assert sound.noise_rate < 0.05
    assert sound.out_of_line in (0, None)
    assert spoilt.out_of_line is not None
    assert spoilt.out_of_line >= 3


def overlapping_classes(windows: int, temperature: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of a classifier, and labels that follow them once they are brought to a temperature."""
    rng = np.random.default_rng(seed)
    logits = 2.0 * rng.standard_normal((windows, 4))
    logits[np.arange(windows), np.arange(windows) % 4] += 1.0
    right = np.exp(logits - logits.max(axis=1, keepdims=True))
    right /= right.sum(axis=1, keepdims=True)
    labels = np.array([rng.choice(4, p=row) for row in right])
    sharp = right**temperature
    return sharp / sharp.sum(axis=1, keepdims=True), labels


@given(st.floats(0.5, 2.0), st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_overlap_is_no_label_noise_however_sure_the_classifier_is(temperature: float, seed: int) -> None:
    probabilities, labels = overlapping_classes(2000, temperature, seed)
    share, support = estimate_label_noise(probabilities, labels)
    assert share < 0.05
    assert support < 6.0


@pytest.mark.parametrize('share', [0.1, 0.3])
def test_the_share_of_random_labels_is_estimated(share: float) -> None:
    probabilities, labels = overlapping_classes(2000, 1.5, 1)
    rng = np.random.default_rng(2)
    noisy = np.where(rng.random(2000) < share, rng.integers(0, 4, 2000), labels)
    estimate, support = estimate_label_noise(probabilities, noisy)
    assert estimate == pytest.approx(share, abs=0.05)
    assert support > 3.0


def test_classes_of_a_few_windows_tell_nothing_of_noise() -> None:
    assert estimate_label_noise(np.full((4, 2), 0.5), np.array([0, 0, 1, 1])) == (0.0, 0.0)


def test_rarity_costs_where_a_surface_has_few_windows_and_nothing_where_all_are_common() -> None:
    task = forum_task('texture', 5, windows=240)
    features = window_features([task.windows])
    kept = np.concatenate([np.flatnonzero(task.labels == k)[: 3 if k < 2 else 40] for k in range(6)])
    labels = task.labels[kept]
    found = rarity_cost(features[kept], labels, shuffled_splits(labels, 3, 0), seed=0)
    assert found.imbalance == pytest.approx(40 / 3)
    assert found.recall > 0.6
    assert found.loss > 0.2
    even = rarity_cost(features, task.labels, shuffled_splits(task.labels, 3, 0), seed=0)
    assert even.imbalance == 1.0
    assert even.loss == 0.0


def test_a_label_alone_among_its_neighbours_is_out_of_line() -> None:
    labels = np.array([0, 0, 1, 0, 0, 1, 1, 1, 2])
    recordings = np.array([0, 0, 0, 0, 0, 1, 1, 1, 2])
    assert count_out_of_line(labels, recordings, np.array([2])) == 1
    # A change of the surface is none, and where another recording begins nothing is expected.
    assert count_out_of_line(labels, recordings, np.array([5, 6])) == 0
    assert count_out_of_line(labels, recordings, np.array([8])) is None


def test_only_labels_with_a_meaning_beat_chance() -> None:
    task = forum_task('ripple', 1)
    features = window_features([task.windows])
    sound = check_labels(features, task.labels, task.recordings, seed=0)
    random = check_labels(features, np.random.default_rng(0).permutation(task.labels), None, seed=0)
    assert sound.accuracy > sound.chance + 0.2
    assert random.accuracy < random.chance + 0.04


def test_every_class_is_in_training_where_a_class_is_rare() -> None:
    labels = np.array([0] * 20 + [1] * 2)
    for train, test in shuffled_splits(labels, 5, seed=0):
        assert set(labels[train]) == {0, 1}
        assert set(train) | set(test) == set(range(22))


def folded_dataset(folder: Path, tone_a: float, input_rate_hz: float | None) -> Dataset:
    """Four drives at 1 kHz over two surfaces, with a tone of 180 Hz, put on a grid of 100 Hz."""
    rng = np.random.default_rng(1)
    for drive in range(4):
        surface = ('carpet', 'tile')[drive % 2]
        base_ns = recording_base_ns(drive)
        stamps = base_ns + np.arange(8000) * 1_000_000
        slow = np.repeat(1.0 + 0.05 * (1 + drive % 2) * rng.standard_normal(160), 50)
        current = slow + tone_a * np.sin(2 * np.pi * 180.0 * np.arange(8000) / 1000.0)
        with RecordingWriter(folder / 'bags' / f'drive_{drive}', flush_interval_s=None) as writer:
            writer.add_topic('surface_truth', messages.SURFACE_TRUTH, latched=True)
            truth = messages.truth_message(base_ns, surface, 'test')
            writer.write_message('surface_truth', truth, base_ns)
            for first in range(0, 8000, 100):
                rows = slice(first, first + 100)
                block = CurrentBlock(stamps[rows], current[rows, None], ('left',), first)
                writer.write_message('motor_current', messages.current_block_message(block), int(stamps[rows][-1]))
    channel = ChannelConfig('left', 'motor_current', MOTOR_CURRENT_TYPE, 'current[left]')
    config = WindowConfig((PartConfig('motor', 100.0, (channel,), input_rate_hz),), 100, 100)
    return build_dataset(find_recordings([folder / 'bags']), config, folder / 'dataset').dataset


def test_power_above_the_nyquist_frequency_is_found_where_no_low_pass_was(tmp_path: Path) -> None:
    # The rate of the grid, stated as that of the samples, switches the low-pass off.
    dataset = folded_dataset(tmp_path, tone_a=0.3, input_rate_hz=100.0)
    folded = find_aliasing(dataset).folded
    assert folded is not None
    assert folded.share > 0.5
    assert folded.frequency_hz == pytest.approx(180.0, abs=3.0)
    rebuilt = low_passed(dataset, tmp_path / 'rebuilt')
    assert find_aliasing(rebuilt).folded is None
    assert np.std(rebuilt.parts['motor']) < 0.5 * np.std(dataset.parts['motor'])


def test_a_edited_data_set_is_low_passed_with_its_labels(tmp_path: Path) -> None:
    dataset = folded_dataset(tmp_path, tone_a=0.3, input_rate_hz=100.0)
    one = relabel(dataset, tmp_path / 'one', select_windows(dataset, recordings=['drive_1']), 'wood').dataset
    two = drop(one, tmp_path / 'two', select_windows(one, recordings=['drive_2'])).dataset
    assert find_aliasing(two).folded is not None
    rebuilt = low_passed(two, tmp_path / 'rebuilt')
    # The low-pass takes a window at either end of a drive; the others are those of the repaired data set.
    assert 0 < len(two) - len(rebuilt) <= 2 * 3
    assert set(rebuilt.recording_names) >= {'drive_0', 'drive_1', 'drive_3'}
    labels = {
        rebuilt.recording_names[recording]: rebuilt.classes[label]
        for recording, label in zip(rebuilt.recording.tolist(), rebuilt.labels.tolist(), strict=True)
    }
    assert labels == {'drive_0': 'carpet', 'drive_1': 'wood', 'drive_3': 'tile'}
    assert np.std(rebuilt.parts['motor']) < 0.5 * np.std(two.parts['motor'])


def test_a_data_set_with_a_low_pass_does_not_alias(tmp_path: Path) -> None:
    found = find_aliasing(folded_dataset(tmp_path, tone_a=0.3, input_rate_hz=None))
    assert found.folded is None
    assert found.why == ''


def test_arrays_do_not_tell_whether_they_alias(tmp_path: Path) -> None:
    found = find_aliasing(forum_task('texture', 0, 12).save(tmp_path / 'set'))
    assert 'arrays' in found.why
    assert 'surface dataset build' in found.supply
