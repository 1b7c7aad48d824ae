# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The `surface` command, one module a verb: parse the arguments, call the subpackages, print what they return."""

__all__ = ['dataset', 'main']
