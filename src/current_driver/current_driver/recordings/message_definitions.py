# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Definition text of any installed message type, as a bag stores it beside the messages."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from current_driver import messages
from current_driver.errors import SurfaceError

_SEPARATOR = '=' * 80
_FIELD_TYPE = re.compile(r'^\s*(?P<type>[a-zA-Z][\w/]*)(?:<=\d+)?(?:\[[^\]]*\])?\s+\w+', re.MULTILINE)
_BASIC_TYPES = {'bool', 'byte', 'char', 'float32', 'float64', 'string', 'wstring'} | {
    f'{sign}int{bits}' for sign in ('', 'u') for bits in (8, 16, 32, 64)
}


def message_definition(msgtype: str) -> str | None:
    """Return a type's definition with those of the types it is made of; None for types that every recording knows.

    Args:
        msgtype: Full type name.

    Raises:
        SurfaceError: The definition is not installed.
    """
    try:
        messages.definition(msgtype)
    except KeyError:
        pass
    else:
        return None
    texts: dict[str, str] = {}
    waiting = [_full_name(msgtype, '')]
    while waiting:
        name = waiting.pop(0)
        if name in texts:
            continue
        texts[name] = _read(name)
        package = name.split('/', maxsplit=1)[0]
        types = {match['type'] for match in _FIELD_TYPE.finditer(texts[name])} - _BASIC_TYPES
        waiting.extend(_full_name(name, package) for name in sorted(types))
    first, *others = texts
    blocks = [texts[first], *(f'{_SEPARATOR}\nMSG: {_short_name(name)}\n{texts[name]}' for name in others)]
    return '\n'.join(blocks)


def installed_type_hash(msgtype: str) -> str:
    """Return a type's RIHS01 hash, as rosidl installs it beside the definition; empty where it is not installed.

    Args:
        msgtype: Full type name.
    """
    for prefix in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep):
        file = Path(prefix) / 'share' / f'{msgtype}.json'
        if prefix and file.is_file():
            hashes = json.loads(file.read_text(encoding='utf-8'))['type_hashes']
            return next((str(entry['hash_string']) for entry in hashes if entry['type_name'] == msgtype), '')
    return ''


def _full_name(msgtype: str, package: str) -> str:
    """Return `package/msg/Name` for any of the ways to write a type inside a definition."""
    words = msgtype.split('/')
    if len(words) == 1:
        # The one name that ROS resolves without its package.
        return 'std_msgs/msg/Header' if msgtype == 'Header' else f'{package}/msg/{msgtype}'
    return f'{words[0]}/msg/{words[-1]}'


def _short_name(name: str) -> str:
    return name.replace('/msg/', '/')


def _read(name: str) -> str:
    for prefix in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep):
        file = Path(prefix) / 'share' / f'{name}.msg'
        if prefix and file.is_file():
            return file.read_text(encoding='utf-8')
    package = name.split('/', maxsplit=1)[0]
    raise SurfaceError(
        f'the definition share/{name}.msg is not on AMENT_PREFIX_PATH, so the type cannot be recorded; '
        f'install the package {package} and source its workspace'
    )
