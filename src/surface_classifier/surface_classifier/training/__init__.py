# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Training of a model: recipe, loop, adaptation and what is saved."""

__all__ = [
    'adapt',
    'confidence',
    'cross_fit',
    'engines',
    'hold_out',
    'loop',
    'metrics',
    'parallel_training',
    'prepared_windows',
    'recipe_rules',
    'torch_state',
    'train_model',
    'training_config',
]
