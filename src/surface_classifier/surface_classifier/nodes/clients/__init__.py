# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Nodes of commands: they watch, inspect or drive the running graph and end with their command."""

__all__ = ['drive_observer', 'inspect_node', 'plot_window', 'record_node', 'trainer_client', 'watch_node']
