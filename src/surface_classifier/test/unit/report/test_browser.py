# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The HTML page in a browser: no error, nothing loaded from elsewhere, readable on a phone, on a desk and in print."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import report_samples
from headless_browser import NAMES, Page, find_browser, open_page

from surface_classifier.report.page import ReportPage, drive_timeline, write_page
from surface_classifier.report.page_inputs import read_run, run_page
from surface_classifier.reproduce.forum_task import forum_task

REQUIRES = ('jinja2', 'matplotlib', 'sklearn')

PHONE = (390, 844)
DESK = (1280, 900)
A4_POINTS = (595, 842)


@pytest.fixture(scope='module')
def browser() -> Iterator[Page]:
    """A headless browser; the tests skip where none is installed."""
    path = find_browser()
    if path is None:
        pytest.skip(f'no Chromium is installed (looked for {", ".join(NAMES)}); on Debian: apt-get install chromium')
    with open_page(path) as page:
        yield page


@pytest.fixture(scope='module')
def full_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with every section there is."""
    folder = tmp_path_factory.mktemp('report')
    dataset = forum_task('texture', 0).save(folder / 'data')
    scores, sweep = report_samples.evaluation(), report_samples.sweep()
    scores['provenance']['dataset_digest'] = sweep['dataset']['digest'] = dataset.digest
    paths = []
    for name, values in (
        ('diagnosis', report_samples.diagnosis(digest=dataset.digest)),
        ('scores', scores),
        ('sweep', sweep),
    ):
        paths.append(folder / f'{name}.json')
        paths[-1].write_text(json.dumps(values), encoding='utf-8')
    run = read_run([str(path) for path in paths])
    return write_page(folder / 'page.html', run_page(run, dataset=dataset, command='surface report'))


def page_width(browser: Page) -> float:
    return float(browser.evaluate('document.documentElement.scrollWidth'))


def clipped(browser: Page) -> list[str]:
    """Elements that reach beyond the right edge of the window and cannot be scrolled to."""
    found: list[str] = browser.evaluate(
        """[...document.querySelectorAll('body *')]
           .filter(element => element.getBoundingClientRect().right > innerWidth + 1)
           .filter(element => !element.closest('.scroll, pre'))
           .map(element => element.outerHTML.slice(0, 80))"""
    )
    return found


@pytest.mark.parametrize(('size', 'phone'), [(PHONE, True), (DESK, False)])
def test_page_opens_without_an_error(
    browser: Page, full_page: Path, tmp_path: Path, size: tuple[int, int], phone: bool
) -> None:
    browser.load(full_page, *size, phone=phone)
    assert browser.problems == []
    assert browser.requests == []
    assert page_width(browser) == size[0]
    assert clipped(browser) == []
    assert browser.evaluate('document.images.length') > 15
    browser.screenshot(tmp_path / 'page.png')
    pixels = png_pixels(tmp_path / 'page.png')
    assert pixels.shape[:2] == (size[1] * (2 if phone else 1), size[0] * (2 if phone else 1))
    colours = np.rint(255 * pixels[..., :3]).astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
    assert len(np.unique(colours)) > 50  # text, colours, curves


def test_text_of_pictures_can_be_read_on_a_phone(browser: Page, full_page: Path) -> None:
    browser.load(full_page, *PHONE, phone=True)
    # Pictures are drawn with letters of 8.5 points at 324 points of width.
    widths = browser.evaluate("[...document.querySelectorAll('figure img')].map(image => image.clientWidth)")
    assert min(widths) * 8.5 / 324 >= 8.0  # CSS pixels
    size = browser.evaluate("parseFloat(getComputedStyle(document.querySelector('.card p')).fontSize)")
    assert size >= 14


def test_pictures_stand_side_by_side_on_a_desk(browser: Page, full_page: Path) -> None:
    places = "[...document.querySelectorAll('.panels')][0].querySelectorAll('figure')"
    tops = f'[...{places}].slice(0, 2).map(figure => figure.getBoundingClientRect().top)'
    browser.load(full_page, *DESK)
    first, second = browser.evaluate(tops)
    assert first == second
    browser.load(full_page, *PHONE, phone=True)
    first, second = browser.evaluate(tops)
    assert first < second


def test_page_prints_on_a4(browser: Page, full_page: Path, tmp_path: Path) -> None:
    browser.load(full_page, *DESK)
    browser.print_pdf(tmp_path / 'page.pdf')
    pdf = (tmp_path / 'page.pdf').read_bytes()
    assert pdf.startswith(b'%PDF')
    assert f'/MediaBox [0 0 {A4_POINTS[0]}'.encode() in pdf
    assert 4 <= pdf.count(b'/Type /Page\n') + pdf.count(b'/Type /Page ') <= 20


def test_wide_picture_scrolls_by_itself_on_a_phone(browser: Page, tmp_path: Path) -> None:
    seconds = np.arange(1.0, 41.0)
    drive = drive_timeline(
        ('grass', 'sand'), seconds, ['sand'] * 40, ['sand'] * 40, np.full(40, 0.9), np.arange(400) / 10, np.ones(400)
    )
    path = write_page(tmp_path / 'drive.html', ReportPage('Drive', '', '', ('grass', 'sand'), (), figures=(drive,)))
    browser.load(path, *PHONE, phone=True)
    assert browser.problems == []
    assert page_width(browser) == PHONE[0]
    assert browser.evaluate("document.querySelector('.wide img').clientWidth") > 600


def test_a_page_with_faults_is_found_out(browser: Page, tmp_path: Path) -> None:
    """What the other tests rest on: errors, missing files and overflow do not go unseen."""
    path = tmp_path / 'faulty.html'
    path.write_text(
        '<!doctype html><meta name="viewport" content="width=device-width"><img src="missing.png" alt="lost">'
        '<div style="width: 700px">wide</div><script>console.error("said"); throw new Error("thrown")</script>',
        encoding='utf-8',
    )
    browser.load(path, *PHONE, phone=True)
    text = '\n'.join(browser.problems)
    for expected in ('said', 'thrown', 'ERR_FILE_NOT_FOUND', 'cannot be decoded: lost'):
        assert expected in text
    assert [Path(url).name for url in browser.requests] == ['missing.png']
    assert page_width(browser) > PHONE[0]


def png_pixels(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    from matplotlib.image import imread

    return np.asarray(imread(path), dtype=np.float32)
