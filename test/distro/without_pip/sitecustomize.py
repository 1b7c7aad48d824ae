# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Makes imports of packages that come from pip alone fail, in each Python process with this folder on its path."""

import sys

for name in (
    'lz4',
    'mcap',
    'onnx',
    'onnxruntime',
    'onnxscript',
    'optuna',
    'rosbags',
    'safetensors',
    'torch',
    'zstandard',
):
    sys.modules[name] = None  # type: ignore[assignment]
