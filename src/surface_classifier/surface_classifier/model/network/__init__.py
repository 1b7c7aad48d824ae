# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The network: scaling of channels, encoders of sequences and statistics, LSTM layers, heads and ensembles."""

__all__ = ['ensemble', 'network_weights', 'surface_network', 'window_statistics']
