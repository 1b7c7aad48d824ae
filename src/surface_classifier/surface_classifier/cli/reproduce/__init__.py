# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The verbs of `surface reproduce`."""

__all__ = ['verbs']
