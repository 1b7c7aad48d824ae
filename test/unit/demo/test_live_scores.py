# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Scoring of a live drive: which windows have one right answer, and what counts as right around a change."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

# The demo is a folder of scripts, not a package: its files find each other because Python adds their folder.
sys.path.insert(0, str(Path(__file__).resolve().parents[3] / 'demo'))

from live_scores import Segment, balanced_accuracy, score_drive, segments_of

CLASSES = ('asphalt', 'grass', 'sand')


def test_segments_end_where_the_next_begins() -> None:
    segments = segments_of([(0, 'grass'), (100, ''), (150, 'sand'), (150, 'asphalt')], 300)
    assert segments == (Segment(0, 100, 'grass'), Segment(150, 300, 'asphalt'))


def test_windows_over_a_change_are_counted_separately() -> None:
    segments = segments_of([(0, 'grass'), (100, 'sand')], 200)
    spans = [(0, 99), (50, 149), (60, 100), (100, 199)]
    score = score_drive(spans, ['grass', 'sand', 'asphalt', 'grass'], segments, CLASSES)
    assert score.steady.tolist() == [0, 3]
    assert score.truth.tolist() == [1, 2]
    assert score.predicted.tolist() == [1, 1]
    assert score.segment_of.tolist() == [0, 1]
    assert score.changing.tolist() == [1, 2]
    assert score.changing_right == 1


def test_a_window_that_reaches_out_of_the_labelled_time_is_not_steady() -> None:
    segments = segments_of([(0, 'grass'), (100, '')], 200)
    score = score_drive([(50, 120), (130, 150)], ['grass', 'grass'], segments, CLASSES)
    assert not len(score.steady)
    assert score.changing.tolist() == [0]


def test_an_unknown_label_is_wrong() -> None:
    segments = segments_of([(0, 'grass')], 100)
    score = score_drive([(0, 9), (10, 19)], ['unknown', 'grass'], segments, CLASSES)
    assert score.predicted.tolist() == [-1, 1]
    assert balanced_accuracy(score.truth, score.predicted) == pytest.approx(0.5)


def test_balanced_accuracy_weighs_surfaces_equally() -> None:
    truth = np.array([0] * 98 + [1, 1])
    predicted = np.array([0] * 98 + [0, 1])
    assert balanced_accuracy(truth, predicted) == pytest.approx(0.75)
    assert np.isnan(balanced_accuracy(truth[:0], predicted[:0]))


@given(
    st.lists(st.tuples(st.integers(1, 300), st.sampled_from(CLASSES)), min_size=1, max_size=8),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 200)), max_size=30),
)
def test_every_window_inside_the_drive_is_counted_once(
    stretches: list[tuple[int, str]], windows: list[tuple[int, int]]
) -> None:
    starts = np.concatenate([[0], np.cumsum([length for length, _ in stretches])])
    truths = [(int(start), surface) for start, (_, surface) in zip(starts, stretches, strict=False)]
    spans = [(start, start + length) for start, length in windows if start + length < starts[-1]]
    labels = ['grass'] * len(spans)
    score = score_drive(spans, labels, segments_of(truths, int(starts[-1])), CLASSES)
    assert sorted([*score.steady, *score.changing]) == list(range(len(spans)))
    for position, label in zip(score.steady, score.truth, strict=True):
        under = {stretches[np.searchsorted(starts, stamp, side='right') - 1][1] for stamp in range(*spans[position])}
        assert under <= {CLASSES[label]}
