# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures of every test in this folder."""

from current_driver.testing.collection import (
    pytest_collection_modifyitems,
    pytest_ignore_collect,
    pytest_terminal_summary,
)
from current_driver.testing.fixtures import graph, middleware_files, process_domain, ros_domain, small_disk

__all__ = ['graph', 'middleware_files', 'process_domain', 'ros_domain', 'small_disk']
__all__ += ['pytest_collection_modifyitems', 'pytest_ignore_collect', 'pytest_terminal_summary']
