# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The live benchmark runs, checks its labels, and says what it should; its figures are for quiet machines."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

REQUIRES = ('rclpy', 'torch')


ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_every_system_is_measured_and_our_labels_are_right(tmp_path: Path) -> None:
    result_file = tmp_path / 'result.json'
    command = [sys.executable, str(ROOT / 'bench' / 'live_chain.py'), '--rates', '100', '--rounds', '1']
    command += ['--seconds', '2', '--json', str(result_file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=220, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(result_file.read_text(encoding='utf-8'))
    systems = {entry['system']: entry for entry in result['systems']}
    assert set(systems) == {'peer', 'three processes', 'composed'}
    for entry in systems.values():
        assert entry['labels'] >= 10
        assert 0 < entry['cpu_percent'] < 200
        assert entry['rss_mb'] > 10
        # Ten samples at 100 Hz: the oldest waits 90 ms for the newest, in every system.
        assert entry['oldest_ms']['median'] - entry['newest_ms']['median'] == pytest.approx(90.0, abs=1e-6)
        assert entry['newest_ms']['median'] > 0
    assert len(systems['three processes']['processes']) == 3
    assert len(systems['composed']['processes']) == 1
    assert systems['composed']['wrong'] == systems['three processes']['wrong'] == 0
    assert len(result['classifier_startup_s']) == 1
