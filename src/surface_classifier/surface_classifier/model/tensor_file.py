# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of safetensors files: named arrays behind a JSON header, read without the safetensors library."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from current_driver.errors import SurfaceError
from current_driver.files.documents import parse_json

MAX_HEADER_BYTES = 1 << 20
DTYPES = {'F32': '<f4', 'F64': '<f8', 'I32': '<i4', 'I64': '<i8', 'BOOL': '|b1'}
_MAX_DIMENSIONS, _MAX_VALUES = 32, 1 << 40  # what every version of numpy has
_REMEDY = 'copy the model again or train it again'


def read_tensors(path: Path | str, content: bytes | None = None) -> dict[str, NDArray[Any]]:
    """Return the arrays of a safetensors file by name; each owns its memory.

    Args:
        path: The file, named in errors.
        content: Its bytes, where they have been read already; None: the file is read.

    Raises:
        SurfaceError: The file cannot be read, or is not a safetensors file of the types in `DTYPES`.
    """
    try:
        data = Path(path).read_bytes() if content is None else content
        header_bytes = int.from_bytes(data[:8], 'little')
        if len(data) < 8 or header_bytes > min(len(data) - 8, MAX_HEADER_BYTES):
            raise ValueError(f'it states a header of {header_bytes} bytes, but has {len(data)} bytes')
        if data[8:9] != b'{':
            raise ValueError('its header does not begin with {')
        header = parse_json(data[8 : 8 + header_bytes].decode('utf-8'), f'{path}: header', _REMEDY)
        values = memoryview(data)[8 + header_bytes :]
        header.pop('__metadata__', None)
        spans = {name: _span(name, entry) for name, entry in header.items()}
        end = 0
        for name, (begin, stop) in sorted(spans.items(), key=lambda item: item[1]):
            if begin != end:
                raise ValueError(f'tensor {name!r} begins at byte {begin} of the data, the one before ends at {end}')
            end = stop
        if end != len(values):
            raise ValueError(f'its tensors need {end} bytes of data, it has {len(values)}')
        return {name: _array(name, entry, values[slice(*spans[name])]) for name, entry in header.items()}
    except OSError as error:
        raise SurfaceError(f'{path} cannot be read ({error.strerror}); copy the whole model folder again') from error
    except ValueError as error:
        raise SurfaceError(f'{path} is not a safetensors file: {error}; {_REMEDY}') from error


def _span(name: str, entry: Any) -> tuple[int, int]:
    """Return where the bytes of a tensor begin and end, after a comparison with its type and shape."""
    if not isinstance(entry, dict) or set(entry) != {'dtype', 'shape', 'data_offsets'}:
        raise ValueError(f'tensor {name!r} does not have exactly dtype, shape and data_offsets')
    dtype, shape, offsets = entry['dtype'], entry['shape'], entry['data_offsets']
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise ValueError(f'tensor {name!r} has dtype {dtype!r}; supported are {", ".join(DTYPES)}')
    for key, sizes in (('shape', shape), ('data_offsets', offsets)):
        if not isinstance(sizes, list) or not all(type(size) is int and size >= 0 for size in sizes):
            raise ValueError(f'{key} of tensor {name!r} is not a list of whole numbers')
    if len(shape) > _MAX_DIMENSIONS or math.prod(size or 1 for size in shape) > _MAX_VALUES or len(offsets) != 2:
        raise ValueError(f'shape or data_offsets of tensor {name!r} are not those of an array')
    if offsets[1] - offsets[0] != math.prod(shape) * np.dtype(DTYPES[dtype]).itemsize:
        raise ValueError(f'tensor {name!r} of shape {shape} and dtype {dtype} does not fit data_offsets {offsets}')
    return offsets[0], offsets[1]


def _array(name: str, entry: dict[str, Any], data: memoryview) -> NDArray[Any]:
    if entry['dtype'] == 'BOOL' and (np.frombuffer(data, np.uint8) > 1).any():
        raise ValueError(f'tensor {name!r} holds other bytes than 0 and 1 as BOOL')
    values: NDArray[Any] = np.frombuffer(data, DTYPES[entry['dtype']]).reshape(entry['shape'])
    return values.astype(values.dtype.newbyteorder('='))
