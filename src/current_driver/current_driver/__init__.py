# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Sources of motor current (simulator, replay, devices), recordings, and the driver node."""

__all__ = [
    'declared_fields',
    'devices',
    'driver_node',
    'driver_parameters',
    'entry',
    'errors',
    'files',
    'messages',
    'node',
    'optional_packages',
    'recordings',
    'simulation',
    'source',
    'testing',
]
