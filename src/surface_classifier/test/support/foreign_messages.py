# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Messages of other packages, made from their definition texts in `test/data/msg`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.interfaces import Nodetype
from rosbags.typesys import get_types_from_msg
from rosbags.typesys.store import Typestore

from current_driver import messages

DEFINITIONS = Path(__file__).resolve().parents[1] / 'data' / 'msg'


def definition_texts() -> dict[str, str]:
    """Return the text of every definition by full type name."""
    return {
        f'{path.parent.parent.name}/msg/{path.stem}': path.read_text(encoding='utf-8')
        for path in sorted(DEFINITIONS.glob('*/msg/*.msg'))
    }


@cache
def foreign_typestore() -> Typestore:
    """Return a typestore with the stock types, ours, and those of the definition texts."""
    store = messages.new_typestore()
    types: dict[str, Any] = {}
    for msgtype, text in definition_texts().items():
        types.update(get_types_from_msg(text, msgtype))
    store.register(types)
    return store


def whole_definition(msgtype: str) -> str:
    """Return the definition of a type with its dependencies, as a bag stores it."""
    return foreign_typestore().generate_msgdef(msgtype, ros_version=2)[0]


def empty_message(msgtype: str) -> Any:
    """Return a message of a type whose numbers are 0, texts empty, sequences empty and fixed arrays filled."""
    store = foreign_typestore()
    _, fields = store.fielddefs[msgtype]
    return store.types[msgtype](**{name: _empty_value(kind) for name, kind in fields})


def filled_message(msgtype: str, **values: Any) -> Any:
    """Return an empty message in which some fields are set; lists of numbers become arrays of the field's type."""
    message = empty_message(msgtype)
    _, fields = foreign_typestore().fielddefs[msgtype]
    kinds = dict(fields)
    for name, value in values.items():
        kind, detail = kinds[name]
        is_numbers = kind in (Nodetype.ARRAY, Nodetype.SEQUENCE) and detail[0][0] == Nodetype.BASE
        if is_numbers and detail[0][1][0] != 'string':
            value = np.array(value, dtype=_dtype(detail[0][1][0]))  # noqa: PLW2901 - the value as the field holds it
        setattr(message, name, value)
    return message


def header(stamp_ns: int) -> Any:
    """Return a header with a stamp [ns]."""
    return messages.header(stamp_ns, 'base_link')


def through_bytes(message: Any) -> Any:
    """Return a message after it was serialised and read again."""
    store = foreign_typestore()
    return store.deserialize_cdr(store.serialize_cdr(message, message.__msgtype__), message.__msgtype__)


def serialised(message: Any) -> bytes:
    """Return the CDR bytes of a message."""
    return bytes(foreign_typestore().serialize_cdr(message, message.__msgtype__))


def _dtype(base: str) -> str:
    return {'bool': 'bool', 'octet': 'uint8', 'char': 'uint8', 'byte': 'uint8'}.get(base, base)


def _empty_value(kind: Any) -> Any:
    node, detail = kind
    if node == Nodetype.BASE:
        base = detail[0]
        return '' if base == 'string' else False if base == 'bool' else 0.0 if base.startswith('float') else 0
    if node == Nodetype.NAME:
        return empty_message(detail)
    inner, count = detail
    size = count if node == Nodetype.ARRAY else 0
    if inner[0] == Nodetype.BASE and inner[1][0] != 'string':
        return np.zeros(size, dtype=_dtype(inner[1][0]))
    return [_empty_value(inner) for _ in range(size)]
