# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluation on whole recordings: folds, scores, baselines, comparison, streams and left-out groups."""

__all__ = ['baselines', 'evaluate', 'fold_cache', 'leave_out', 'motion_scores', 'streams']
