# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmark of the diagnosis runs, goes on where it was stopped, and prints what it should."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

REQUIRES = ('torch',)


ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_smoke_suite_runs_and_is_not_run_again(tmp_path: Path) -> None:
    output, result_file = tmp_path / 'smoke.jsonl', tmp_path / 'smoke.json'
    command = [sys.executable, str(ROOT / 'bench' / 'diagnosis.py'), '--smoke', '--output', str(output)]
    command += ['--json', str(result_file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=360, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'fix score' in done.stdout
    records = [json.loads(line) for line in output.read_text(encoding='utf-8').splitlines()]
    assert len(records) == 3
    for record in records:
        assert record['systems']['surface']['verdicts']
        assert set(record['runs']) == ({'case', 'twin', 'random', 'fix'} if record['truth'] else {'case', 'twin'})
    scores = json.loads(result_file.read_text(encoding='utf-8'))
    assert scores['cases'] == 3
    assert scores['systems']['surface']['failures'] == 0

    again = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False)
    assert again.returncode == 0, again.stderr
    assert len(output.read_text(encoding='utf-8').splitlines()) == 3
    assert json.loads(result_file.read_text(encoding='utf-8')) == scores
