# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""A training in a child process: its files, its start and its progress."""

__all__ = ['train_job', 'train_process']
