# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The HTML report: self-contained, complete, honest about who wins, and the same bytes for the same input."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip('jinja2')
pytest.importorskip('matplotlib')
pytest.importorskip('sklearn')

from surface_classifier.training import metrics, report

CLASSES = ('asphalt', 'grass', 'sand')
VOID_ELEMENTS = {'meta', 'img', 'br'}


class Reader(HTMLParser):
    """Collects text and references, and fails on tags that do not close."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ''
        self.references: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.references += [value or '' for name, value in attrs if name in ('src', 'href')]
        if tag not in VOID_ELEMENTS:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def close(self) -> None:
        super().close()
        assert not self._open


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader


def model_result(wrong_every: int, epochs: bool = False) -> dict[str, Any]:
    """A model that takes every `wrong_every`-th window of a class for the next class."""
    predictions = {}
    for index, name in enumerate(CLASSES):
        truth = np.full(40, index)
        predicted = truth.copy()
        predicted[::wrong_every] = (index + 1) % len(CLASSES)
        predictions[f'{name.upper()}/00'] = {'fold': 0, 'truth': truth.tolist(), 'predicted': predicted.tolist()}
    truth = np.concatenate([entry['truth'] for entry in predictions.values()])
    predicted = np.concatenate([entry['predicted'] for entry in predictions.values()])
    values = metrics.scores(truth, predicted)
    entry: dict[str, Any] = {
        **values,
        'per_fold': [{'fold': 0, 'seed': 0, **values, 'windows': len(truth)}],
        'per_class': metrics.per_class_scores(truth, predicted, CLASSES),
        'confusion': metrics.confusion(truth, predicted, len(CLASSES)),
        'predictions': predictions,
    }
    if epochs:
        curve = [(fold, epoch) for fold in range(2) for epoch in (1, 2, 3)]
        scores = {'validation_loss': None, 'validation_accuracy': 0.5}
        entry['epochs'] = [
            {'fold': fold, 'seed': 0, 'epoch': epoch, 'loss': 1 / epoch, **scores} for fold, epoch in curve
        ]
    return entry


def result(lstm_wrong_every: int = 10, trees_wrong_every: int = 4) -> dict[str, Any]:
    return {
        'classes': list(CLASSES),
        'windows': 123,
        'recordings': 3,
        'protocol': '1 fold by recording',
        'seconds': 1.0,
        'lstm': model_result(lstm_wrong_every, epochs=True),
        'trees': model_result(trees_wrong_every),
        'majority': None,
    }


def test_page_is_self_contained_and_well_formed(tmp_path: Path) -> None:
    path = report.write_report(tmp_path / 'new' / 'report.html', result(), command='surface evaluate data')
    reader = read(path.read_text(encoding='utf-8'))
    assert reader.references
    assert all(reference.startswith('data:image/svg+xml;base64,') for reference in reader.references)
    assert 'http' not in re.sub(r'data:image[^"]*', '', path.read_text(encoding='utf-8'))


def test_page_shows_every_number_it_was_given(tmp_path: Path) -> None:
    path = report.write_report(tmp_path / 'report.html', result(), command='surface evaluate data --seeds 2')
    text = read(path.read_text(encoding='utf-8')).text
    for expected in ('0.900', '0.750', *CLASSES, 'SAND/00', 'surface evaluate data --seeds 2', '1 fold by recording'):
        assert expected in text
    assert 'Majority' not in text


def test_verdict_names_a_baseline_that_wins() -> None:
    page = report.evaluation_page(result(lstm_wrong_every=4, trees_wrong_every=10), command='')
    assert page.verdict.startswith('The baseline is ahead by 0.15')
    assert 'ExtraTrees' in page.verdict
    page = report.evaluation_page(result(lstm_wrong_every=10, trees_wrong_every=4), command='')
    assert page.verdict.startswith('LSTM is ahead by 0.15')


def test_a_tie_is_called_a_tie() -> None:
    page = report.evaluation_page(result(lstm_wrong_every=4, trees_wrong_every=4), command='')
    assert 'the same balanced accuracy' in page.verdict


def test_same_input_gives_the_same_bytes() -> None:
    pages = [report.render_page(report.evaluation_page(result(), command='x')) for _ in range(2)]
    assert pages[0] == pages[1]


def test_names_are_escaped() -> None:
    values = result()
    values['lstm']['predictions']['<script>alert(1)</script>'] = values['lstm']['predictions'].pop('SAND/00')
    html = report.render_page(report.evaluation_page(values, command='a < b'))
    assert '<script>' not in html
    assert '&lt;script&gt;' in html


def test_a_class_without_windows_breaks_nothing() -> None:
    score = report.model_score('LSTM', np.array([0, 0, 1]), np.array([0, 1, 1]), CLASSES)
    assert score.balanced_accuracy == pytest.approx(0.75)
    html = report.render_page(report.ReportPage('t', 'l', 'v', CLASSES, (score,)))
    assert 'nan' not in read(html).text


def test_recordings_are_listed_worst_first() -> None:
    values = result()
    values['lstm']['predictions']['GRASS/00']['predicted'] = [0] * 40
    page = report.evaluation_page(values, command='')
    assert page.recordings[0] == report.RecordingScore('GRASS/00', 'grass', 40, 0.0, 'asphalt')


def test_drive_timeline_merges_equal_labels() -> None:
    seconds = np.arange(1.0, 41.0)
    half = ['asphalt'] * 20 + ['sand'] * 20
    picture = report.drive_timeline(
        CLASSES, seconds, half, half, np.full(40, 0.9), np.arange(4000) / 100, np.ones(4000)
    )
    assert picture.svg.startswith('<svg')
    few = len(picture.svg)
    mixed = ['asphalt', 'sand'] * 20
    busy = report.drive_timeline(CLASSES, seconds, half, mixed, np.full(40, 0.9), np.arange(4000) / 100, np.ones(4000))
    assert len(busy.svg) > few
