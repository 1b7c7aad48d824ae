# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Devices that measure motor current: links, stamps, sample numbers, reconnection and parameters."""

__all__ = ['can_bus', 'device_link', 'device_parameters', 'serial_port']
