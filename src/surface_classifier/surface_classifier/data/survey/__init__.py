# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Surveys of a data set: what it covers, its picture, faulty sensors and aliasing."""

__all__ = ['aliasing', 'dataset_plot', 'dataset_survey', 'sensor_checks']
