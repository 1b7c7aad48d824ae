# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmark of building data sets: it runs, cleans up, and notices memory that grows and data sets that differ."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / 'bench'))
import dataset_build


def test_a_small_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / 'result.json'
    size = ['--recordings', '2', '3', '--seconds', '4', '--jobs', '1', '--folder', str(tmp_path)]
    code = dataset_build.main([*size, '--json', str(file)])
    result: dict[str, Any] = json.loads(file.read_text(encoding='utf-8'))
    # So few recordings say nothing of memory for each.
    assert code == (1 if result['problems'] else 0)
    assert [row['windows'] for row in result['rows']] == [12, 18]
    assert all(row['seconds'] > 0 and 10 < row['peak_mb'] < 2000 for row in result['rows'])
    assert 'peak memory' in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ['result.json']


def run(recordings: int, jobs: int, peak_mb: float, digest: str = 'a') -> dict[str, Any]:
    return {
        'recordings': recordings,
        'jobs': jobs,
        'seconds': 1.0,
        'cpu_seconds': 1.0,
        'peak_mb': peak_mb,
        'worker_peak_mb': 1.0,
        'windows': 10,
        'digest': digest,
    }


def test_what_must_not_be_is_found() -> None:
    flat = [run(100, 1, 50.0), run(1000, 1, 60.0), run(1000, 2, 60.0)]
    assert dataset_build.find_problems(dataset_build.summarise(flat)) == []
    grows = [run(100, 1, 50.0), run(1000, 1, 100.0)]
    assert 'memory grows' in dataset_build.find_problems(dataset_build.summarise(grows))[0]
    differs = [run(100, 1, 50.0), run(100, 2, 50.0, 'b')]
    assert 'depends on the number of workers' in dataset_build.find_problems(dataset_build.summarise(differs))[0]
