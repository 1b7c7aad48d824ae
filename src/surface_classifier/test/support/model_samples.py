# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Small data sets a network can learn, and small models, for tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from surface_classifier.data.dataset import Dataset, RecordingInfo
from surface_classifier.model.contract import ModelContract
from surface_classifier.model.network_config import NetworkConfig
from surface_classifier.signal.window_config import ChannelConfig, PartConfig, WindowConfig
from surface_classifier.training.training_config import TrainingConfig

if TYPE_CHECKING:
    from surface_classifier.model.network.ensemble import Network

CLASSES = ('gravel', 'ice', 'snow')


def channels(*names: str, unit: str = 'A') -> tuple[ChannelConfig, ...]:
    """Channels read from an array message, in the order of the names."""
    return tuple(
        ChannelConfig(name, 'currents', 'std_msgs/msg/Float64MultiArray', f'data[{index}]', unit)
        for index, name in enumerate(names)
    )


MOTOR_CONFIG = WindowConfig(
    (PartConfig('motor', 10.0, channels('left', 'right')),), window_samples=12, stride_samples=6
)
TWO_PART_CONFIG = WindowConfig(
    (PartConfig('motor', 6.5, channels('left', 'right')), PartConfig('imu', 100.0, channels('ax', unit='m/s^2'))),
    window_samples=13,
    stride_samples=13,
)


def quick_recipe(epochs: int, *, dropout: float = 0.1, **fields: Any) -> TrainingConfig:
    """Return a recipe that trains within seconds: eight units, batches of 16 windows, a high learning rate."""
    network = NetworkConfig(hidden_sizes=(8,), dropout=dropout, pooling='mean_max')
    return TrainingConfig(network=network, epochs=epochs, batch_size=16, learning_rate=2e-2, **fields)


def learnable_dataset(
    path: Path,
    *,
    recordings_per_class: int = 4,
    windows: int = 20,
    shuffle_labels: bool = False,
    has_recordings: bool = True,
    config: WindowConfig = MOTOR_CONFIG,
    seed: int = 0,
) -> Dataset:
    """Write a data set whose classes differ in level and spread, with an offset of its own for every recording.

    Args:
        path: Folder of the data set.
        recordings_per_class: Recordings of each class.
        windows: Windows of each recording.
        shuffle_labels: Give every recording the labels of windows chosen at random: nothing can be learnt.
        has_recordings: As in `Dataset`.
        config: Window configuration.
        seed: Seed of the values.
    """
    rng = np.random.default_rng(seed)
    recordings = [f'{name}/{number:02d}' for name in CLASSES for number in range(recordings_per_class)]
    labels = np.repeat(np.arange(len(CLASSES)), recordings_per_class * windows)
    recording = np.repeat(np.arange(len(recordings)), windows)
    drive_offset = rng.normal(0.0, 0.1, len(recordings))[recording]
    parts = {}
    for index, part in enumerate(config.parts):
        shape = (len(labels), config.samples_of_part(index), len(part.channels))
        spread = 0.2 + 0.3 * labels
        parts[part.name] = (5.0 + labels + drive_offset)[:, None, None] + spread[:, None, None] * rng.normal(size=shape)
    if shuffle_labels:
        labels = rng.permutation(labels)
    start_ns = np.arange(len(labels), dtype=np.int64) * 1_000_000_000
    return Dataset.save(
        path,
        config=config,
        classes=CLASSES,
        parts=parts,
        labels=labels,
        start_ns=start_ns,
        end_ns=start_ns + 900_000_000,
        recording=recording if has_recordings else np.zeros(len(labels), dtype=np.int64),
        recordings=[RecordingInfo(name, 20.0) for name in (recordings if has_recordings else ['windows'])],
        has_recordings=has_recordings,
    )


def save_random_model(
    path: Path, config: WindowConfig = MOTOR_CONFIG, network: NetworkConfig | None = None, temperature: float = 1.0
) -> tuple[Network, ModelContract]:
    """Write a model with random weights and a normalisation as of real currents; skip the test without torch."""
    torch = pytest.importorskip('torch', reason='torch is not installed')
    from surface_classifier.model.checkpoint import normalisation_of, save_model
    from surface_classifier.model.network.ensemble import make_network

    torch.manual_seed(0)
    shape = network or NetworkConfig(hidden_sizes=(8,))
    lstm = make_network(shape, [len(part.channels) for part in config.input_parts], len(CLASSES)).eval()
    lstm.fit_normalisation(
        [
            5.0 + 2.0 * torch.randn(20, config.samples_of_part(index), len(part.channels))
            for index, part in enumerate(config.input_parts)
        ]
    )
    contract = ModelContract(
        config=config,
        classes=CLASSES,
        architecture=shape.to_dict(),
        normalisation=normalisation_of(lstm, config),
        calibration={'method': 'none', 'temperature': temperature},
        training_data={'digest': '0' * 64, 'recordings': [], 'held_out_recordings': []},
        training={},
        seed=0,
        created_by='test',
        weights_sha256='',
        onnx_sha256='',
    )
    return lstm, save_model(path, lstm, contract)


def with_motion(
    dataset: Dataset, path: Path, left_mps: np.ndarray, right_mps: np.ndarray, unit: str = 'm/s'
) -> Dataset:
    """Write a data set again, with wheel speeds as a motion part; what it had as such is left out.

    Args:
        dataset: Its windows have the length of `MOTOR_CONFIG`'s.
        path: Folder of the data set.
        left_mps: Speed of the left wheels in each window, (windows,) [m/s].
        right_mps: Of the right ones.
        unit: Unit that is stated.
    """
    wheels = tuple(
        ChannelConfig(name, 'wheels', 'std_msgs/msg/Float64MultiArray', f'data[{index}]', unit)
        for index, name in enumerate(('left', 'right'))
    )
    parts = dataset.config.input_parts
    config = replace(dataset.config, parts=(*parts, PartConfig('motion', 10.0, wheels, role='motion')))
    values = np.repeat(np.stack([left_mps, right_mps], axis=1)[:, np.newaxis, :], config.window_samples, axis=1)
    return saved_again(
        dataset,
        path,
        config=config,
        parts={**{part.name: np.asarray(dataset.parts[part.name]) for part in parts}, 'motion': values},
    )


def saved_again(dataset: Dataset, path: Path, **changes: Any) -> Dataset:
    """Write a data set again, with other values for some of what `Dataset.save` takes."""
    kept = {
        name: getattr(dataset, name)
        for name in ('config', 'classes', 'parts', 'labels', 'start_ns', 'end_ns', 'recording', 'recordings')
    }
    return Dataset.save(path, **{**kept, **changes})
