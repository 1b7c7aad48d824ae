# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmark of killed recordings runs, and its bound holds for one kill."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

REQUIRES = ('rclpy', 'surface_msgs')


ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(240)
def test_a_kill_costs_less_than_a_second(tmp_path: Path) -> None:
    result_file = tmp_path / 'result.json'
    command = [sys.executable, str(ROOT / 'bench' / 'recording_kill.py'), '--times', '1', '--json', str(result_file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=220, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(result_file.read_text(encoding='utf-8'))
    (kill,) = result['kills']
    assert kill['storage'] == 'mcap'
    assert 0.0 <= kill['lost_s'] <= 1.0
    assert kill['messages'] > 20
    assert any('was not closed' in text for text in kill['repaired'])
