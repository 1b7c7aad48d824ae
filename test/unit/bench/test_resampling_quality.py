# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmark of resampling: its aims are met, its curves see a bad resampler, and it writes what it says."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from surface_classifier.signal.window_config import PartConfig

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / 'bench'))
import resampling_quality as bench


@pytest.mark.parametrize('input_rate_hz', [1000.0, 313.0])
def test_a_swept_sine_meets_the_aims(input_rate_hz: float) -> None:
    quality, band, stop = bench.measure(input_rate_hz, 0.0)
    assert quality.meets_aims
    assert quality.attenuation_db >= 60
    assert quality.error < 1e-3
    assert quality.delay_s <= 0.5
    # The sweeps cover the band and all that lies above the new Nyquist frequency.
    assert (band.frequency_hz.min(), band.frequency_hz.max()) == pytest.approx((0.5, 40.0), abs=0.02)
    assert (stop.frequency_hz.min(), stop.frequency_hz.max()) == pytest.approx((50.0, input_rate_hz / 2), rel=0.02)
    # What is taken as it comes keeps all of it.
    assert quality.nearest_attenuation_db < 1


def test_a_resampler_without_a_low_pass_misses_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PartConfig, 'decimates', property(lambda _: False))
    quality, _, _ = bench.measure(1000.0, 0.0)
    assert quality.meets_aims is False
    assert quality.attenuation_db < 1


def test_it_writes_figures_and_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip('matplotlib', reason='matplotlib is not installed')
    file, picture = tmp_path / 'result.json', tmp_path / 'picture.png'
    assert bench.main(['--quick', '--json', str(file), '--picture', str(picture)]) == 0
    assert 'met' in capsys.readouterr().out
    result = json.loads(file.read_text(encoding='utf-8'))
    assert result['aims_met'] is True
    assert result['rows'][0]['attenuation_db'] > 60
    assert picture.read_bytes().startswith(b'\x89PNG')


def test_missed_aims_are_reported(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(bench, 'LEAST_ATTENUATION_DB', 200.0)
    assert bench.main(['--quick']) == 1
    assert 'missed' in capsys.readouterr().out


def test_points_and_the_nearest_samples_are_where_they_should_be() -> None:
    stamps = bench.sample_stamps(1000.0, 0.3, 3.0)
    assert np.all(np.diff(stamps) > 0)
    points, _ = bench.resample(stamps, np.zeros(len(stamps)), 1000.0)
    assert np.all(np.diff(points) == 10_000_000)
    assert np.all(points % 10_000_000 == 0)
    found = bench.nearest(stamps, (stamps - bench.BASE_NS).astype(float), points)
    assert np.abs(found - (points - bench.BASE_NS)).max() <= 0.8e6
