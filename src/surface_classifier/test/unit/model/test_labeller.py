# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""From windows to labels, live and offline."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from model_samples import CLASSES, MOTOR_CONFIG, TWO_PART_CONFIG, save_random_model

from surface_classifier.model.classify import label_windows
from surface_classifier.model.contract import ModelContract
from surface_classifier.model.engine import InferenceEngine, load_engine
from surface_classifier.model.label import Reason
from surface_classifier.model.labeller import Labeller
from surface_classifier.signal.window_config import WindowConfig
from surface_classifier.signal.window_stream import Window


@pytest.fixture(scope='module')
def labeller(tmp_path_factory: pytest.TempPathFactory) -> Labeller:
    path = tmp_path_factory.mktemp('models') / 'model'
    save_random_model(path)
    return Labeller(load_engine(path))


def window(values: dict[str, np.ndarray], coverage: float = 1.0) -> Window:
    return Window(
        index=41,
        start_ns=1_000_000_000,
        end_ns=2_100_000_000,
        parts=values,
        coverage=coverage,
        part_starts_ns=dict.fromkeys(values, 1_000_000_000),
        part_coverage=dict.fromkeys(values, coverage),
    )


def test_a_label_is_the_likeliest_class(labeller: Labeller) -> None:
    rng = np.random.default_rng(0)
    surfaces = set()
    for _ in range(50):
        values = 5.0 + 4.0 * rng.normal(size=(12, 2))
        label = labeller.label(window({'motor': values}))
        expected = labeller.engine.predict([values[np.newaxis]])[0]
        np.testing.assert_array_equal(label.probabilities, expected)
        np.testing.assert_array_equal(label.raw_probabilities, expected)
        assert label.surface == CLASSES[int(expected.argmax())]
        assert label.class_names[label.surface_id - 1] == label.surface
        assert label.confidence == expected.max()
        assert (label.known, label.reason) == (True, Reason.NOT_CHECKED)
        assert (label.window_index, label.window_start_ns, label.stamp_ns) == (41, 1_000_000_000, 2_100_000_000)
        assert label.model_digest == labeller.engine.contract.weights_sha256
        assert label.possible_ids == ()
        assert math.isnan(label.possible_level)
        assert math.isnan(label.novelty)
        surfaces.add(label.surface)
    assert len(surfaces) > 1


def test_a_window_with_too_little_measured_is_unknown(labeller: Labeller) -> None:
    label = labeller.label(window({'motor': np.full((12, 2), 5.0)}, coverage=0.9))
    assert (label.surface, label.surface_id, label.known, label.reason) == ('unknown', 0, False, Reason.LOW_COVERAGE)
    assert label.confidence == label.probabilities.max()


def test_a_window_the_model_has_no_answer_for_is_unknown(labeller: Labeller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labeller.engine, 'predict', lambda parts: np.full((len(parts[0]), 3), np.nan))
    label = labeller.label(window({'motor': np.full((12, 2), np.inf)}))
    assert (label.surface, label.known, label.reason) == ('unknown', False, Reason.BAD_SENSOR)
    np.testing.assert_allclose(label.probabilities, 1 / 3)


class EchoEngine(InferenceEngine):
    """Answers with the first values of the parts it is given."""

    name = 'echo'
    device = 'none'

    def _logits(self, parts: list[np.ndarray]) -> np.ndarray:
        return np.array([[part[0, 0, 0] for part in parts] + [0.0]], dtype=np.float32)


def test_parts_go_to_the_model_in_the_order_of_its_configuration() -> None:
    engine = EchoEngine(contract_of(TWO_PART_CONFIG))
    values = {'imu': np.full((200, 1), 9.0), 'motor': np.full((13, 2), 1.0)}
    assert Labeller(engine).label(window(values)).surface == CLASSES[1]


def contract_of(config: WindowConfig) -> ModelContract:
    return ModelContract(
        config=config,
        classes=CLASSES,
        architecture={},
        normalisation={},
        calibration={'temperature': 1.0},
        training_data={},
        training={},
        seed=0,
        created_by='test',
        weights_sha256='0' * 64,
        onnx_sha256='0' * 64,
    )


def test_windows_of_a_data_set_get_the_labels_they_get_one_by_one(labeller: Labeller) -> None:
    windows = 5.0 + 4.0 * np.random.default_rng(1).normal(size=(6, 12, 2))
    windows[2, 0, 0] = np.nan
    start_ns = np.arange(6, dtype=np.int64) * 10
    labels = list(label_windows(labeller, {'motor': windows}, start_ns, start_ns + 5))
    assert [label.stamp_ns for label in labels] == [5, 15, 25, 35, 45, 55]
    assert [label.known for label in labels] == [True, True, False, True, True, True]
    assert labels[2].coverage == pytest.approx(23 / 24)
    for row in (0, 5):
        alone = labeller.label(window({'motor': windows[row]}))
        np.testing.assert_array_equal(labels[row].probabilities, alone.probabilities)


def test_a_model_for_incomplete_windows_takes_them() -> None:
    engine = EchoEngine(contract_of(replace(MOTOR_CONFIG, min_coverage=0.5)))
    values = {'motor': np.ones((12, 2))}
    assert Labeller(engine).label(window(values, coverage=0.5)).known
    assert not Labeller(engine).label(window(values, coverage=0.49)).known
