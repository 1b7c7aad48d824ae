# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmark of the default recipe: its table and JSON, and that it reports a recipe that misses its aims."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / 'bench'))
import default_recipe

REQUIRES = ('torch',)

QUICK = ['--quick', '--generators', 'ripple', '--seeds', '2', '--jobs', '1']


def test_the_default_recipe_meets_its_aims_on_a_few_tasks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / 'result.json'
    assert default_recipe.main([*QUICK, '--json', str(file)]) == 0
    printed = capsys.readouterr().out
    assert 'ripple' in printed
    assert 'met' in printed
    result: dict[str, Any] = json.loads(file.read_text(encoding='utf-8'))
    row = result['rows'][0]
    assert row['default_epochs_to_all'] <= 60
    assert row['default_rising_share'] <= 0.1
    assert row['default_held_out'] >= max(row['forum_held_out'], row['discriminant_held_out'])
    assert {run['seed'] for run in result['runs']['default']} == {0, 1}
    assert result['recipes']['default']['batch_size'] == 25
    assert row['discriminant_held_out'] == pytest.approx(sum(result['discriminant']['ripple']) / 2)


def test_missed_aims_are_reported(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(default_recipe, 'MOST_EPOCHS', 2)
    assert default_recipe.main([*QUICK, '--without-forum-recipe']) == 1
    assert 'missed' in capsys.readouterr().out


def test_the_option_of_before_is_refused_with_the_new_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert default_recipe.main(['--without-seed-recipe']) == 2
    assert '--without-seed-recipe is now `--without-forum-recipe`' in capsys.readouterr().err
