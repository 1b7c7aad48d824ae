# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What every node of the suite shares: parameter tables, health, pacing and message types."""

__all__ = ['health', 'node_parameters', 'pacing', 'ros_types']
