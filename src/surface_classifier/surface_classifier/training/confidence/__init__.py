# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Confidence of a model: temperature, conformal sets, belief filter and novelty thresholds."""

__all__ = ['belief_fit', 'calibration', 'fit_confidence', 'novelty_fit', 'predictions']
