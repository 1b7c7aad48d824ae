# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The model: networks, contract, checkpoint, inference engines, novelty, belief and the labels they give."""

__all__ = [
    'backlog_gate',
    'belief',
    'checkpoint',
    'classify',
    'contract',
    'engine',
    'inference_worker',
    'label',
    'labeller',
    'level_features',
    'loading',
    'network',
    'network_config',
    'novelty',
    'novelty_pass',
    'numpy_network',
    'tensor_file',
    'unseen_motion',
]
