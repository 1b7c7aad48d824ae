# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmark of training runs with the peers that are here; its figures are for quiet machines."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REQUIRES = ('torch',)


ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / '.venv-peers'
KERAS = {'Keras on JAX', 'Keras on torch', 'Keras on TensorFlow'}


def run_quick(tmp_path: Path, peers: Path) -> tuple[dict[str, Any], str]:
    """Run the benchmark in its quick mode; return its result and what it printed."""
    result_file = tmp_path / 'result.json'
    command = [sys.executable, str(ROOT / 'bench' / 'epoch_time.py'), '--quick', '--rounds', '1', '--seconds', '0.2']
    command += ['--threads', '1', '--peers', str(peers), '--json', str(result_file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=220, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(result_file.read_text(encoding='utf-8')), done.stdout


def check(result: dict[str, Any], peers: set[str]) -> None:
    """Check what holds with any peers."""
    (case,) = result['cases']
    entries = {entry['contestant']: entry for entry in case['contestants']}
    ours = {'ours, alone, torch', 'ours, alone, kernel', 'ours, 5 together', 'ours, 10 together'}
    assert set(entries) == peers | ours | {'PyTorch loop'}
    for entry in entries.values():
        assert entry['same']
        assert entry['steps'] == 4
        assert 0 < entry['epoch_ms']['min'] <= entry['epoch_ms']['median']
        assert entry['ratio']['low'] <= entry['ratio']['median'] <= entry['ratio']['high']
    assert entries['PyTorch loop']['ratio']['median'] == 1.0
    assert {check['models'] for check in result['checks']} == {5}
    assert all(check['same'] for check in result['checks'])


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_without_keras_the_plain_loop_is_measured_and_the_rest_named(tmp_path: Path) -> None:
    result, said = run_quick(tmp_path, tmp_path / 'nothing')
    check(result, set())
    assert set(result['absent']) == KERAS
    assert all('make peers' in why for why in result['absent'].values())
    assert 'left out: Keras on JAX' in said
    assert 'same: small 32, 5 seeds together' in said


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_keras_is_measured_where_it_is_installed(tmp_path: Path) -> None:
    if not (PEERS / 'setup.json').is_file():
        pytest.skip(f'there is no {PEERS.name}: `make peers` makes it')
    if json.loads((PEERS / 'setup.json').read_text(encoding='utf-8'))['torch'] == 'none':
        pytest.skip(f'{PEERS.name} was made with TORCH=none')
    result, _ = run_quick(tmp_path, PEERS)
    check(result, KERAS)
    assert not result['absent']
    assert {'keras', 'jax', 'tensorflow'} <= set(result['versions'])
