# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Start of the nodes: arguments of the launch files, executables and node processes."""

__all__ = ['executables', 'launch_arguments', 'node_processes']
