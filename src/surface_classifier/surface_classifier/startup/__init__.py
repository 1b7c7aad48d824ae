# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Start of the nodes: arguments of the launch files, executables, node processes and plot layouts."""

__all__ = ['executables', 'launch_arguments', 'node_processes', 'plot_layouts', 'process_ends', 'ros2_command']
