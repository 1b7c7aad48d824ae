# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Readers: rosbag2 bags of both storages and CSV files, behind one interface."""

__all__ = ['bag_reader', 'csv_reader', 'open_recording', 'recording_reader', 'storage_files']
