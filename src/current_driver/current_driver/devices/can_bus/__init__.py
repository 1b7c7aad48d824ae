# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Devices on a CAN bus: frames of motor controllers, DBC files and CANopen drives."""

__all__ = ['can_decoders', 'can_link', 'canopen_link']
