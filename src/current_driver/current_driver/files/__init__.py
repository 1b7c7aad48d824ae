# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Files on disk: the one reader of YAML and JSON, results that appear whole, output folders, and text for terminals."""

__all__ = ['documents', 'names', 'output_folders', 'plain_text', 'result_files']
