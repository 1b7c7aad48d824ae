# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Help for tests: what is collected, drives, ROS domains, a graph that watches, pytest fixtures."""

__all__ = ['collection', 'drives', 'fixtures', 'ros_domains', 'ros_graph']
