# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Devices on a serial port: text lines and binary frames."""

__all__ = ['sample_frames', 'serial_link']
