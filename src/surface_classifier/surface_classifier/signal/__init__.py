# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""From samples to windows: channel map, streaming resampler and window cutter, the same code live and offline."""

__all__ = [
    'channel_map',
    'grid',
    'numeric_fields',
    'presets',
    'rate_check',
    'resampler',
    'sample_gate',
    'skipped_messages',
    'window_config',
    'window_stream',
]
