# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Channel map, streaming resampler and window cutter: the one path from samples to windows."""
