# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The weights of a saved model, read into its network."""

from __future__ import annotations

from pathlib import Path

import torch

from current_driver.errors import SurfaceError
from surface_classifier.model.contract import WEIGHTS_FILE, ModelContract, read_verified
from surface_classifier.model.loading.model_checks import check_weights
from surface_classifier.model.network.ensemble import Network, make_network
from surface_classifier.model.network_config import NetworkConfig
from surface_classifier.model.tensor_file import read_tensors


def load_network(path: Path | str, contract: ModelContract) -> Network:
    """Load the weights of a model into its network.

    Raises:
        SurfaceError: The weights are missing, damaged, or of another network than the contract says.
    """
    file = Path(path) / WEIGHTS_FILE
    content = read_verified(file, contract.weights_sha256)
    config = NetworkConfig(**contract.architecture)
    arrays = read_tensors(file, content)
    check_weights(arrays, config, file)
    network = make_network(config, [len(part.channels) for part in contract.config.input_parts], len(contract.classes))
    types = {name: value.dtype for name, value in network.state_dict().items()}
    try:
        weights = {name: torch.from_numpy(values) for name, values in arrays.items()}
        if {name: value.dtype for name, value in weights.items()} != types:
            raise RuntimeError(f'it holds {sorted(weights)}, not {sorted(types)}, or numbers of another type')
        network.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        raise SurfaceError(f'{file} does not hold the network of its contract: {error}') from error
    return network.eval()
