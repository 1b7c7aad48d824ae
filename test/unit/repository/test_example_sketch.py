# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The example sketch, compiled for this machine, sends what the datasheets' examples measure, in both formats."""

from __future__ import annotations

import functools
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from current_driver.devices.readings import LinkTiming, Reading
from current_driver.devices.sample_stream import SampleStream
from current_driver.devices.serial_port.sample_frames import FRAME_TIMING, FrameParser
from current_driver.devices.serial_port.sample_lines import LineParser

ROOT = Path(__file__).resolve().parents[3]
SKETCH = ROOT / 'examples' / 'ina_current' / 'ina_current.ino'
COMPILER = shutil.which('g++') or shutil.which('clang++')
# The calibration register of the examples in the datasheets, 1 mA a step over 2 mOhm.
CALIBRATION = {219: '5000', 226: '0A00'}
LOOPS = 8000
RATE_HZ = 1000


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder for programs."""
    return tmp_path_factory.mktemp('sketches')


@functools.cache
def compiled(folder: Path, sensor: int, binary: bool) -> Path:
    """Compile the sketch, once for all tests."""
    if COMPILER is None:
        pytest.skip('there is no C++ compiler')
    program = folder / f'sketch_{sensor}_{binary}'
    defines = {
        'SENSOR': sensor,
        'BINARY': int(binary),
        'LOOPS': LOOPS,
        'RATE_HZ': RATE_HZ,
        'SHUNT_OHM': '0.002f',
        'CURRENT_LSB_A': '0.001f',
        'SKETCH': f'"{SKETCH}"',
    }
    arguments = [f'-D{name}={value}' for name, value in defines.items()]
    command = [COMPILER, '-std=c++17', '-Wall', '-Wextra', '-Werror', f'-I{ROOT / "test" / "arduino"}', *arguments]
    command += [str(ROOT / 'test' / 'arduino' / 'run_sketch.cpp'), '-o', str(program)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return program


def run_sketch(program: Path, sensors: int = 2) -> tuple[bytes, list[str]]:
    """Return what the sketch sends, and address, configuration and calibration of each sensor."""
    done = subprocess.run([str(program), str(sensors)], capture_output=True, check=True, timeout=20)
    return done.stdout, done.stderr.decode().split('\n')[:-1]


def check(readings: list[Reading], timing: LinkTiming, expected_a: list[float]) -> None:
    """Compare samples with what the sensors measure, and their numbers and times with the sketch's schedule."""
    assert len(readings) > 150
    # Each arrives when it was measured. The sketch's clock starts over meanwhile.
    times_ns = [reading.device_ns or 0 for reading in readings]
    assert times_ns != sorted(times_ns)
    assert timing.device_modulus_ns is not None
    readings = [
        reading._replace(receive_ns=(time_ns - times_ns[0]) % timing.device_modulus_ns)
        for reading, time_ns in zip(readings, times_ns, strict=True)
    ]
    stream = SampleStream(('left', 'right'), timing, 10, opened_ns=0)
    blocks = stream.add(readings) + stream.flush()
    assert (stream.lost, stream.duplicates, stream.restarts) == (0, 0, 0)
    currents = np.concatenate([block.current_a for block in blocks])
    np.testing.assert_allclose(currents, [expected_a] * len(readings), rtol=1e-6)
    assert stream.timing.timing().rate_hz == pytest.approx(RATE_HZ, rel=0.01)


@pytest.mark.parametrize('sensor', [219, 226])
def test_frames_hold_what_the_datasheets_examples_measure(folder: Path, sensor: int) -> None:
    data, sensors = run_sketch(compiled(folder, sensor, True))
    assert [line.split()[2] for line in sensors] == [CALIBRATION[sensor]] * 2
    counters: Counter[str] = Counter()
    parser = FrameParser(counters)
    readings = parser.feed(data, 0)
    assert not counters.total()
    check(readings, FRAME_TIMING, [10.0, -2.5])


def test_lines_hold_the_same_and_name_their_columns(folder: Path) -> None:
    data, _ = run_sketch(compiled(folder, 226, False))
    parser = LineParser(None, False, counters := Counter[str]())
    readings = parser.feed(data, 0)
    assert not counters.total()
    assert parser.columns is not None
    assert parser.columns.motors == ('left', 'right')
    check(readings, parser.columns.timing, [10.0, -2.5])


def test_a_sensor_that_does_not_answer_is_not_measured(folder: Path) -> None:
    data, _ = run_sketch(compiled(folder, 226, True), sensors=1)
    readings = FrameParser(Counter()).feed(data, 0)
    assert readings[0].current_a[0] == pytest.approx(10.0)
    assert np.isnan(readings[0].current_a[1])
