# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Training loop, evaluation by recording, baselines and reports."""
