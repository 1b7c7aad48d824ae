# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The simulated robot: motors, surfaces, drive plan and the source that plays them."""

__all__ = ['simulator', 'simulator_source', 'surfaces']
