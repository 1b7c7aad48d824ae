# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`make demo` from end to end: it passes, it fails with a model that learnt nothing, and it leaves nothing running."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

REQUIRES = ('rclpy', 'torch')


ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / 'demo' / 'demo.py'
DEMO_TIMEOUT_S = 560
STOP_TIMEOUT_S = 40


def run_demo(output: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(DEMO), '--output', str(output), '--plain', *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=DEMO_TIMEOUT_S, cwd=ROOT, check=False)


def result_of(output: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((output / 'result.json').read_text(encoding='utf-8'))
    return values


def nodes_of(output: Path) -> list[list[str]]:
    """Command lines of every process that has the demo's folder among its arguments."""
    found = []
    for process in psutil.process_iter(['cmdline', 'status']):
        command = process.info['cmdline'] or []
        if any(str(output) in argument for argument in command) and process.info['status'] != psutil.STATUS_ZOMBIE:
            found.append(command)
    return found


@pytest.fixture(scope='module')
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """One run of the whole demo, with the live drive at full speed."""
    output = tmp_path_factory.mktemp('demo')
    return output, run_demo(output, '--live-rate', '0')


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_demo_passes(demo: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    output, done = demo
    assert done.returncode == 0, done.stdout + done.stderr
    result = result_of(output)
    assert result['passed']
    assert result['balanced_accuracy'] >= 0.60
    assert result['balanced_accuracy'] - result['nearest_mean_balanced_accuracy'] >= 0.15
    assert result['windows'] > 800
    assert result['windows_over_a_change'] > 0
    assert len(list((output / 'recordings').rglob('*.mcap'))) >= 4
    assert (output / 'model' / 'model.onnx').is_file()
    assert '<!doctype html>' in (output / 'report.html').read_text(encoding='utf-8')
    for expected in ('PASSED', 'around a change', 'Confusion matrix', 'report.html', 'truth'):
        assert expected in done.stdout
    assert not nodes_of(output)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_bags_hold_every_sample_that_was_simulated(
    demo: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    import numpy as np

    from current_driver.recordings.reading.open_recording import open_recording
    from current_driver.simulation.simulator import Simulator, SimulatorConfig

    output, _ = demo
    config = SimulatorConfig(seed=1, duration_s=240.0, seconds_per_surface=20.0)
    with open_recording(output / 'recordings' / 'drive_1') as reader:
        blocks = [reader.deserialize(found) for found in reader.messages(topics=['/motor_current'])]
    recorded = np.concatenate([np.asarray(block.current).reshape(-1, 2) for block in blocks])
    assert recorded.tobytes() == Simulator(config).step(24_000).current_a.tobytes()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_demo_fails_with_a_model_trained_on_shuffled_labels(
    demo: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    recordings = demo[0] / 'recordings'
    options = ('--recordings', str(recordings), '--epochs', '4', '--live-rate', '0', '--shuffle-labels')
    done = run_demo(tmp_path, *options)
    assert done.returncode == 1, done.stdout + done.stderr
    result = result_of(tmp_path)
    assert not result['passed']
    assert result['balanced_accuracy'] < 0.40
    assert 'FAILED' in done.stdout


@pytest.mark.timeout(120)
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_nothing_running(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, str(DEMO), '--output', str(tmp_path), '--plain']
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        deadline_s = time.monotonic() + 60
        while len(list((tmp_path / 'log').glob('*driver*'))) < 1:
            assert process.poll() is None
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
        os.kill(process.pid, number)
        output, _ = process.communicate(timeout=STOP_TIMEOUT_S)
    assert process.returncode == 130, output
    assert 'interrupted; every node was stopped' in output
    assert not nodes_of(tmp_path)
