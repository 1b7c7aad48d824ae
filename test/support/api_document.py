# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Reads ROS_API.md: what it says of each node, by section."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from current_driver.node.node_parameters import NodeParameter

DOCUMENT = Path(__file__).resolve().parents[2] / 'ROS_API.md'


def section(node: str) -> str:
    """Return the text of a node's section.

    Raises:
        AssertionError: There is none.
    """
    match = re.search(rf'^## `{node}`.*?(?=^## |\Z)', DOCUMENT.read_text(encoding='utf-8'), re.MULTILINE | re.DOTALL)
    assert match, f'{DOCUMENT.name} has no section "## `{node}`"'
    return match[0]


def table(node: str, title: str) -> list[list[str]]:
    """Return the cells of the rows of one table of a node's section; empty when there is no such table."""
    match = re.search(rf'^### {title}$(.*?)(?=^### |\Z)', section(node), re.MULTILINE | re.DOTALL)
    if match is None:
        return []
    rows = [line for line in match[1].splitlines() if line.startswith('| ')]
    return [[cell.strip() for cell in row.strip('| ').split(' | ')] for row in rows[1:] if not row.startswith('|--')]


def documented(node: str, titles: Iterable[str]) -> dict[str, str]:
    """Return name and type, the first two cells, of every row of some of a node's tables."""
    return {row[0].strip('`'): row[1].strip('`') for title in titles for row in table(node, title)}


def parameter_row(parameter: NodeParameter) -> str:
    """Return the row that documents a parameter."""
    default = list(parameter.default) if isinstance(parameter.default, tuple) else parameter.default
    shown = str(default).lower() if isinstance(default, bool) else f"'{default}'" if default == '' else str(default)
    limits = ''
    if parameter.choices:
        limits = ', '.join(parameter.choices)
    elif parameter.minimum is not None and parameter.maximum is not None:
        limits = f'{parameter.minimum:g} to {parameter.maximum:g} {parameter.unit}'.strip()
    return f'| `{parameter.name}` | `{shown}` | {limits} | {parameter.description} |'
