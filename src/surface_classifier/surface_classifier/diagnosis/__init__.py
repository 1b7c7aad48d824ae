# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Diagnosis of a training by experiment: data checks, arms, measurements and verdicts."""

__all__ = ['diagnose', 'fluctuation', 'hand_features', 'result', 'running_verdict', 'thresholds']
