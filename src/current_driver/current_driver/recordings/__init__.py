# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings without ROS: labelled bags and CSV files, and the message definitions that bags carry."""

__all__ = ['message_definitions', 'plain_types', 'reading', 'recording', 'repair', 'writing']
