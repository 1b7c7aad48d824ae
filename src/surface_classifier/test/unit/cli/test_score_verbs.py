# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`surface evaluate | test | leave-out`: divisions, baselines, engines, and results that `surface report` takes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from surface_classifier.cli.main import main

REQUIRES = ('torch',)

pytestmark = pytest.mark.timeout(600)
QUICK = ('--folds', 2, '--epochs', 1, '--jobs', 1)


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def result(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    """Run a command with `--json -`, and return what it writes."""
    capsys.readouterr()
    assert run(*arguments, '--json', '-') == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_repetitions_of_random_folds_are_scored_together(
    work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cached = ('--cache', tmp_path / 'folds')
    first = result(capsys, 'evaluate', work / 'data', *QUICK, *cached)
    assert 'stratified, seed 0;' in first['protocol']
    both = result(capsys, 'evaluate', work / 'data', *QUICK, *cached, '--repetition', 0, 1)
    assert 'stratified, seed 0 and 2 folds' in both['protocol']
    assert [fold['fold'] for fold in both['lstm']['per_fold']] == [0, 1, 2, 3]
    assert both['lstm']['per_fold'][:2] == first['lstm']['per_fold']


def test_a_repetition_that_the_folds_file_lacks_is_refused(
    work: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    folds = {f'drive_{number}': number % 2 for number in range(4)}
    (tmp_path / 'folds.json').write_text(json.dumps({'repetitions': [folds]}), encoding='utf-8')
    error = refused('evaluate', work / 'data', '--folds-file', tmp_path / 'folds.json', '--repetition', 1)
    assert 'folds.json: ' in error
    assert 'repetition' in error


def test_a_division_is_given_in_one_way(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for verb in (('evaluate', work / 'data'), ('leave-out', work / 'data', '--by', 'surface')):
        with pytest.raises(SystemExit) as exit_info:
            run(*verb, '--folds', 2, '--folds-file', 'folds.json')
        assert exit_info.value.code == 2
        assert 'argument --folds-file: not allowed with argument --folds' in capsys.readouterr().err


def test_a_finished_model_is_scored_beside_baselines_with_both_engines(
    work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {}
    for engine in ('onnx', 'torch'):
        options = ('--engine', engine, '--baseline-data', work / 'data')
        found[engine] = result(capsys, 'test', work / 'model', work / 'data', *options)
        assert found[engine]['provenance']['engine'].startswith(engine)
        assert found[engine]['command'].startswith('surface test ')
    assert found['onnx']['lstm']['confusion'] == found['torch']['lstm']['confusion']
    assert found['onnx']['trees']['accuracy'] > 0.9
    assert found['onnx']['majority']['accuracy'] == pytest.approx(0.5, abs=0.1)
    assert run('test', work / 'model', work / 'data', '--report', tmp_path / 'scores.html') == 0
    printed = capsys.readouterr().out
    assert 'nothing to fit it on, see --baseline-data' in printed
    assert 'trained model' in printed
    assert '<html' in (tmp_path / 'scores.html').read_text(encoding='utf-8')


def test_the_report_takes_the_result_of_a_tested_model(
    work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = tmp_path / 'scores.json'
    assert run('test', work / 'model', work / 'data', '--json', scores) == 0
    page = result(capsys, 'report', scores, work / 'model', '-o', tmp_path / 'page.html')
    assert page['inputs'] == {'evaluate': str(scores), 'model': str(work / 'model')}
    assert 'tested on every window of' in (tmp_path / 'page.html').read_text(encoding='utf-8')


def test_each_surface_is_left_out_by_command(work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        run('leave-out', work / 'data')
    assert exit_info.value.code == 2
    assert 'required: --by' in capsys.readouterr().err
    file = tmp_path / 'left_out.json'
    assert run('leave-out', work / 'three', '--by', 'surface', *QUICK, '--json', file) == 0
    printed = capsys.readouterr().out
    assert 'mean AUROC' in printed
    assert 'detected: labelled unknown' in printed
    found = json.loads(file.read_text(encoding='utf-8'))
    assert list(found['groups']) == ['ice', 'mud', 'snow']
    assert found['command'].startswith('surface leave-out ')
