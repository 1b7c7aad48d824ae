# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The HTML page: self-contained, complete, honest about who wins, and the same bytes for the same input."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import report_samples
from page_reader import PageReader

from current_driver.errors import SurfaceError
from surface_classifier.diagnosis.result import CAUSES
from surface_classifier.report import diagnosis_sections as report_diagnosis
from surface_classifier.report import page as report
from surface_classifier.report.diagnosis_sections import config_diff, plain_words
from surface_classifier.report.sweep_sections import sweep_part
from surface_classifier.reproduce.forum_task import forum_task

REQUIRES = ('jinja2', 'matplotlib', 'sklearn')

CLASSES = ('asphalt', 'grass', 'sand')


def result(lstm_wrong_every: int = 10, trees_wrong_every: int = 4) -> dict[str, Any]:
    return report_samples.evaluation(CLASSES, lstm_wrong_every, trees_wrong_every)


def test_page_is_self_contained_and_well_formed(tmp_path: Path) -> None:
    path = report.write_report(tmp_path / 'new' / 'report.html', result(), command='surface evaluate data')
    reader = PageReader(path.read_text(encoding='utf-8'))
    pictures = [reference for reference in reader.references if not reference.startswith('#')]
    assert pictures.count('data:,') == 1  # the icon that a browser would ask a server for
    assert len(pictures) > 1
    assert all(picture.startswith('data:image/svg+xml;base64,') for picture in pictures if picture != 'data:,')
    assert 'http' not in re.sub(r'data:image[^"]*', '', path.read_text(encoding='utf-8'))


def test_page_shows_every_number_it_was_given(tmp_path: Path) -> None:
    path = report.write_report(tmp_path / 'report.html', result(), command='surface evaluate data --seeds 2')
    text = PageReader(path.read_text(encoding='utf-8')).text
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
    assert 'nan' not in PageReader(html).text


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


def diagnosis_text(result: dict[str, Any], dataset: Any = None) -> str:
    return PageReader(report.render_page(report.diagnosis_page(result, dataset=dataset))).text


def test_diagnosis_shows_each_verdict_with_evidence_arms_and_remedy() -> None:
    result = report_samples.diagnosis()
    text = diagnosis_text(result)
    assert '4 causes were found; the strongest: the batch is too small. 2 further causes could not be tested.' in text
    for verdict in result['verdicts']:
        assert verdict['id'] in text
        assert verdict['evidence']['text'] in text
        assert verdict['remedy']['text'] in text
        assert f'strength {verdict["strength"]:.2f}' in text
        for arm in verdict['arms']:
            assert result['arms'][arm]['description'] in text
    assert 'share of the wobble that the full batch removes: 0.93, threshold 0.5' in text
    assert '0.21 nat, threshold 0.05 nat' in text
    assert '- batch_size: 4' in text
    assert '+ batch_size: 32' in text
    assert 'surface dataset relabel data/floors' in text


def test_diagnosis_shows_what_is_unknown_and_the_run() -> None:
    result = report_samples.diagnosis()
    text = diagnosis_text(result)
    assert 'Whether fast changes were folded into the signal when it was decimated' in text
    assert result['cannot_tell'][0]['why'] in text
    assert 'Supply: The recordings at their full rate, with surface dataset build.' in text
    assert 'All arms: 8' in text
    assert 'The loss rises in 47 % of the epochs and deviates from its trend by 21.3 % of itself.' in text
    assert 'Every step of the optimiser, 25 steps an epoch.' in text
    assert result['command'] in text
    assert result['dataset']['digest'] in text
    assert 'hidden_sizes: [128, 128]' in text


def test_healthy_diagnosis_says_so() -> None:
    text = diagnosis_text(report_samples.healthy_diagnosis())
    assert 'Nothing wrong was found: this training is healthy.' in text
    assert 'Suspected labels' not in text
    assert 'What is still unknown' not in text


def test_every_cause_has_plain_words() -> None:
    assert {'batch_too_small', 'aliasing', 'unlearnable_labels'} <= CAUSES.keys()
    for cause in CAUSES:
        assert plain_words(cause) != cause
        assert '_' not in plain_words(cause)
    assert plain_words('healthy') == 'Nothing is wrong with this training'
    assert plain_words('a_cause_of_a_later_version') == 'A cause of a later version'


def test_config_diff_goes_into_nested_keys() -> None:
    current = {'batch_size': 4, 'network': {'dropout': 0.2, 'pooling': 'last'}}
    change = {'batch_size': 4, 'network': {'dropout': 0.0, 'inputs': 'derived'}, 'class_balance': 'weights'}
    assert config_diff(current, change) == (
        (' ', 'batch_size: 4'),
        (' ', 'network:'),
        ('-', '  dropout: 0.2'),
        ('+', '  dropout: 0.0'),
        ('+', '  inputs: derived'),
        ('+', 'class_balance: weights'),
    )


def test_suspected_windows_are_drawn_from_the_data_set_most_probable_first(tmp_path: Path) -> None:
    dataset = forum_task('texture', 0).save(tmp_path / 'data')
    page = report.diagnosis_page(report_samples.diagnosis(digest=dataset.digest), dataset=dataset)
    assert page.diagnosis is not None
    suspects = page.diagnosis.suspects
    assert [suspect.window for suspect in suspects] == [40, 3, 17, 66, 81]
    assert all(suspect.picture is not None for suspect in suspects)
    recording = dataset.recording_names[dataset.recording[40]]
    assert re.fullmatch(rf'\d+\.0 s into {recording}', suspects[0].place)
    # Another window, another picture: it is drawn from the samples.
    assert len({suspect.picture.svg for suspect in suspects if suspect.picture}) == len(suspects)


def test_suspected_windows_without_a_data_set_are_listed() -> None:
    text = diagnosis_text(report_samples.diagnosis())
    assert 'Give the data set with --dataset to see their samples.' in text
    assert 'gravel' in text


def test_only_the_most_probable_suspects_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_diagnosis, 'PLOTTED_WINDOWS', 2)
    dataset = forum_task('texture', 0).save(tmp_path / 'data')
    result = report_samples.diagnosis(digest=dataset.digest)
    result['suspected'] = [
        {'window': window, 'label': 'carpet', 'probable': 'grass', 'probability': 0.9 - window / 1000}
        for window in range(5)
    ]
    part = report.diagnosis_page(result, dataset=dataset).diagnosis
    assert part is not None
    assert [suspect.picture is not None for suspect in part.suspects] == [True, True, False, False, False]
    assert 'Drawn are the 2 most probable ones.' in part.suspects_note


def test_diverged_arms_and_unknown_numbers_break_nothing() -> None:
    result = report_samples.diagnosis()
    result['arms']['same']['loss'][-3:] = [None, None, None]
    result['arms']['full_batch']['loss'] = [0.0] * 60
    result['arms']['full_batch']['loss_low'] = [0.0] * 60
    result['arms']['full_batch']['loss_high'] = [1e30] * 60
    result['arms']['grouped']['accuracy'] = None
    result['verdicts'][0]['evidence']['value'] = None
    result['fluctuation'] = {'rising_share': None, 'detrended_log_std': None}
    text = diagnosis_text(result)
    assert not re.search(r'\b(nan|inf|None)\b', text)
    assert 'removes: –, threshold 0.5' in text


def test_evidence_with_backticks_is_code_and_the_rest_is_escaped() -> None:
    result = report_samples.diagnosis()
    result['verdicts'][0]['remedy']['text'] = 'Type `a < b` & <b>look</b>.'
    html = report.render_page(report.diagnosis_page(result))
    assert 'Type <code>a &lt; b</code> &amp; &lt;b&gt;look&lt;/b&gt;.' in html


def test_sweep_shows_importances_trials_and_unseen_recordings() -> None:
    part = sweep_part(report_samples.sweep())
    trials = [*part.trials, *part.more_trials]
    assert len(trials) == 30
    assert trials[0].best
    assert not any(trial.best for trial in trials[1:])
    scores = [float(trial.score) for trial in trials if trial.score != '–']
    assert scores == sorted(scores, reverse=True)
    assert [trial.score for trial in trials[len(scores) :]] == ['–'] * (30 - len(scores))
    assert part.headline.endswith('learning rate mattered most.')
    assert [row.held_out for row in part.holdout] == ['0.713 (0.690 to 0.740)', '0.650 (0.620 to 0.680)', '0.730']
    assert [picture.title for picture in part.pictures] == [
        'What mattered',
        'Trials',
        'By learning rate',
        'By batch size',
        'By optimizer',
    ]


def test_sweep_whose_best_is_not_the_best_is_refused() -> None:
    result = report_samples.sweep()
    result['best'] = {**result['best'], 'value': 0.1}
    with pytest.raises(ValueError, match=r'the best score, 0\.1, is not the highest'):
        sweep_part(result)


def test_wide_figures_keep_their_width_and_small_ones_stand_side_by_side() -> None:
    seconds = np.arange(1.0, 41.0)
    drive = report.drive_timeline(
        CLASSES, seconds, ['sand'] * 40, ['sand'] * 40, np.full(40, 0.9), np.arange(4000) / 100, np.ones(4000)
    )
    small = report.Picture('Small', '<svg xmlns="http://www.w3.org/2000/svg"/>', 'a small one')
    html = report.render_page(report.ReportPage('t', 'l', 'v', CLASSES, (), figures=(drive, small)))
    assert html.count('<figure class="wide">') == 1
    assert html.index('The drive') < html.index('Small')


def test_page_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('x', encoding='utf-8')
    with pytest.raises(SurfaceError, match='cannot be written there'):
        report.write_report(tmp_path / 'file' / 'report.html', result(), command='x')
    with pytest.raises(SurfaceError, match='is a folder; name a file'):
        report.write_diagnosis_report(tmp_path, report_samples.diagnosis())


def test_unknown_windows_are_counted_as_taken_for_the_last_class() -> None:
    truth, predicted = np.array([0, 0, 0, 1]), np.array([0, -1, -1, 1])
    row = report.recording_score('drive', truth, predicted, ('ice', 'snow', 'unknown'))
    assert (row.accuracy, row.taken_for) == (0.5, 'unknown')
