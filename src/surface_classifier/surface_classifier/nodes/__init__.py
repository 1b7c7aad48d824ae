# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The ROS 2 nodes: preprocessor, classifier, trainer and the composed bring-up."""

__all__ = [
    'bringup',
    'classifier_node',
    'clients',
    'conversion',
    'launching',
    'parameters',
    'preprocessor_node',
    'trainer_node',
    'window_parameters',
]
