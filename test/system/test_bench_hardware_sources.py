# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmark of devices runs, and a short one loses nothing and numbers everything rightly."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

REQUIRES = ('rclpy', 'serial', 'can', 'msgpack')


ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(120)
def test_both_sources_are_measured_without_a_loss(tmp_path: Path) -> None:
    result_file = tmp_path / 'result.json'
    command = [
        sys.executable,
        str(ROOT / 'bench' / 'hardware_sources.py'),
        '--seconds',
        '2',
        '--json',
        str(result_file),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(result_file.read_text(encoding='utf-8'))
    assert [entry['source'] for entry in result['sources']] == ['serial', 'can']
    for entry in result['sources']:
        assert entry['samples'] > 2000
        assert (entry['lost'], entry['wrong'], entry['dropped_by_the_device']) == (0, 0, 0)
        assert entry['counted_as_lost'] == 0
        assert 0 < entry['cpu_percent'] < 100
        assert entry['stamp_error_ms']['p99_from_median'] < entry['age_ms']['p99']
