# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Repair of truncated and damaged bags."""

__all__ = ['bag_recovery']
