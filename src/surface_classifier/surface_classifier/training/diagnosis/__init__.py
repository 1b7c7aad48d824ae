# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Why a training behaves as it does, told by experiment."""
