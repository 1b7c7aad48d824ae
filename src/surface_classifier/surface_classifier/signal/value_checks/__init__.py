# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of the values of channels, message by message: whole numbers that wrap around."""

__all__ = ['wrapped_numbers']
