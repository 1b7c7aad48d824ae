# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings, importers, data sets and splits: everything between a bag or CSV file and arrays of labelled windows."""
