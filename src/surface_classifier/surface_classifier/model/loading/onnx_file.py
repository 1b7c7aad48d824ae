# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of an ONNX file before ONNX Runtime opens it: no other files, no loops, finite weights, no huge constants.

ONNX Runtime reads tensors from other files where the model says so, past every digest. The file is protocol buffers;
a reader of the fields that matter needs no package.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from current_driver.errors import SurfaceError
from surface_classifier.model.contract import ModelContract

# Field numbers of onnx.proto.
_MODEL_GRAPH, _MODEL_TRAINING, _MODEL_FUNCTIONS = 7, 20, 25
_GRAPH_NODES, _GRAPH_TENSORS, _GRAPH_SPARSE = 1, 5, 15
_NODE_INPUTS, _NODE_OPERATOR, _NODE_ATTRIBUTES, _NODE_DOMAIN = 1, 4, 5, 7
_ATTRIBUTE_TENSOR, _ATTRIBUTE_GRAPH, _ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS = 5, 6, 10, 11
_ATTRIBUTE_SPARSE = (22, 23)
_TENSOR_DIMENSIONS, _TENSOR_TYPE, _TENSOR_NAME, _TENSOR_RAW, _TENSOR_EXTERNAL, _TENSOR_PLACE = 1, 2, 8, 9, 13, 14
_TENSOR_FLOATS, _TENSOR_INT64S, _TENSOR_DOUBLES = 4, 7, 10
_TYPES = {1: '<f4', 6: '<i4', 7: '<i8', 9: '|b1', 11: '<f8'}
_DOMAINS = (b'', b'ai.onnx')
# Operators that make arrays of a size that a constant states.
_GROWING = {b'ConstantOfShape', b'Expand', b'OneHot', b'Pad', b'Range', b'Resize', b'Tile', b'Upsample'}
_MOST_VALUES = 1 << 26
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

Fields = dict[int, list[Any]]


def check_onnx(content: bytes, file: Path) -> None:
    """Refuse an ONNX file that reads other files, may run without end, or holds weights that are no numbers.

    Args:
        content: The file's bytes.
        file: The file, named in errors.

    Raises:
        SurfaceError: It is no ONNX file, or one that no training of this package writes.
    """
    try:
        model = _fields(memoryview(content))
        if model[_MODEL_TRAINING] or model[_MODEL_FUNCTIONS] or not model[_MODEL_GRAPH]:
            raise ValueError('it has no graph, or functions beside it')
        for graph in model[_MODEL_GRAPH]:
            _check_graph(_fields(graph))
    except (ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
        raise SurfaceError(f'{file} cannot be used: {error}; copy the model again or train it again') from error


def check_session(inputs: list[Any], outputs: list[Any], contract: ModelContract, file: Path) -> None:
    """Compare inputs and outputs, as ONNX Runtime gives them, with the contract.

    Raises:
        SurfaceError: Their number, types or shapes differ.
    """
    config = contract.config
    expected = [
        ('tensor(float)', [config.samples_of_part(index), len(part.channels)])
        for index, part in enumerate(config.input_parts)
    ]
    found = [(item.type, list(item.shape[1:])) for item in inputs]
    if found != expected or [(item.type, list(item.shape[1:])) for item in outputs] != [
        ('tensor(float)', [len(contract.classes)])
    ]:
        raise SurfaceError(
            f'{file} takes {found} and its contract states {expected}, or it does not give {len(contract.classes)} '
            'classes; copy the model again or train it again'
        )


def _check_graph(graph: Fields) -> None:
    if graph[_GRAPH_SPARSE]:
        raise ValueError('it has sparse tensors')
    sizes: dict[bytes, int] = {}
    for tensor in graph[_GRAPH_TENSORS]:
        name, size = _check_tensor(tensor)
        sizes[name] = size
    for content in graph[_GRAPH_NODES]:
        node = _fields(content)
        operator = b''.join(bytes(text) for text in node[_NODE_OPERATOR][-1:])
        if any(bytes(domain) not in _DOMAINS for domain in node[_NODE_DOMAIN]):
            raise ValueError('it has operators that are not those of ONNX')
        if operator in _GROWING and any(sizes.get(bytes(name), 0) > _MOST_VALUES for name in node[_NODE_INPUTS]):
            raise ValueError(f'{operator.decode()} makes an array of more than {_MOST_VALUES} values')
        for attribute in map(_fields, node[_NODE_ATTRIBUTES]):
            if attribute[_ATTRIBUTE_GRAPH] or attribute[_ATTRIBUTE_GRAPHS]:
                raise ValueError('it has loops or branches')
            if any(attribute[number] for number in _ATTRIBUTE_SPARSE):
                raise ValueError('it has sparse tensors')
            for tensor in (*attribute[_ATTRIBUTE_TENSOR], *attribute[_ATTRIBUTE_TENSORS]):
                _check_tensor(tensor)


def _check_tensor(content: memoryview) -> tuple[bytes, int]:
    """Check one tensor; return its name, and the product of its values where they are whole numbers, else 0."""
    tensor = _fields(content)
    name = bytes(tensor[_TENSOR_NAME][-1]) if tensor[_TENSOR_NAME] else b''
    if tensor[_TENSOR_EXTERNAL] or any(tensor[_TENSOR_PLACE]):
        raise ValueError(f'tensor {name.decode(errors="replace")} is kept in another file')
    numbers = [number for packed in tensor[_TENSOR_DIMENSIONS] for number in _varints(packed)]
    kind = tensor[_TENSOR_TYPE][-1] if tensor[_TENSOR_TYPE] else 0
    if kind not in _TYPES:
        raise ValueError(f'tensor {name.decode(errors="replace")} is of type {kind}, not of {sorted(_TYPES)}')
    dtype = np.dtype(_TYPES[kind])
    raw = tensor[_TENSOR_RAW]
    if raw and len(raw[-1]) != math.prod(numbers) * dtype.itemsize:
        raise ValueError(f'tensor {name.decode(errors="replace")} has {len(raw[-1])} bytes for the shape {numbers}')
    values: list[Any] = [np.frombuffer(part, dtype) for part in raw]
    if kind == 1:
        values += [np.frombuffer(part, '<f4') for part in tensor[_TENSOR_FLOATS]]
    elif kind == 11:
        values += [np.frombuffer(part, '<f8') for part in tensor[_TENSOR_DOUBLES]]
    elif kind == 7:
        values += [np.array(_varints(part), np.uint64).astype(np.int64) for part in tensor[_TENSOR_INT64S]]
    if dtype.kind == 'f':
        # One NaN is a legal constant: what stands where nothing was measured.
        if any(part.size > 1 and not np.isfinite(part).all() for part in values):
            raise ValueError(f'tensor {name.decode(errors="replace")} holds NaN or infinite values')
        return name, 0
    return name, math.prod(max(1, abs(int(number))) for part in values if part.size <= 8 for number in part)


def _fields(content: memoryview) -> Fields:
    """Return the fields of a message: whole numbers, or the bytes of texts, messages and packed numbers."""
    found: Fields = defaultdict(list)
    for number, value in _walk(memoryview(content)):
        found[number].append(value)
    return found


def _walk(content: memoryview) -> Iterator[tuple[int, Any]]:
    place = 0
    while place < len(content):
        key, place = _varint(content, place)
        kind = key & 7
        value: Any
        if kind == _VARINT:
            value, place = _varint(content, place)
        else:
            if kind == _BYTES:
                size, place = _varint(content, place)
            elif kind in (_FIXED32, _FIXED64):
                size = 4 if kind == _FIXED32 else 8
            else:
                raise ValueError('it is not an ONNX file')
            value = content[place : place + size]
            if len(value) != size:
                raise ValueError('it is not an ONNX file, or is cut short')
            place += size
        yield key >> 3, value


def _varint(content: memoryview, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(content):
            break
        byte = content[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (2**64 - 1), place
    raise ValueError('it is not an ONNX file, or is cut short')


def _varints(packed: Any) -> list[int]:
    """Return repeated whole numbers, packed into bytes or single."""
    if isinstance(packed, int):
        return [packed]
    values, place = [], 0
    while place < len(packed):
        value, place = _varint(packed, place)
        values.append(value)
    return values
