# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What a data set covers and how it is drawn: against recordings whose seconds, jitter, gaps, speeds are known."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from dataset_samples import save_dataset, seal
from hypothesis import given, settings
from hypothesis import strategies as st

from current_driver import messages
from current_driver.errors import SurfaceError
from current_driver.recordings.recording import find_recordings
from current_driver.recordings.writing.recording_writer import RecordingWriter
from current_driver.testing.drives import START_NS, write_drive
from surface_classifier.data.dataset import Dataset
from surface_classifier.data.dataset_builder import build_dataset
from surface_classifier.data.input_timing import TimingTally
from surface_classifier.data.survey.dataset_survey import covered_seconds, survey
from surface_classifier.signal.channel_map import TopicSamples
from surface_classifier.signal.window_config import MOTOR_CURRENT_TYPE, ChannelConfig, PartConfig, WindowConfig
from surface_classifier.signal.window_config import default_window_config as default_config

SECOND = messages.NANOSECONDS


def write_stamps(path: Path, stamps_ns: np.ndarray, surface: str = 'ice') -> None:
    """A bag of one block for each ten samples, at any stamps."""
    rng = np.random.default_rng(0)
    with RecordingWriter(path, flush_interval_s=None) as writer:
        first = int(stamps_ns[0])
        writer.write_message('surface_truth', messages.truth_message(first, surface, 'test'), first, latched=True)
        for start in range(0, len(stamps_ns), 10):
            stamps = stamps_ns[start : start + 10]
            current = rng.normal(1.0, 0.1, (len(stamps), 2))
            block = messages.CurrentBlock(stamps, current, ('left', 'right'), start)
            writer.write_message('motor_current', messages.current_block_message(block), int(stamps[-1]))


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 500), st.integers(1, 60)), min_size=1, max_size=12),
    st.integers(1, 5),
)
def test_overlapping_windows_cover_their_union(spans: list[tuple[int, int]], step: int) -> None:
    starts = np.array([start for start, _ in spans], dtype=np.int64) * SECOND
    ends = starts + np.array([length for _, length in spans], dtype=np.int64) * SECOND
    covered = {second for start, length in spans for second in range(start, start + length + step)}
    assert covered_seconds(starts, ends, step * SECOND) == len(covered)


@pytest.mark.requires('mcap', 'rosbags')
def test_classes_seconds_robots_and_balance(tmp_path: Path) -> None:
    write_drive(tmp_path / 'r' / 'a', [('ice', 3.0), ('snow', 2.0)], metadata={'robot': 'husky'})
    write_drive(tmp_path / 'r' / 'b', [('snow', 6.0)], metadata={'robot': 'jackal'})
    write_drive(tmp_path / 'r' / 'c', [('snow', 2.0)])
    found = survey(build_dataset(find_recordings([tmp_path / 'r']), default_config(), tmp_path / 'set').dataset)
    assert found.classes['ice'].seconds == pytest.approx(3.0)
    assert found.classes['snow'].seconds == pytest.approx(10.0)
    assert found.classes['snow'].recordings == 3
    assert found.classes['snow'].robots == ('husky', 'jackal')
    assert found.imbalance == pytest.approx(17 / 5)
    assert found.motion is None


def test_rate_jitter_and_gaps_of_the_recordings(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    even = START_NS + np.arange(1000, dtype=np.int64) * 10_000_000
    uneven = even + rng.integers(-3_000_000, 3_000_001, 1000)
    with_gap = even.copy()
    with_gap[600:] += 2 * SECOND
    for name, stamps in (('even', even), ('uneven', uneven), ('with_gap', with_gap)):
        write_stamps(tmp_path / 'r' / name, stamps)
    recordings = find_recordings([tmp_path / 'r'])
    dataset = build_dataset(recordings, default_config(), tmp_path / 'set', allow_one_class=True).dataset
    inputs = {info.name: info.inputs['motor'] for info in dataset.recordings}
    assert inputs['even']['jitter_s'] == 0.0
    expected = float(np.std(np.diff(uneven))) / SECOND
    assert inputs['uneven']['jitter_s'] == pytest.approx(expected, rel=1e-6)
    assert inputs['uneven']['rate_hz'] == pytest.approx(999 * SECOND / (uneven[-1] - uneven[0]))
    assert inputs['with_gap']['gaps'] == 1
    assert inputs['with_gap']['longest_s'] == pytest.approx(2.01)
    assert dataset.recordings[2].counts['voided'] > 0
    found = survey(dataset).inputs['motor']
    assert found.worst_jitter_recording == 'uneven'
    assert found.longest_gap_recording == 'with_gap'
    assert (found.recordings, found.gaps, found.coverage) == (3, 1, 1.0)
    assert survey(dataset).voided == dataset.counters['voided'] > 0


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 2000), min_size=2, max_size=300), st.data())
def test_timing_does_not_depend_on_the_blocks(steps_ms: list[int], data: st.DataObject) -> None:
    stamps = np.cumsum(np.array([0, *steps_ms], dtype=np.int64)) * 1_000_000
    cuts = sorted(data.draw(st.sets(st.integers(1, len(stamps) - 1), max_size=8)))
    config = dataclasses.replace(default_config(), gap_limit_s=1.0)
    tallies = []
    for edges in ([0, len(stamps)], [0, *cuts, len(stamps)]):
        tally = TimingTally(config)
        for first, last in itertools.pairwise(edges):
            tally.add(TopicSamples('motor_current', stamps[first:last], np.zeros((last - first, 2))))
        tallies.append(tally.by_part()['motor'])
    assert tallies[0].to_dict() == pytest.approx(tallies[1].to_dict())
    kept = np.array([step for step in steps_ms if step <= 1000]) / 1000
    assert tallies[0].gaps == len(steps_ms) - len(kept)
    assert tallies[0].longest_s == pytest.approx(max(steps_ms) / 1000)
    if len(kept):
        assert tallies[0].rate_hz == pytest.approx(1 / kept.mean())
        assert tallies[0].jitter_s == pytest.approx(float(kept.std()), abs=1e-9)


def driven(path: Path, speeds: dict[str, tuple[float, float]]) -> Dataset:
    """Windows of a robot that drives at so many m/s left and right on each surface, a tenth of them standing still."""
    channels = tuple(
        ChannelConfig(f'{what}_{side}', 'motor_current', MOTOR_CURRENT_TYPE, f'{field}[{side}]', unit)
        for what, field, unit in (('current', 'current', 'A'), ('speed', 'wheel_speed', 'm/s'))
        for side in ('left', 'right')
    )
    config = WindowConfig((PartConfig('motor', 10.0, channels),), 10, 10)
    dataset = save_dataset(path, {name: {name: 50} for name in speeds}, config=config)
    values = np.load(path / 'part_motor.npy', mmap_mode='r+')
    for label, name in enumerate(dataset.classes):
        rows = np.flatnonzero(dataset.labels == label)
        values[rows, :, 2:] = speeds[name]
        values[rows[:5], :, 2:] = 0.0
    values.flush()
    return seal(path)


def test_speeds_and_turns_of_each_class(tmp_path: Path) -> None:
    motion = survey(driven(tmp_path / 'set', {'ice': (0.5, 1.5), 'mud': (1.0, 1.0), 'snow': (2.0, 2.0)})).motion
    assert motion is not None
    assert motion.speed_channels == ('speed_left', 'speed_right')
    assert motion.turn == 'right wheels less left wheels'
    assert motion.classes['ice'].median == pytest.approx(1.0)
    assert motion.classes['ice'].left == pytest.approx(0.9)
    assert motion.classes['ice'].right == 0.0
    assert motion.classes['snow'].straight == pytest.approx(1.0)
    assert motion.classes['snow'].speed_shares == pytest.approx((0.1, 0.0, 0.9))
    assert motion.classes['mud'].speed_shares == pytest.approx((0.1, 0.9, 0.0))
    assert sum('hardly ever turns left' in warning for warning in motion.warnings) == 2


def test_a_class_driven_at_one_speed_is_reported(tmp_path: Path) -> None:
    dataset = driven(tmp_path / 'set', {'ice': (0.5, 0.5), 'snow': (2.0, 2.0)})
    values = np.load(tmp_path / 'set' / 'part_motor.npy', mmap_mode='r+')
    values[np.flatnonzero(dataset.labels == 0), :, 2:] = 0.5
    values.flush()
    motion = survey(seal(tmp_path / 'set')).motion
    assert motion is not None
    assert [warning.split(' was')[0] for warning in motion.warnings] == ['ice']
    assert 'a model may learn the speed instead of the surface' in motion.warnings[0]


def test_a_picture_names_every_recording_and_class(tmp_path: Path) -> None:
    pytest.importorskip('matplotlib', reason='matplotlib is not installed')
    from surface_classifier.data.survey.dataset_plot import draw_dataset, plot_dataset

    counts = {f'drive_{number:02d}': {('ice', 'snow')[number % 2]: 4} for number in range(7)}
    dataset = save_dataset(tmp_path / 'set', {**counts, 'a_very_long_name_of_a_drive_at_noon': {'mud': 3}})
    picture = plot_dataset(dataset, tmp_path / 'new' / 'set.svg')
    # matplotlib writes each text as a comment before its outlines.
    text = picture.read_text()
    assert ElementTree.fromstring(text).tag.endswith('svg')
    for wanted in (*counts, 'a_very_lon…ve_at_noon', 'ice (16)', 'snow (12)', 'mud (3)', 'frequency [Hz]'):
        assert f'<!-- {wanted} -->' in text
    # One drive much longer than the others: each strip has its own time, and says how long it is.
    assert '<!-- from beginning to end; each' not in text
    uneven = save_dataset(tmp_path / 'uneven', {**counts, 'long': {'ice': 60}})
    figure = draw_dataset(uneven, uneven.config.parts[0])
    texts = [text.get_text() for area in figure.subfigs for axes in area.axes for text in axes.texts]
    assert sorted(texts) == ['4 s'] * 7 + ['60 s']
    labels = [axes.get_xlabel() for area in figure.subfigs for axes in area.axes]
    assert labels[0].startswith('from beginning to end; each strip')
    with pytest.raises(SurfaceError, match=r'set\.jpg: is no picture; give a name that ends with \.png'):
        plot_dataset(dataset, tmp_path / 'set.jpg')
    with pytest.raises(SurfaceError, match="has no part 'imu'; its parts are motor"):
        plot_dataset(dataset, tmp_path / 'set.png', 'imu')


@pytest.mark.requires('mcap', 'rosbags')
def test_a_strip_shows_lowest_and_highest_value_and_label_over_time(tmp_path: Path) -> None:
    pytest.importorskip('matplotlib', reason='matplotlib is not installed')
    from surface_classifier.data.survey.dataset_plot import class_spectrum, recording_strip

    write_drive(tmp_path / 'r', [('ice', 4.0), ('', 2.0), ('snow', 4.0)])
    dataset = build_dataset(find_recordings([tmp_path / 'r']), default_config(), tmp_path / 'set').dataset
    strip = recording_strip(dataset, 0, dataset.config.parts[0], [0, 1], 0.5)
    assert strip.seconds.tolist() == [0.25 + 0.5 * index for index in (*range(8), *range(12, 20))]
    assert strip.labels.tolist() == [0] * 8 + [1] * 8
    first = np.asarray(dataset.parts['motor'][0])[:50]
    assert (strip.low[0], strip.high[0]) == (first.min(), first.max())
    # Parseval: white noise of variance 0.04 A^2 has 0.04 / 50 A^2/Hz up to 50 Hz.
    frequencies, density = class_spectrum(np.random.default_rng(0).normal(1.0, 0.2, (400, 100, 2)), 100.0)
    assert frequencies[[0, -1]].tolist() == [1.0, 50.0]
    assert density[1:-1].mean() == pytest.approx(0.04 / 50, rel=0.03)


def test_many_recordings_and_classes_are_still_drawn(tmp_path: Path) -> None:
    pytest.importorskip('matplotlib', reason='matplotlib is not installed')
    from surface_classifier.data.survey.dataset_plot import class_colours, draw_dataset

    dataset = save_dataset(tmp_path / 'set', {f'r{number:03d}': {f'class_{number % 14}': 1} for number in range(170)})
    figure = draw_dataset(dataset, dataset.config.parts[0])
    strips = [axes for area in figure.subfigs for axes in area.axes if axes.get_ylim()[1] == 0.0]
    assert len(strips) == 3
    assert sum(len(axes.collections) - 1 for axes in strips) == 150
    assert len(set(map(tuple, class_colours(14)))) == 14
