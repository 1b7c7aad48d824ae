# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Importers of foreign data: CSV files and arrays of windows."""

__all__ = ['arrays_import', 'csv_import']
