# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The network in numpy, for machines without torch and ONNX Runtime: the same weights, the same probabilities."""

__all__ = ['numpy_network']
