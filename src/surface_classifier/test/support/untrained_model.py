# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Complete models with random weights: they know no surface, but every window gets another answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from surface_classifier.model.contract import ModelContract
from surface_classifier.model.network_config import NetworkConfig
from surface_classifier.signal.window_config import WindowConfig

CLASSES = ('asphalt', 'flooring', 'ice', 'sandy_loam', 'snow')


def save_untrained_model(
    path: Path, config: WindowConfig, *, classes: tuple[str, ...] = CLASSES, seed: int = 0
) -> ModelContract:
    """Write a model; the test is skipped where torch is not installed.

    Args:
        path: Folder to make.
        config: The windows it takes.
        classes: Names of its classes.
        seed: Seed of the weights.
    """
    torch = pytest.importorskip('torch')
    from surface_classifier.model.checkpoint import normalisation_of, save_model
    from surface_classifier.model.network.ensemble import make_network

    torch.manual_seed(seed)
    shape = NetworkConfig(hidden_sizes=(16,))
    network = make_network(shape, [len(part.channels) for part in config.input_parts], len(classes))
    with torch.no_grad():
        for name, value in network.named_parameters():
            if name.startswith('head') and value.ndim == 2:
                value.mul_(5)  # far from the same answer to everything
    contract = ModelContract(
        config=config,
        classes=classes,
        architecture=shape.to_dict(),
        normalisation=normalisation_of(network, config),
        calibration={'method': 'none', 'temperature': 1.0},
        training_data={},
        training={},
        seed=seed,
        created_by='test',
        weights_sha256='',
        onnx_sha256='',
    )
    return save_model(path, network, contract)
