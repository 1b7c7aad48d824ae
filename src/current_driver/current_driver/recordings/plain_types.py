# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Message types by NumPy and the standard library alone, for a robot without the rosbags package.

`PlainStore` does for the few types that are published and recorded here what a typestore of rosbags does for all: CDR
bytes, definition text and RIHS01 hash, each equal to those of rosbags, which a test compares.

References:
    OMG, DDS-XTypes 1.3, section 7.4.3 (XCDR1); ROS REP 2016 (RIHS01).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import struct
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

# The definitions of Jazzy that the types of surface_msgs and the imported IMUs are made of, without comments.
STOCK_DEFINITIONS = {
    'builtin_interfaces/msg/Time': 'int32 sec\nuint32 nanosec\n',
    'std_msgs/msg/Header': 'builtin_interfaces/Time stamp\nstring frame_id\n',
    'geometry_msgs/msg/Vector3': 'float64 x\nfloat64 y\nfloat64 z\n',
    'geometry_msgs/msg/Quaternion': 'float64 x 0\nfloat64 y 0\nfloat64 z 0\nfloat64 w 1\n',
    'sensor_msgs/msg/Imu': (
        'std_msgs/Header header\n'
        'geometry_msgs/Quaternion orientation\n'
        'float64[9] orientation_covariance\n'
        'geometry_msgs/Vector3 angular_velocity\n'
        'float64[9] angular_velocity_covariance\n'
        'geometry_msgs/Vector3 linear_acceleration\n'
        'float64[9] linear_acceleration_covariance\n'
    ),
}

# Basic type: format of struct, and type id of RIHS01 (type_description_interfaces/FieldType).
_BASIC = {
    'int8': ('b', 2),
    'uint8': ('B', 3),
    'int16': ('h', 4),
    'uint16': ('H', 5),
    'int32': ('i', 6),
    'uint32': ('I', 7),
    'int64': ('q', 8),
    'uint64': ('Q', 9),
    'float32': ('f', 10),
    'float64': ('d', 11),
    'bool': ('?', 15),
    'byte': ('B', 16),
}
_STRING_ID = 17
_ARRAY_ID, _SEQUENCE_ID = 48, 144  # added to the type id of the elements
_FIELD = re.compile(r'^\s*(?P<type>[\w/]+)(?P<array>\[\d*\])?\s+(?P<name>\w+)\s*(?P<rest>[^#\n]*)')
_SEPARATOR = '=' * 80
_ENCAPSULATION = b'\x00\x01\x00\x00'  # plain CDR, little endian


class Field(NamedTuple):
    """A field: its basic type, `string` or full type name; `length` of an array, 0: any, None: a single value."""

    name: str
    kind: str
    length: int | None


class PlainType(NamedTuple):
    """A message type: lines of its constants as rosbags writes them, and its fields."""

    constants: tuple[str, ...]
    fields: tuple[Field, ...]


class PlainStore:
    """Types by their definitions, with the methods of a rosbags typestore that this project calls.

    Args:
        definitions: Text of each message by full type name; together they hold every type that they name.
    """

    def __init__(self, definitions: Mapping[str, str]) -> None:
        """Parse the definitions and make a dataclass for each."""
        self.fielddefs = {msgtype: _parse(msgtype, text) for msgtype, text in definitions.items()}
        self.types: dict[str, type[Any]] = {
            msgtype: dataclasses.make_dataclass(
                msgtype.replace('/', '__'),
                [(field.name, Any) for field in found.fields],
                namespace={'__msgtype__': msgtype},
            )
            for msgtype, found in self.fielddefs.items()
        }

    def serialize_cdr(self, message: Any, msgtype: str, *, little_endian: bool = True) -> bytes:
        """Return a message as CDR bytes, encapsulation header included.

        Args:
            message: A message of this store.
            msgtype: Its full type name.
            little_endian: Must be true; no other order is written here.
        """
        if not little_endian:
            raise ValueError('messages are written in little endian')
        body = bytearray()
        self._write(body, message, msgtype)
        return _ENCAPSULATION + bytes(body)

    def deserialize_cdr(self, cdr: bytes | memoryview, msgtype: str) -> Any:
        """Return the message that CDR bytes hold.

        Args:
            cdr: The bytes, encapsulation header included.
            msgtype: Full type name.

        Raises:
            ValueError: They are not a message of that type in little endian.
        """
        data = bytes(cdr)
        if data[:2] != _ENCAPSULATION[:2]:
            raise ValueError(f'the bytes of a {msgtype} do not begin with the header of plain little-endian CDR')
        try:
            return self._read(_Cursor(data[len(_ENCAPSULATION) :]), msgtype)
        except (struct.error, UnicodeDecodeError) as error:
            raise ValueError(f'the bytes are no {msgtype}: {error}') from error

    def generate_msgdef(self, msgtype: str, *, ros_version: int = 2) -> tuple[str, str]:
        """Return the definition with its dependencies, as rosbag2 stores it, and no MD5.

        Args:
            msgtype: Full type name.
            ros_version: Must be 2.
        """
        if ros_version != 2:
            raise ValueError(f'ros_version {ros_version}: only ROS 2 is known')
        blocks: list[str] = []
        seen: list[str] = []
        self._define(msgtype, seen, blocks)
        first, *others = blocks
        parts = [f'{_SEPARATOR}\nMSG: {name}\n{text}' for name, text in zip(seen[1:], others, strict=True)]
        return ''.join([first, *parts]), ''

    def hash_rihs01(self, msgtype: str) -> str:
        """Return the RIHS01 hash of a type."""
        described: dict[str, Any] = {}
        self._describe(msgtype, described)
        others = [described[name] for name in sorted(described) if name != msgtype]
        text = json.dumps({'type_description': described[msgtype], 'referenced_type_descriptions': others})
        return f'RIHS01_{hashlib.sha256(text.encode()).hexdigest()}'

    def _describe(self, msgtype: str, described: dict[str, Any]) -> None:
        if msgtype in described:
            return
        fields: list[dict[str, Any]] = []
        described[msgtype] = {'type_name': msgtype, 'fields': fields}
        for field in self.fielddefs[msgtype].fields:
            nested = field.kind if field.kind in self.fielddefs else ''
            if nested:
                self._describe(nested, described)
            type_id = 1 if nested else _STRING_ID if field.kind == 'string' else _BASIC[field.kind][1]
            added = 0 if field.length is None else _ARRAY_ID if field.length else _SEQUENCE_ID
            described_type = {
                'type_id': type_id + added,
                'capacity': field.length or 0,
                'string_capacity': 0,
                'nested_type_name': nested,
            }
            fields.append({'name': field.name, 'type': described_type})

    def _define(self, msgtype: str, seen: list[str], blocks: list[str]) -> None:
        found = self.fielddefs[msgtype]
        lines = [*found.constants]
        for field in found.fields:
            array = '' if field.length is None else f'[{field.length or ""}]'
            lines.append(f'{field.kind.replace("/msg/", "/")}{array} {field.name}')
        seen.append(msgtype.replace('/msg/', '/'))
        blocks.append('\n'.join(lines) + '\n')
        for field in found.fields:
            if field.kind in self.fielddefs and field.kind.replace('/msg/', '/') not in seen:
                self._define(field.kind, seen, blocks)

    def _write(self, body: bytearray, message: Any, msgtype: str) -> None:
        for field in self.fielddefs[msgtype].fields:
            value = getattr(message, field.name)
            if field.length is None:
                self._write_value(body, value, field.kind)
                continue
            if field.length == 0:
                _pack(body, 'I', len(value))
            elif len(value) != field.length:
                raise ValueError(f'{msgtype}: {field.name} has {len(value)} values; {field.length} are needed')
            if field.kind in _BASIC:
                array = np.ascontiguousarray(value, dtype=_dtype(field.kind))
                if array.size:
                    _align(body, array.itemsize)
                    body += array.tobytes()
            else:
                for item in value:
                    self._write_value(body, item, field.kind)

    def _write_value(self, body: bytearray, value: Any, kind: str) -> None:
        if kind == 'string':
            text = value.encode() + b'\0'
            _pack(body, 'I', len(text))
            body += text
        elif kind in _BASIC:
            _pack(body, _BASIC[kind][0], value)
        else:
            self._write(body, value, kind)

    def _read(self, cursor: _Cursor, msgtype: str) -> Any:
        values: dict[str, Any] = {}
        for field in self.fielddefs[msgtype].fields:
            if field.length is None:
                values[field.name] = self._read_value(cursor, field.kind)
                continue
            count = field.length or int(cursor.unpack('I'))
            if field.kind in _BASIC:
                values[field.name] = cursor.array(_dtype(field.kind), count)
            else:
                values[field.name] = [self._read_value(cursor, field.kind) for _ in range(count)]
        return self.types[msgtype](**values)

    def _read_value(self, cursor: _Cursor, kind: str) -> Any:
        if kind == 'string':
            return cursor.take(int(cursor.unpack('I')))[:-1].decode()
        if kind in _BASIC:
            return cursor.unpack(_BASIC[kind][0])
        return self._read(cursor, kind)


class _Cursor:
    """A position in the body of a CDR message; each value is aligned to its size."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        if self._at + size > len(self._data):
            raise struct.error(f'{size} bytes at {self._at} of {len(self._data)}')
        self._at += size
        return self._data[self._at - size : self._at]

    def align(self, size: int) -> None:
        self._at += -self._at % size

    def unpack(self, code: str) -> Any:
        size = struct.calcsize(code)
        self.align(size)
        return struct.unpack(f'<{code}', self.take(size))[0]

    def array(self, dtype: np.dtype[Any], count: int) -> Any:
        if not count:
            return np.empty(0, dtype=dtype)
        self.align(dtype.itemsize)
        return np.frombuffer(self.take(count * dtype.itemsize), dtype=dtype).astype(dtype.newbyteorder('='))


def _dtype(kind: str) -> np.dtype[Any]:
    return np.dtype(f'<{_BASIC[kind][0]}')


def _align(body: bytearray, size: int) -> None:
    body.extend(bytes(-len(body) % size))


def _pack(body: bytearray, code: str, value: Any) -> None:
    _align(body, struct.calcsize(code))
    body += struct.pack(f'<{code}', value)


def _parse(msgtype: str, text: str) -> PlainType:
    """Parse the definition of one message; of defaults and comments nothing is kept.

    Raises:
        ValueError: A field has a type that is not known here, such as a bounded sequence.
    """
    package = msgtype.partition('/')[0]
    constants, fields = [], []
    for line in text.splitlines():
        if not line.partition('#')[0].strip():
            continue
        match = _FIELD.match(line)
        if match is None:
            raise ValueError(f'{msgtype}: the line {line!r} is not known here')
        rest = match['rest'].strip()
        if rest.startswith('='):
            constants.append(f'{match["type"]} {match["name"]}={rest[1:].strip()}')
            continue
        length = None if match['array'] is None else int(match['array'][1:-1] or 0)
        fields.append(Field(match['name'], _full_name(match['type'], package), length))
    return PlainType(tuple(constants), tuple(fields))


def _full_name(kind: str, package: str) -> str:
    if kind in _BASIC or kind == 'string':
        return kind
    words = kind.split('/')
    return f'{words[0] if len(words) > 1 else package}/msg/{words[-1]}'
