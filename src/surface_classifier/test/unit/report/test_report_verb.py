# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`surface report`: what it takes, what it puts together, and what it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import report_samples
from model_samples import learnable_dataset, save_random_model

from surface_classifier.cli import main as command
from surface_classifier.model.contract import CURVE_FILE

REQUIRES = ('jinja2', 'matplotlib', 'sklearn')


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in, with a result of every verb."""
    monkeypatch.chdir(tmp_path)
    write('diagnosis.json', report_samples.diagnosis())
    write('scores.json', report_samples.evaluation())
    write('sweep.json', report_samples.sweep())
    write('training.json', training())
    return tmp_path


def write(name: str, values: Any) -> None:
    Path(name).write_text(json.dumps(values), encoding='utf-8')


def training() -> dict[str, Any]:
    return {
        'model': 'models/floors',
        'model_digest': 'ab' * 32,
        'classes': list(report_samples.SURFACES),
        'scores': {},
        'training_data': {'digest': '5e1f' * 16, 'windows': 83},
        'training': {'epochs': 30, 'batch_size': 64, 'epochs_run': 3, 'best_epoch': 2},
        'seed': 0,
        'epochs': [
            {
                'epoch': epoch,
                'loss': 2.0 / epoch,
                'loss_noise': 0.1,
                'validation_loss': None,
                'validation_accuracy': 0.5,
            }
            for epoch in (1, 2, 3)
        ],
        'seconds': 1.0,
    }


def report(*arguments: str) -> str:
    assert command.main(['report', *arguments, '-o', 'page.html']) == 0
    return Path('page.html').read_text(encoding='utf-8')


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert command.main(['report', *arguments, '-o', 'page.html']) == command.EXIT_BAD_INPUT
    assert not Path('page.html').exists()
    return capsys.readouterr().err


def headings(html: str) -> list[str]:
    return re.findall(r'<h2[^>]*>(.*?)</h2>', html)


def test_diagnosis_scores_and_sweep_become_one_page() -> None:
    html = report('scores.json', 'sweep.json', 'diagnosis.json')
    assert headings(html) == [
        'Verdicts',
        'What is still unknown',
        'The training',
        'Suspected labels',
        'Scores',
        'Confusion matrix: LSTM',
        'Per surface',
        'Learning curves',
        'Per recording',
        'Sweep',
        'Trials',
        'Data',
        'Training configuration',
        'Make this page again',
    ]
    anchors = set(re.findall(r'href="#(\w+)"', html))
    assert anchors
    assert anchors <= set(re.findall(r'id="(\w+)"', html))
    for line in (
        'surface diagnose data/floors --config fluctuating-loss-large-rmsprop-4',
        'surface sweep data/floors -o sweeps/floors --trials 30',
        'surface report scores.json sweep.json diagnosis.json -o report.html',
    ):
        assert line in html
    assert 'LSTM is ahead by 0.15' in html


def test_same_input_gives_the_same_bytes_whatever_the_page_is_called() -> None:
    first = report('diagnosis.json', 'sweep.json')
    assert command.main(['report', 'diagnosis.json', 'sweep.json', '-o', 'new/folder/other.html']) == 0
    assert Path('new/folder/other.html').read_text(encoding='utf-8') == first


def test_scores_alone_look_as_those_of_evaluate() -> None:
    html = report('scores.json')
    assert headings(html)[0] == 'Confusion matrix: LSTM'
    assert '<h1>Surface classification</h1>' in html
    assert '<h1>Floors &amp; more</h1>' in report('scores.json', '--title', 'Floors & more')


def test_training_shows_its_curve() -> None:
    html = report('training.json')
    assert headings(html) == ['The training', 'Training configuration', 'Make this page again']
    assert 'trained on 83 windows for 3 epochs, of which the best was epoch 2' in html


def test_model_shows_its_contract_and_its_curve_where_it_is_kept(folder: Path) -> None:
    _, contract = save_random_model(folder / 'model')
    html = report('model')
    assert contract.weights_sha256 in html
    assert f'holds no {CURVE_FILE}' in html
    assert 'The training' not in headings(html)
    (folder / 'model' / CURVE_FILE).write_text(json.dumps(report_samples.diagnosis()['run']), encoding='utf-8')
    html = report('model')
    assert headings(html)[0] == 'The training'
    assert 'Every step of the optimiser, 25 steps an epoch.' in html


def test_data_set_gives_table_and_windows(folder: Path) -> None:
    dataset = learnable_dataset(folder / 'data')
    result = report_samples.diagnosis(digest=dataset.digest, windows=len(dataset))
    result['suspected'] = [{'window': 3, 'label': 'gravel', 'probable': 'snow', 'probability': 0.9}]
    write('mine.json', result)
    html = report('mine.json', '--dataset', 'data')
    assert '<b>Window 3</b>: labelled gravel, probably snow' in html
    assert '3.0 s into gravel/00' in html
    assert 'left [A], right [A]' in html


def test_another_data_set_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    learnable_dataset(folder / 'data')
    message = refused(capsys, 'diagnosis.json', '--dataset', 'data')
    assert '--dataset data has the digest' in message
    assert 'give the data set of the run' in message


def test_inputs_of_different_data_are_named_on_the_page() -> None:
    scores = report_samples.evaluation()
    scores['provenance']['dataset_digest'] = '77' * 32
    write('scores.json', scores)
    html = report('diagnosis.json', 'scores.json')
    assert 'The scores and the diagnosis are of different data sets: digests 777777777777… and 5e1f5e1f5e1f…' in html


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('{"recordings": [], "accuracy": 1}', r'file\.json holds accuracy, recordings: that is no result'),
        ('{}', r'file\.json holds no keys'),
        ('[1, 2]', r'file\.json holds no keys but list'),
        ('<html>', r'file\.json: is not JSON'),
        ('\xff\x00', r'file\.json: is not text in UTF-8'),
    ],
)
def test_other_files_are_refused(folder: Path, capsys: pytest.CaptureFixture[str], content: str, message: str) -> None:
    (folder / 'file.json').write_bytes(content.encode('latin-1'))
    text = refused(capsys, 'file.json')
    assert re.search(message, text)
    assert 'give the folder of a model, or what `surface diagnose`' in text


def test_missing_files_and_other_folders_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 'nothing.json is not there' in refused(capsys, 'nothing.json')
    (folder / 'empty').mkdir()
    assert 'empty is a folder without model.json' in refused(capsys, 'empty')
    learnable_dataset(folder / 'data')
    assert 'data is a data set, not a run; give it with --dataset data' in refused(capsys, 'data')


def test_two_of_a_kind_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    message = refused(capsys, 'diagnosis.json', 'diagnosis.json')
    assert 'both results of `surface diagnose`' in message


@pytest.mark.parametrize(
    ('name', 'damage'),
    [
        ('diagnosis.json', lambda values: values['verdicts'][0]['arms'].append('unknown')),
        ('diagnosis.json', lambda values: values['verdicts'][0].pop('evidence')),
        ('diagnosis.json', lambda values: values['arms']['same']['loss'].pop()),
        ('diagnosis.json', lambda values: values.pop('dataset')),
        ('scores.json', lambda values: values['lstm'].pop('confusion')),
        ('sweep.json', lambda values: values['trials'][0].pop('params')),
        ('training.json', lambda values: values.update(epochs=3)),
        ('training.json', lambda values: values['training'].pop('best_epoch')),
    ],
)
def test_damaged_results_are_refused_by_name(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, damage: Any
) -> None:
    values = json.loads((folder / name).read_text(encoding='utf-8'))
    damage(values)
    write(name, values)
    message = refused(capsys, name)
    assert f'{name} is damaged or of another version' in message
    assert 'again' in message
