# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Search of recipes with Optuna: space, trials and storage."""

__all__ = ['search', 'sweep_space', 'sweep_storage']
