# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Kills of commands that replace their output: a short run, and a loss would be noticed."""

from __future__ import annotations

import json
import random
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / 'bench' / 'faults'))
import kill_outputs


def test_a_short_run_of_build_and_relabel_loses_nothing(tmp_path: Path) -> None:
    file = tmp_path / 'result.json'
    assert kill_outputs.main(['--times', '1', '--verbs', 'build', 'relabel', '--json', str(file)]) == 0
    build, relabel = json.loads(file.read_text(encoding='utf-8'))['results']
    for result in (build, relabel):
        assert (result['kills'], result['between'], result['failures']) == (1, 1, [])
        assert result['old'] + result['new'] == 2
        assert result['new'] >= 1  # after the kill between the renames


def test_an_output_that_is_lost_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (case,) = kill_outputs.make_cases(tmp_path, ['build'])

    def lose(output: Path) -> None:
        for path in (output, *output.parent.glob(f'.{output.name}.*')):
            shutil.rmtree(path, ignore_errors=True)

    monkeypatch.setattr(kill_outputs, 'complete_replacement', lose)
    result = kill_outputs.kill_case(case, 1, random.Random(0))
    assert any('is not there' in failure for failure in result.failures)
