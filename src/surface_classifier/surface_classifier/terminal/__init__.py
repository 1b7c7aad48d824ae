# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What a person sees and presses: keys, joystick, live views and coverage, without ROS."""

__all__ = [
    'drive_motion',
    'joy_labels',
    'plain_console',
    'record_coverage',
    'record_keys',
    'record_view',
    'screen',
    'watch_view',
]
