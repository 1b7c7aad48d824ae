# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`surface diagnose` from end to end: what it names on known faults, its JSON, its exit codes and its report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from surface_classifier.cli.main import main
from surface_classifier.data.dataset import Dataset
from surface_classifier.diagnosis.diagnose import diagnose
from surface_classifier.diagnosis.result import CAUSES, HEALTHY
from surface_classifier.reproduce.forum_task import forum_task
from surface_classifier.training.loop import TrainingCancelledError
from surface_classifier.training.training_config import load_training_config

REQUIRES = ('torch', 'sklearn')


@pytest.fixture(scope='module')
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return forum_task('texture', 5, 72, 60).save(tmp_path_factory.mktemp('diagnosis') / 'set')


def relabelled(dataset: Dataset, folder: Path, labels: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Dataset:
    return Dataset.save(
        folder,
        config=dataset.config,
        classes=dataset.classes,
        parts={name: np.asarray(part) for name, part in dataset.parts.items()},
        labels=labels,
        start_ns=np.asarray(dataset.start_ns),
        end_ns=np.asarray(dataset.end_ns),
        recording=np.asarray(dataset.recording),
        recordings=dataset.recordings,
    )


def test_the_default_recipe_is_healthy_and_the_command_says_so_with_exit_code_0(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = tmp_path / 'diagnosis.json'
    page = tmp_path / 'diagnosis.html'
    assert main(['diagnose', str(dataset.path), '--json', str(result), '--report', str(page)]) == 0
    found = json.loads(result.read_text())
    assert [verdict['id'] for verdict in found['verdicts']] == [HEALTHY]
    assert {entry['id'] for entry in found['cannot_tell']} == {'aliasing'}
    assert all(entry['supply'] for entry in found['cannot_tell'])
    assert found['dataset']['digest'] == dataset.digest
    assert len(found['run']['step_losses']) == len(found['run']['epochs']) * found['run']['steps_per_epoch']
    assert found['arms']['as_configured']['loss']
    assert 'healthy' in capsys.readouterr().out
    assert '<html' in page.read_text()


@pytest.mark.parametrize('rate', [3e-5, 1e-7])
def test_a_rate_that_is_far_too_low_is_named_with_its_remedy(dataset: Dataset, rate: float) -> None:
    config = load_training_config('default')
    network = replace(config.network, statistics=False)
    found = diagnose(dataset, replace(config, network=network, learning_rate=rate, discriminant_init=False))
    assert found.ids == ('learning_rate_too_low',)
    (verdict,) = found.verdicts
    assert verdict.remedy.config is not None
    assert verdict.remedy.config['learning_rate'] > 10 * rate
    assert set(verdict.arms) <= set(found.arms)
    assert verdict.evidence.value >= verdict.evidence.threshold
    assert set(found.ids) <= set(CAUSES)


def test_labels_without_a_meaning_are_named_with_exit_code_1(dataset: Dataset, tmp_path: Path) -> None:
    labels = np.random.default_rng(0).permutation(np.asarray(dataset.labels))
    shuffled = relabelled(dataset, tmp_path / 'shuffled', labels)
    result = tmp_path / 'diagnosis.json'
    assert main(['diagnose', str(shuffled.path), '--json', str(result)]) == 1
    assert [verdict['id'] for verdict in json.loads(result.read_text())['verdicts']] == ['unlearnable_labels']


def test_a_diagnosis_is_the_same_whatever_the_number_of_jobs(dataset: Dataset) -> None:
    config = replace(load_training_config('default'), epochs=8)
    alone, together = (diagnose(dataset, config, 3, jobs=jobs).to_dict() for jobs in (1, 3))
    for result in (alone, together):
        del result['seconds']
    assert alone == together


def test_progress_is_reported_and_a_diagnosis_can_be_cancelled(dataset: Dataset) -> None:
    reported: list[float] = []
    with pytest.raises(TrainingCancelledError):
        diagnose(
            dataset,
            load_training_config('default'),
            on_progress=lambda _what, done: reported.append(done),
            cancelled=lambda: len(reported) >= 2,
        )
    assert reported == sorted(reported)
    assert 0.0 <= reported[-1] <= 1.0


def test_accuracies_that_hold_no_recording_out_are_reported(tmp_path: Path) -> None:
    task = forum_task('texture', 0, 36, 20, recordings_per_surface=1)
    found = diagnose(task.save(tmp_path / 'set'), replace(load_training_config('default'), epochs=4))
    (entry,) = [entry for entry in found.cannot_tell if entry.id == 'recording_leakage']
    assert 'one recording only' in entry.why
    assert 'flatter' in entry.supply


def test_a_data_set_of_one_surface_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    task = forum_task('texture', 0, 12, 20)
    one = relabelled(task.save(tmp_path / 'set'), tmp_path / 'one', np.zeros(12, dtype=np.int64))
    assert main(['diagnose', str(one.path)]) == 2
    assert 'two classes' in capsys.readouterr().err
