# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Training of a model: recipe, loop, adaptation and what is saved."""

__all__ = [
    'adapt',
    'confidence',
    'engines',
    'loop',
    'metrics',
    'recipe_rules',
    'together',
    'train_model',
    'training_config',
]
