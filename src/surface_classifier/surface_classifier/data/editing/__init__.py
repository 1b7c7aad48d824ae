# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Changes of a data set: relabel, drop, merge, split and balance."""

__all__ = [
    'dataset_balance',
    'dataset_edit',
    'dataset_merge',
    'dataset_rewrite',
    'dataset_split',
    'window_selection',
]
