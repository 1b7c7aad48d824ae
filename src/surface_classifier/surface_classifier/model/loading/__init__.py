# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Loading of model folders: limits before reading, digests, ONNX without other files, and a time limit."""

__all__ = ['model_checks', 'model_files', 'model_loader', 'novelty_checks', 'onnx_file']
