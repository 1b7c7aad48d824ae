# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests of nodes."""

from model_fixtures import borealtc_model, default_model

__all__ = ['borealtc_model', 'default_model']
