# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Inspection of unknown topics: what they carry, and which number is a motor current."""

__all__ = ['channels_file', 'current_guesses', 'topic_log', 'wrapped_fields']
