# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Motions that were never driven: what a motion is, how near is near enough, and what a label says then."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from model_samples import learnable_dataset, quick_recipe, saved_again, with_motion
from safetensors.numpy import load, save
from scipy.spatial import cKDTree

from current_driver.errors import SurfaceError
from surface_classifier.cli.main import EXIT_BAD_INPUT, main
from surface_classifier.data.dataset import Dataset
from surface_classifier.data.splits import held_out_parts
from surface_classifier.model.classify import label_windows
from surface_classifier.model.contract import NOVELTY_FILE, load_contract
from surface_classifier.model.engine import load_engine
from surface_classifier.model.label import Reason
from surface_classifier.model.labeller import Labeller
from surface_classifier.model.novelty import NoveltyTest
from surface_classifier.model.unseen_motion import motion_features, motion_series, nearest_distance, speed_channels
from surface_classifier.training.adapt import UNLABELLED, RobotWindows, adapt_novelty
from surface_classifier.training.confidence.novelty_fit import fit_novelty, window_novelty
from surface_classifier.training.confidence.unseen_motion_fit import FittedMotion, fit_motion
from surface_classifier.training.train_model import train_model

REQUIRES = ('torch',)

QUICK = quick_recipe(4)
WHEELS = speed_channels(['m/s', 'm/s'])
SPEEDS = arrays(np.float64, (4, 12, 2), elements=st.floats(-3.0, 3.0))


@pytest.fixture(scope='module')
def source(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return learnable_dataset(tmp_path_factory.mktemp('sets') / 'source', recordings_per_class=6)


@pytest.fixture(scope='module')
def dataset(source: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Every recording was driven at about 0.2 or 0.5 m/s, straight or turning."""
    rng = np.random.default_rng(0)
    speed = np.where(np.asarray(source.recording) % 2, 0.2, 0.5) + 0.01 * rng.normal(size=len(source))
    turn = np.where(np.arange(len(source)) % 20 < 10, 0.0, 0.1)
    return with_motion(source, tmp_path_factory.mktemp('sets') / 'set', speed - turn, speed + turn)


@pytest.fixture(scope='module')
def model(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('models') / 'model'
    train_model(dataset, path, QUICK)
    return path


def driven(left: float, right: float, windows: int = 1) -> np.ndarray:
    return np.tile(np.array([left, right]), (windows, 12, 1))


@given(values=SPEEDS)
def test_wheels_give_speed_and_turn_in_whatever_direction(values: np.ndarray) -> None:
    series = motion_series(values, WHEELS)
    np.testing.assert_allclose(series.speed, values.mean(axis=2))
    np.testing.assert_allclose(series.turns[:, :, 0], np.abs(values[:, :, 0] - values[:, :, 1]))
    found = motion_features(series)
    assert found.shape == (4, 3)
    np.testing.assert_allclose(motion_features(motion_series(-values, WHEELS)), found, atol=1e-12)
    np.testing.assert_allclose(motion_features(motion_series(values[:, :, ::-1], WHEELS)), found, atol=1e-12)
    np.testing.assert_allclose(found[:, 1], series.speed.std(axis=1), atol=1e-12)


def test_a_twist_gives_speed_and_turn_rate() -> None:
    values = np.tile(np.array([0.4, -0.7]), (1, 5, 1))
    np.testing.assert_allclose(
        motion_features(motion_series(values, speed_channels(['m/s', 'rad/s']))), [[0.4, 0.0, 0.7]], atol=1e-12
    )
    np.testing.assert_allclose(
        motion_features(motion_series(values[:, :, :1], speed_channels(['m/s']))), [[0.4, 0.0]], atol=1e-12
    )


def test_speeds_are_found_by_their_unit() -> None:
    assert speed_channels(['rad/s', 'm/s']).tolist() == [False, True]
    assert speed_channels(['rad/s', 'rad/s']).tolist() == [True, True]


def test_unmeasured_samples_are_left_out_and_nothing_measured_is_not_a_motion() -> None:
    values = driven(0.2, 0.4, 3)
    values[0, :5] = np.nan
    values[1, :, 0] = np.nan
    values[2] = np.inf
    found = motion_features(motion_series(values, WHEELS))
    np.testing.assert_allclose(found[0], [0.3, 0.0, 0.2], atol=1e-12)
    assert np.isnan(found[1:]).all()


@given(
    features=arrays(np.float64, (7, 3), elements=st.floats(-5.0, 5.0)),
    references=arrays(np.float64, (11, 3), elements=st.floats(-5.0, 5.0)),
)
def test_the_nearest_reference_is_found(features: np.ndarray, references: np.ndarray) -> None:
    expected, _ = cKDTree(references).query(features)
    np.testing.assert_allclose(nearest_distance(features, references), expected, atol=1e-9)


def fitted_motion(
    dataset: Dataset, windows: np.ndarray, divisions: list[tuple[np.ndarray, np.ndarray]], false_alarms: float
) -> FittedMotion | None:
    part = dataset.config.motion_part
    assert part is not None
    motions = dataset.parts[part.name]
    return fit_motion(motions, part.channel_units, dataset.recording, windows, divisions, false_alarms)


def test_what_was_driven_is_seen_and_another_speed_turn_or_unsteadiness_is_not(dataset: Dataset) -> None:
    windows = np.arange(len(dataset))
    fitted = fitted_motion(dataset, windows, held_out_parts(dataset, windows, 4, 0), 0.05)
    assert fitted is not None
    test = fitted.test
    assert (test.novelty(np.asarray(dataset.parts['motion'])) < 1.0).all()
    assert (test.novelty(driven(0.2, 0.2)) < 1.0).all()
    assert (test.novelty(driven(-0.5, -0.5)) < 1.0).all()
    for left, right in ((0.35, 0.35), (1.0, 1.0), (0.0, 0.0), (-0.2, 0.6)):
        assert (test.novelty(driven(left, right)) > 1.0).all(), (left, right)
    unsteady = driven(0.2, 0.2)
    unsteady[:, ::2] += 0.2
    unsteady[:, 1::2] -= 0.2
    assert (test.novelty(unsteady) > 1.0).all()
    assert test.novelty(np.full((1, 12, 2), np.nan)) == 0.0


def test_one_recording_with_a_motion_of_its_own_does_not_make_all_others_look_usual(
    source: Dataset, tmp_path: Path
) -> None:
    # One recording holds 60 % of all windows and was driven as no other was.
    odd = np.asarray(source.recording) == 3
    rows = np.concatenate([np.repeat(np.flatnonzero(odd), 26), np.flatnonzero(~odd)])
    large = saved_again(
        source,
        tmp_path / 'large',
        parts={'motor': np.asarray(source.parts['motor'])[rows]},
        labels=np.asarray(source.labels)[rows],
        start_ns=np.arange(len(rows)) * 1_000_000_000,
        end_ns=np.arange(len(rows)) * 1_000_000_000 + 500_000_000,
        recording=np.asarray(source.recording)[rows],
    )
    speed = np.where(np.asarray(large.recording) == 3, 2.0, 0.3)
    speed += 0.01 * np.random.default_rng(0).normal(size=len(large))
    dataset = with_motion(large, tmp_path / 'set', speed, speed)
    windows = np.arange(len(dataset))
    divisions = held_out_parts(dataset, windows, 4, 0)
    fitted = fitted_motion(dataset, windows, divisions, 0.06)
    assert fitted is not None
    assert (fitted.test.novelty(driven(1.0, 1.0)) > 1.0).all()
    unseen = np.concatenate([novelty > 1.0 for novelty in fitted.held_out])
    owner = np.concatenate([np.asarray(dataset.recording)[held] for _, held in divisions])
    assert unseen[owner == 3].all()
    assert unseen[owner != 3].mean() < 0.02


@pytest.mark.parametrize('recordings_per_class', [2, 4])
def test_one_odd_recording_of_few_is_left_out(tmp_path: Path, recordings_per_class: int) -> None:
    plain = learnable_dataset(tmp_path / 'plain', recordings_per_class=recordings_per_class)
    speed = np.where(np.asarray(plain.recording) == 1, 2.0, 0.3)
    dataset = with_motion(plain, tmp_path / 'set', speed, speed)
    windows = np.arange(len(dataset))
    fitted = fitted_motion(dataset, windows, held_out_parts(dataset, windows, 4, 0), 0.05)
    assert fitted is not None
    assert (fitted.test.novelty(driven(1.0, 1.0)) > 1.0).all()


def test_without_a_motion_part_nothing_is_flagged(source: Dataset) -> None:
    assert fit_novelty(source, np.arange(len(source)), []).motion is None


def test_the_network_does_not_see_the_motion(model: Path, dataset: Dataset) -> None:
    contract = load_contract(model)
    assert [part.name for part in contract.config.parts] == ['motor', 'motion']
    assert list(contract.normalisation) == ['motor']
    for engine in ('onnx', 'torch'):
        found = load_engine(model, engine).predict([np.asarray(dataset.parts['motor'])[:4]])
        assert found.shape == (4, 3)


def test_labels_name_the_motion_and_what_was_believed_stays(model: Path, dataset: Dataset) -> None:
    count = 24
    motor, motion = (np.array(dataset.parts[name][:count]) for name in ('motor', 'motion'))
    motion[8:16] = driven(1.5, 1.5, 8)
    labeller = Labeller(load_engine(model))
    stamps = dataset.start_ns[:count], dataset.end_ns[:count]
    labels = list(label_windows(labeller, {'motor': motor, 'motion': motion}, *stamps))
    assert [label.reason for label in labels[8:16]] == [Reason.UNSEEN_MOTION] * 8
    assert all(label.novelty > 1.0 and not label.known for label in labels[8:16])
    assert all(label.known for label in [*labels[:8], *labels[16:]])
    assert int(np.argmax(labels[15].probabilities)) == int(np.argmax(labels[7].probabilities))
    unchecked = Labeller(load_engine(model), check_novelty=False)
    found = list(label_windows(unchecked, {'motor': motor, 'motion': motion}, *stamps))
    assert {label.reason for label in found} == {Reason.NOT_CHECKED}
    assert all(label.known for label in found)


def test_live_and_offline_tell_the_same_and_the_file_keeps_it(model: Path, dataset: Dataset) -> None:
    windows = np.flatnonzero(np.asarray(dataset.recording) == 2)
    test = load_engine(model).novelty_test
    assert test is not None
    again = NoveltyTest.from_bytes(test.to_bytes())
    surface, motion = window_novelty(again, dataset, windows)
    labels = label_windows(
        Labeller(load_engine(model)),
        {name: np.asarray(part)[windows] for name, part in dataset.parts.items()},
        np.asarray(dataset.start_ns)[windows],
        np.asarray(dataset.end_ns)[windows],
    )
    np.testing.assert_allclose(
        [label.novelty for label in labels], np.maximum(surface, motion), rtol=5e-3
    )  # distances are of single precision


def test_held_out_windows_with_a_motion_of_their_own_do_not_say_what_is_usual(source: Dataset, tmp_path: Path) -> None:
    # The currents of one fast recording are like nothing else; its motion says so.
    motor = np.array(source.parts['motor'])
    fast = np.asarray(source.recording) == 1
    motor[fast] += 40.0
    strange = saved_again(source, tmp_path / 'strange', parts={'motor': motor})
    speed = np.where(fast, 3.0, 0.3)
    moved = with_motion(strange, tmp_path / 'moved', speed, speed)
    windows = np.arange(len(strange))
    divisions = held_out_parts(strange, windows, 4, 0)
    alone, with_motion_test = (fit_novelty(of, windows, divisions, false_alarms=0.06) for of in (strange, moved))
    assert with_motion_test.usual[0, 0] < alone.usual[0, 0]
    assert with_motion_test.motion is not None


def test_windows_without_a_measured_motion_are_labelled(model: Path, dataset: Dataset) -> None:
    motion = np.full((4, 12, 2), np.nan)
    parts = {'motor': np.asarray(dataset.parts['motor'][:4]), 'motion': motion}
    labels = list(label_windows(Labeller(load_engine(model)), parts, dataset.start_ns[:4], dataset.end_ns[:4]))
    assert all(label.known and label.coverage == 1.0 for label in labels)


def test_the_motions_of_labelled_windows_of_another_robot_are_known(model: Path, dataset: Dataset) -> None:
    test = load_engine(model).novelty_test
    assert test is not None
    assert test.motion is not None
    fast = driven(1.5, 1.5, 30)
    labels = np.where(np.arange(30) < 15, 0, UNLABELLED)
    recording, stamps_ns = np.zeros(30, dtype=np.int64), np.asarray(dataset.end_ns)[:30]
    motor = np.asarray(dataset.parts['motor'][:30])
    robot = RobotWindows([motor], labels, recording, stamps_ns, ('drive',), fast)
    for use_labels, known in ((True, True), (False, False)):
        adapted = adapt_novelty(test, robot, use_labels=use_labels).motion
        assert adapted is not None
        assert (adapted.novelty(fast) < 1.0).all() == known
        assert (adapted.novelty(driven(0.2, 0.2)) < 1.0).all()
    assert (adapt_novelty(test, replace(robot, labels=np.full(30, UNLABELLED))).motion.novelty(fast) > 1.0).all()  # type: ignore[union-attr]


def test_a_test_of_an_earlier_version_is_refused(model: Path) -> None:
    content = (model / NOVELTY_FILE).read_bytes()
    arrays = {name: value for name, value in load(content).items() if not name.startswith('levels.')}
    with pytest.raises(SurfaceError, match=r'written by an earlier version; train the model again'):
        NoveltyTest.from_bytes(save(arrays))


def test_a_finished_model_is_scored_on_a_data_set_with_motion_and_refuses_another_role(
    model: Path, dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(['test', str(model), str(dataset.path), '--baseline-data', str(dataset.path)]) == 0
    capsys.readouterr()
    motion = dataset.config.motion_part
    assert motion is not None
    as_input = replace(dataset.config, parts=(*dataset.config.input_parts, replace(motion, role='input')))
    other = saved_again(dataset, tmp_path / 'other', config=as_input)
    assert other.digest != dataset.digest
    assert main(['test', str(model), str(other.path)]) == EXIT_BAD_INPUT
    assert 'as motion' in capsys.readouterr().err
    assert (
        main(['dataset', 'merge', str(dataset.path), str(other.path), '-o', str(tmp_path / 'both')]) == EXIT_BAD_INPUT
    )
    assert 'part motion as motion here, as input there' in capsys.readouterr().err
    assert main(['dataset', 'info', str(dataset.path)]) == 0
    text = capsys.readouterr().out
    assert 'duplicate' not in text
    assert 'right [m/s], which measure the motion' in text


def test_the_command_names_motions_and_what_is_called_what(
    model: Path, dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = with_motion(dataset, tmp_path / 'fast', np.full(len(dataset), 2.0), np.full(len(dataset), 2.0))
    assert main(['classify', str(model), str(moved.path)]) == 0
    text = capsys.readouterr().out
    assert 'unknown 100%' in text
    assert f'unknown: {len(dataset)} untrained speed or turn' in text
    assert '0.0% of the labelled windows are correct' in text
    assert main(['classify', str(model), str(moved.path), '--no-novelty']) == 0
    text = capsys.readouterr().out
    assert 'unknown' not in text
    assert 'truth ' in text
