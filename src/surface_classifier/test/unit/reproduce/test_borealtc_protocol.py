# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The protocol of the BorealTC paper: what is cut from which piece, and that pieces stay whole in a fold."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from current_driver.errors import SurfaceError
from surface_classifier.cli.main import main
from surface_classifier.data.dataset import Dataset, DatasetWriter, RecordingInfo
from surface_classifier.reproduce.borealtc_protocol import Slides, cut_pieces, paper_folds, slides_of_class
from surface_classifier.signal.window_config import ChannelConfig, PartConfig, WindowConfig

PIECES = WindowConfig(
    (
        PartConfig('imu', 100.0, (ChannelConfig('ax', 'imu', 'sensor_msgs/msg/Imu', 'linear_acceleration.x'),)),
        PartConfig('motor', 6.5, (ChannelConfig('left', 'current', 'std_msgs/msg/Float64', 'data'),)),
    ),
    window_samples=500,
    stride_samples=500,
)
COUNTS = {'ice': 6, 'snow': 13}


@pytest.fixture(scope='module')
def pieces(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    rng = np.random.default_rng(0)
    with DatasetWriter(tmp_path_factory.mktemp('set') / 'pieces', PIECES) as writer:
        for surface, count in COUNTS.items():
            recording = writer.add_recording(RecordingInfo(f'{surface}/0', 5.0 * count))
            for number in range(count):
                spread = {'ice': 1.0, 'snow': 40.0}[surface]
                # The samples count the time, so that it can be seen where a window was cut.
                parts = {
                    'imu': np.arange(500.0)[:, None] + spread * rng.normal(size=(500, 1)),
                    'motor': np.arange(32.0)[:, None],
                }
                begin_ns = 5_000_000_000 * number
                writer.add_window(
                    parts, label=surface, start_ns=begin_ns, end_ns=begin_ns + 4_990_000_000, recording=recording
                )
        return writer.finish(counters={}, history=[])


def test_rarer_classes_are_cut_more_often() -> None:
    assert slides_of_class(np.array([110, 216, 0, 281])) == [Slides(33, 10), Slides(16, 20), None, Slides(12, 27)]


def test_windows_are_cut_from_pieces(pieces: Dataset, tmp_path: Path) -> None:
    cut = cut_pieces(pieces, tmp_path / 'cut')
    assert cut.classes == ('ice', 'snow')
    np.testing.assert_array_equal(cut.class_counts, [6 * 33, 13 * 15])
    assert cut.parts['imu'].shape[1:] == (170, 1)
    assert cut.parts['motor'].shape[1:] == (11, 1)
    first_of_snow = int(np.flatnonzero(cut.labels == 1)[0])
    third = first_of_snow + 2  # of 15 windows, one every 22 samples
    assert int(cut.start_ns[third]) == 440_000_000
    np.testing.assert_array_equal(cut.parts['motor'][third, :, 0], np.arange(3, 14))
    whole = pieces.parts['imu'][int(np.flatnonzero(pieces.labels == 1)[0])]
    np.testing.assert_array_equal(cut.parts['imu'][third], whole[44:214])
    # The last window of a slower part does not reach beyond its piece.
    assert float(cut.parts['motor'][6 * 33 - 1, -1, 0]) == 31.0


def test_pieces_stay_whole_and_recordings_do_not(pieces: Dataset, tmp_path: Path) -> None:
    cut = cut_pieces(pieces, tmp_path / 'cut')
    folds = paper_folds(cut)
    assert len(folds) == 5
    assert folds.protocol.startswith('OPTIMISTIC')
    np.testing.assert_array_equal(np.sort(np.concatenate([fold.test for fold in folds])), np.arange(len(cut)))
    for fold in folds:
        assert not set(cut.recording[fold.train].tolist()) & set(cut.recording[fold.test].tolist())
        drives = [{name.partition(' piece')[0] for name in names} for names in ([*fold.test_recordings],)]
        assert drives == [{'ice/0', 'snow/0'}], 'each drive is tested, and trained on in the other folds'
    assert [fold.test_recordings for fold in paper_folds(cut, 1)] != [fold.test_recordings for fold in folds]


def test_other_windows_and_too_few_pieces_are_refused(pieces: Dataset, tmp_path: Path) -> None:
    cut = cut_pieces(pieces, tmp_path / 'cut')
    with pytest.raises(SurfaceError, match=r'needs pieces of 500 samples at 100 Hz .* build the data set with config'):
        cut_pieces(cut, tmp_path / 'again')
    few = np.flatnonzero(np.asarray(cut.labels) == 1)[: 3 * 15]
    with DatasetWriter(tmp_path / 'few', cut.config) as writer:
        for piece in range(3):
            rows = few[15 * piece : 15 * piece + 15]
            recording = writer.add_recording(RecordingInfo(str(piece), 5.0))
            writer.add_windows(
                {name: values[rows] for name, values in cut.parts.items()},
                labels=['snow'] * 15,
                start_ns=cut.start_ns[rows],
                end_ns=cut.end_ns[rows],
                recordings=np.full(15, recording),
            )
        lonely = writer.finish(counters={}, history=[])
    with pytest.raises(SurfaceError, match='snow has fewer than 5 pieces'):
        paper_folds(lonely)


def test_the_protocol_by_command(pieces: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip('torch', reason='torch is not installed')
    recipe = tmp_path / 'recipe.yaml'
    recipe.write_text(
        'preset: accurate-imu\nnetwork: {hidden_sizes: [6], frame_samples: [32]}\n'
        'epochs: 8\nbatch_size: 32\ncalibration_folds: 0\n'
    )
    scores = tmp_path / 'scores.json'
    command = ['reproduce', 'borealtc-protocol', str(pieces.path), '--config', str(recipe), '--jobs', '1']
    assert main([*command, '--json', str(scores)]) == 0
    printed = capsys.readouterr()
    assert 'OPTIMISTIC' in printed.out
    assert 'say nothing of new drives' in printed.err
    found = json.loads(scores.read_text())
    assert found['windows'] == 6 * 33 + 13 * 15
    assert len(found['lstm']['per_fold']) == 5
    assert found['lstm']['accuracy'] > 0.9, 'the texture distinguishes these surfaces'
