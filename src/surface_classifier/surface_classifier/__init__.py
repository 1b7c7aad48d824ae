# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""From motor current to surface label: windows, data sets, the LSTM, nodes and the `surface` command."""

__version__ = '0.1.0'
