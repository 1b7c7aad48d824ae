# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What lines from a board are that no sample can be read from, and what to set so that it can."""

from __future__ import annotations

import json
import re

_NUMBER = r'[-+]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][-+]?\d+)?'
_NUMBERS = re.compile(rf'{_NUMBER}(?:\s*[,;\t ]\s*{_NUMBER})*')
_PAIRS = re.compile(rf'\w[\w ]*\s*[:=]\s*{_NUMBER}(?:\s*[,;\t ]\s*\w[\w ]*\s*[:=]\s*{_NUMBER})*')
_NAMES = re.compile(r'[A-Za-z_]\w*(?:\s*[,;\t]\s*[A-Za-z_]\w*)+')


def line_hint(text: str) -> str:
    """Say what an unread line is, with the remedy; empty for a line without information, such as noise.

    Args:
        text: The line, without its end.
    """
    if text.startswith('{') and _is_object(text):
        return 'lines of JSON come: set serial.format to json, and name the currents current_NAME'
    if _NUMBERS.fullmatch(text):
        return (
            'lines of numbers come, but none names the columns: set serial.columns, such as [time_ms, current_left, '
            'current_right], or let the board send that line first'
        )
    if _PAIRS.fullmatch(text):
        return (
            'lines of name:value pairs come (Arduino plotter): let the board send lines of numbers under a line of '
            'names, or JSON with serial.format json'
        )
    if _NAMES.fullmatch(text):
        return (
            f'a line of names comes, {text!r}, of which none is a current: name the columns as in '
            'time_ms,current_left,current_right, or set serial.columns'
        )
    return ''


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
