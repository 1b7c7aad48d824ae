# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Random and damaged messages on every input end no node, and the recording is whole."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from untrained_model import save_untrained_model

from surface_classifier.signal.window_config import default_window_config

REQUIRES = ('rclpy', 'surface_msgs')

ROOT = Path(__file__).resolve().parents[3]
TYPED, DAMAGED = 300, 150


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_no_node_ends_and_the_recording_is_whole(tmp_path: Path) -> None:
    save_untrained_model(tmp_path / 'model', default_window_config())
    result_file = tmp_path / 'result.json'
    command = [
        *(sys.executable, str(ROOT / 'bench' / 'faults' / 'fuzz_inputs.py'), '--model', str(tmp_path / 'model')),
        *('--seeds', '1', '--typed', str(TYPED), '--damaged', str(DAMAGED), '--json', str(result_file)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = json.loads(result_file.read_text(encoding='utf-8'))['seeds']
    assert row['faults'] == []
    assert set(row['missing'].values()) == {0}
    assert row['sent'] == TYPED + DAMAGED
    assert row['recorded'] > DAMAGED
    assert '/motor_current' in row['damaged']
