# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Data sets of labelled windows: builder, sources, splits and the executors that cut them."""

__all__ = [
    'block_check',
    'dataset',
    'dataset_builder',
    'dataset_sources',
    'editing',
    'executor',
    'importers',
    'inspection',
    'joined_streams',
    'json_values',
    'ray_executor',
    'splits',
    'survey',
]
