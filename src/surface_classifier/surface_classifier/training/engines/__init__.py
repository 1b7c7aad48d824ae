# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Step engines of the training loop beside torch: the compiled kernel."""

__all__ = ['kernel_engine', 'losses', 'step_engine', 'torch_engine']
