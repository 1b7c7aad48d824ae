# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`make demo-real`: it says what to download, runs on any data in that layout, and notices every difference."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

# The demo is a folder of scripts, not a package: its files find each other because Python adds their folder.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'demo'))

import demo_real

from surface_classifier.model.label import Label, Reason
from surface_classifier.nodes.clients.drive_observer import Drive, LiveLabel
from surface_classifier.signal.window_stream import Window

REQUIRES = ('rclpy', 'torch')

ROOT = Path(__file__).resolve().parents[2]
CLASSES = {'ASPHALT': 1.0, 'GRASS': 3.0, 'SNOW': 6.0}
RECORDINGS = 4
SECONDS = 40.0
RATE_HZ = 6.5


def run_demo(output: Path, data: Path | None, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != demo_real.DATA_VARIABLE}
    if data is not None:
        environment[demo_real.DATA_VARIABLE] = str(data)
    command = [sys.executable, str(ROOT / 'demo' / 'demo_real.py'), '--output', str(output), '--plain', *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=280, cwd=ROOT, env=environment, check=False)


def write_data(folder: Path) -> None:
    """Recordings in the layout of BorealTC, with levels that distinguish the classes."""
    generator = np.random.default_rng(0)
    times_s = np.arange(round(SECONDS * RATE_HZ)) / RATE_HZ
    folds = {}
    for name, level_a in {**CLASSES, 'MIXED': 2.0}.items():
        (folder / 'borealtc' / name).mkdir(parents=True)
        for number in range(RECORDINGS):
            current_a = np.abs(level_a + 0.3 * generator.normal(size=(len(times_s), 2)))
            lines = ['time,curL,curR,velL,velR']
            rows = np.column_stack([times_s, current_a]).tolist()
            lines += [f'{time_s!r},{left:.2f},{right:.2f},0.5,0.5' for time_s, left, right in rows]
            path = folder / 'borealtc' / name / f'pro_{number:02d}.csv'
            path.write_text('\n'.join(lines) + '\n', encoding='utf-8')
            folds[f'{name}/{number:02d}'] = number % 2
    folds = {name: fold for name, fold in folds.items() if not name.startswith('MIXED')}
    (folder / 'folds.json').write_text(json.dumps({'repetitions': [folds]}), encoding='utf-8')


def test_without_data_it_says_what_to_download_and_how_to_lay_it_out(tmp_path: Path) -> None:
    done = run_demo(tmp_path / 'out', None)
    assert done.returncode == 2
    for expected in ('SURFACE_DATA_DIR is not set', 'BorealTC', 'borealtc/ASPHALT/pro_00.csv', 'folds.json'):
        assert expected in done.stdout
    assert not (tmp_path / 'out').exists()


def test_a_folder_without_the_data_is_named(tmp_path: Path) -> None:
    done = run_demo(tmp_path / 'out', tmp_path)
    assert done.returncode == 2
    assert f'there is no {tmp_path}/borealtc/CLASS/pro_NN.csv' in done.stdout
    (tmp_path / 'borealtc' / 'ASPHALT').mkdir(parents=True)
    (tmp_path / 'borealtc' / 'ASPHALT' / 'pro_00.csv').touch()
    done = run_demo(tmp_path / 'out', tmp_path)
    assert done.returncode == 2
    assert f'{tmp_path}/folds.json is not there' in done.stdout


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_live_equals_offline_on_recordings_of_that_layout(tmp_path: Path) -> None:
    write_data(tmp_path / 'data')
    done = run_demo(tmp_path / 'out', tmp_path / 'data', '--epochs', '3')
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'PASSED: live equals offline' in done.stdout
    result = json.loads((tmp_path / 'out' / 'result.json').read_text(encoding='utf-8'))
    windows_each = (len(np.arange(round(SECONDS * RATE_HZ))) - 32) // 8 + 1
    assert result['windows'] == windows_each * len(CLASSES) * RECORDINGS // 2
    assert result['equal']
    assert result['largest_difference'] <= 1e-6
    evaluation = json.loads((tmp_path / 'out' / 'evaluation.json').read_text(encoding='utf-8'))
    assert evaluation['classes'] == sorted(CLASSES)
    assert 'MIXED' not in done.stdout.partition('ASPHALT')[2]
    assert (tmp_path / 'out' / 'report.html').is_file()


def live_and_offline() -> tuple[Drive, dict[int, demo_real.OfflineLabel]]:
    """Two equal windows with equal labels, live and offline."""
    drive = Drive(class_names=('a', 'b'))
    offline = {}
    for index in range(2):
        samples = np.arange(6.0).reshape(3, 2) + index
        window = Window(index, 100 * index, 100 * index + 99, {'motor': samples}, 1.0, {'motor': 0}, {'motor': 1.0})
        probabilities = np.array([0.25, 0.75])
        label = Label(
            stamp_ns=window.end_ns,
            surface='b',
            surface_id=2,
            known=True,
            reason=Reason.NOT_CHECKED,
            confidence=0.75,
            class_names=('a', 'b'),
            probabilities=probabilities,
            raw_probabilities=probabilities,
            possible_ids=(),
            possible_level=float('nan'),
            novelty=float('nan'),
            window_start_ns=window.start_ns,
            window_index=index,
            coverage=1.0,
            inference_s=0.0,
            model_digest='',
        )
        offline[window.end_ns] = demo_real.OfflineLabel(window, label, 'b')
        drive.labels.append(LiveLabel(index, window.start_ns, window.end_ns, 'b', True, 0.75, probabilities.copy()))
        drive.windows[index] = {'motor': samples.copy()}
    return drive, offline


def test_equal_is_equal() -> None:
    comparison = demo_real.compare(*live_and_offline())
    assert comparison.equal
    assert comparison.windows == 2


def test_one_bit_of_one_sample_is_noticed() -> None:
    drive, offline = live_and_offline()
    drive.windows[1]['motor'][2, 1] = np.nextafter(drive.windows[1]['motor'][2, 1], 100.0)
    comparison = demo_real.compare(drive, offline)
    assert comparison.different_windows == 1
    assert not comparison.equal


def test_another_probability_is_noticed() -> None:
    drive, offline = live_and_offline()
    drive.labels[0].probabilities[:] += [2e-6, -2e-6]
    assert demo_real.compare(drive, offline).different_labels == 1


def test_missing_doubled_and_shifted_labels_are_noticed() -> None:
    drive, offline = live_and_offline()
    drive.labels.pop()
    assert demo_real.compare(drive, offline).missing == 1
    drive, offline = live_and_offline()
    drive.labels.append(drive.labels[0])
    assert demo_real.compare(drive, offline).unexpected == 1
    drive, offline = live_and_offline()
    drive.labels[1] = dataclasses.replace(drive.labels[1], end_ns=drive.labels[1].end_ns + 1)
    comparison = demo_real.compare(drive, offline)
    assert (comparison.missing, comparison.unexpected) == (1, 1)
    assert not comparison.equal


def test_nothing_to_compare_is_not_equal() -> None:
    assert not demo_real.compare(Drive(), {}).equal
