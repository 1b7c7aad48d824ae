# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The terminal view over plain data: what it shows, how strips fall into columns, and what happens when time jumps."""

from __future__ import annotations

import io
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from surface_classifier.terminal.screen import save_view
from surface_classifier.terminal.watch_view import MAX_COLUMNS, WatchState, render

CLASSES = ('asphalt', 'grass', 'sand')
START_NS = 1_700_000_000_000_000_000
SECOND_NS = 1_000_000_000


def shown(state: WatchState, width: int = 80) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    with console.capture() as capture:
        console.print(render(state, width))
    return capture.get()


def label(state: WatchState, seconds: float, surface: str, confidence: float = 0.8, known: bool = True) -> None:
    probabilities = [confidence if name == surface else (1 - confidence) / 2 for name in CLASSES]
    state.add_label(START_NS + round(seconds * 1e9), surface, known, confidence, CLASSES, probabilities)


def current(state: WatchState, seconds: float, level_a: float, samples: int = 50) -> None:
    stamps_ns = START_NS + round(seconds * 1e9) + np.arange(samples) * 10_000_000
    state.add_current(stamps_ns, np.full((samples, 2), level_a))


def test_an_empty_view_says_what_it_waits_for() -> None:
    state = WatchState(notice='no message on /surface_label for 3 s: is the classifier running?')
    text = shown(state)
    assert 'waiting for the first label' in text
    assert 'is the classifier running?' in text
    assert state.line() == state.notice


def test_surface_confidence_and_truth_are_shown() -> None:
    state = WatchState()
    state.add_truth(START_NS, 'grass')
    current(state, 0.0, 2.0)
    label(state, 1.0, 'grass', 0.83)
    text = shown(state)
    assert 'GRASS' in text
    assert '83 % sure' in text
    assert 'really: grass  ✓' in text
    label(state, 1.5, 'sand', 0.5)
    assert '✗' in shown(state)
    assert (state.right, state.compared) == (1, 2)
    assert 'right 1/2' in state.line()


def test_an_unknown_surface_is_never_counted_as_right() -> None:
    state = WatchState()
    state.add_truth(START_NS, 'sand')
    label(state, 1.0, 'unknown', 0.4, known=False)
    assert (state.right, state.compared) == (0, 1)
    assert 'UNKNOWN' in shown(state)
    state.add_label(
        START_NS + 2 * SECOND_NS,
        'unknown',
        False,
        0.9,
        CLASSES,
        [1 / len(CLASSES)] * len(CLASSES),
        reason='unseen motion',
    )
    assert 'unseen motion' in shown(state)
    assert '% sure' not in shown(state)
    assert 'unseen motion' in state.line()


def test_the_strip_reads_without_colours() -> None:
    state = WatchState()
    for second in range(20):
        state.add_truth(START_NS + second * SECOND_NS, CLASSES[second // 10])
        current(state, second, 1.0 + second // 10)
        label(state, second + 0.5, CLASSES[second // 10])
    lines = shown(state).splitlines()
    truth = next(line for line in lines if 'truth' in line)
    labels = next(line for line in lines if 'label ' in line and '│' in line)
    assert truth.index('asphalt') < truth.index('grass')
    assert labels.index('asphalt') < labels.index('grass')


@pytest.mark.parametrize('width', [34, 60, 80, 120, 250])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    state = WatchState()
    for second in range(200):
        current(state, second, 3.0)
        state.add_truth(START_NS + second * SECOND_NS, 'sand')
        label(state, second + 0.5, CLASSES[second % 3])
    assert max(len(line) for line in shown(state, width).splitlines()) <= width


@given(st.lists(st.integers(1, 40), min_size=1, max_size=20), st.integers(0, 2**31))
def test_blocks_of_any_size_give_the_same_strip(sizes: list[int], seed: int) -> None:
    total = sum(sizes)
    stamps_ns = START_NS + np.arange(total) * 10_000_000
    values = np.random.default_rng(seed).normal(size=(total, 3))
    whole, pieces = WatchState(), WatchState()
    whole.add_current(stamps_ns, values)
    begin = 0
    for size in sizes:
        pieces.add_current(stamps_ns[begin : begin + size], values[begin : begin + size])
        begin += size
    np.testing.assert_allclose([cell[0] for cell in pieces.strip(50)], [cell[0] for cell in whole.strip(50)])


def test_unmeasured_samples_do_not_pull_the_mean_down() -> None:
    state = WatchState()
    values = np.array([[2.0, np.nan], [np.nan, np.nan], [4.0, 4.0]])
    state.add_current(START_NS + np.arange(3), values)
    assert state.strip(1)[0][0] == pytest.approx(3.0)


def test_a_jump_back_in_time_restarts() -> None:
    state = WatchState()
    current(state, 10_000.0, 2.0)
    label(state, 10_000.0, 'sand')
    state.add_truth(START_NS + 10_000 * SECOND_NS, 'sand')
    current(state, 0.0, 1.0)
    cells = state.strip(5)
    assert cells[-1][0] == pytest.approx(1.0)
    assert state.first_ns == START_NS
    assert state.truth_at(START_NS + SECOND_NS) == ''


def test_the_next_recording_a_day_later_restarts() -> None:
    state = WatchState()
    state.add_truth(START_NS, 'sand')
    current(state, 0.0, 1.0)
    state.add_truth(START_NS + 86_400 * SECOND_NS, 'grass')
    current(state, 86_400.0, 2.0)
    label(state, 86_400.4, 'grass')
    assert state.first_ns == START_NS + 86_400 * SECOND_NS
    assert (state.right, state.compared) == (1, 1)
    assert state.strip(3)[-1][0] == pytest.approx(2.0)


def test_the_picture_needs_nothing_from_outside(tmp_path: Path) -> None:
    state = WatchState()
    current(state, 0.0, 2.0)
    label(state, 1.0, 'grass', 0.83)
    save_view(state, tmp_path / 'view.svg', 'surface watch', render)
    root = ElementTree.parse(tmp_path / 'view.svg').getroot()
    assert root.tag.endswith('svg')
    text = (tmp_path / 'view.svg').read_text(encoding='utf-8')
    assert 'GRASS' in text
    assert 'url(http' not in text
    assert '@font-face' not in text


def test_memory_stays_bounded() -> None:
    state = WatchState()
    for second in range(5 * MAX_COLUMNS):
        current(state, second, 1.0, samples=2)
        state.add_truth(START_NS + second * SECOND_NS, 'sand')
    assert len(state._columns) <= 2 * MAX_COLUMNS + 1
    assert len(state._truths) <= MAX_COLUMNS
