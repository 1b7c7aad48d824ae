# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Safetensors files are read as the library reads them, and every malformation is refused with one error class."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from safetensors.numpy import load, save

from current_driver.errors import SurfaceError
from surface_classifier.model.tensor_file import MAX_HEADER_BYTES, read_tensors

# A busy machine is no failure.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
NAMES = st.text(st.characters(exclude_categories=('Cs', 'Cc')), max_size=12).filter(lambda name: name != '__metadata__')
ARRAYS = st.sampled_from(['<f4', '<f8', '<i4', '<i8', '?']).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
)
FILES = st.dictionaries(NAMES, ARRAYS, max_size=5)


def tensor_file(header: dict[str, Any] | str, data: bytes = b'', stated: int | None = None) -> bytes:
    text = (header if isinstance(header, str) else json.dumps(header)).encode()
    return (len(text) if stated is None else stated).to_bytes(8, 'little') + text + data


def entry(dtype: Any = 'F32', shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    return {'dtype': dtype, 'shape': shape, 'data_offsets': offsets}


def check_equal(found: dict[str, NDArray[Any]], expected: dict[str, NDArray[Any]]) -> None:
    assert set(found) == set(expected)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


@UNHURRIED
@given(arrays=FILES, metadata=st.none() | st.dictionaries(NAMES, NAMES, min_size=1, max_size=2))
def test_what_the_library_writes_is_read_equal(
    arrays: dict[str, NDArray[Any]], metadata: dict[str, str] | None
) -> None:
    found = read_tensors('weights', save(arrays, metadata))
    check_equal(found, arrays)
    assert all(array.flags.owndata and array.flags.writeable for array in found.values())


def test_a_file_is_read_from_disk(tmp_path: Path) -> None:
    file = tmp_path / 'weights.safetensors'
    file.write_bytes(save({'x': np.arange(3.0)}))
    check_equal(read_tensors(file), {'x': np.arange(3.0)})
    with pytest.raises(SurfaceError, match='nowhere cannot be read'):
        read_tensors(tmp_path / 'nowhere')


@settings(UNHURRIED, max_examples=300)
@given(arrays=FILES, data=st.data())
def test_a_damaged_file_is_refused_or_read_as_the_library_reads_it(
    arrays: dict[str, NDArray[Any]], data: st.DataObject
) -> None:
    content = bytearray(save(arrays))
    position = data.draw(st.integers(0, len(content) - 1), 'position')
    kind = data.draw(st.sampled_from(['flipped', 'byte', 'cut', 'inserted']), 'kind')
    if kind == 'flipped':
        content[position] ^= 1 << data.draw(st.integers(0, 7), 'bit')
    elif kind == 'byte':
        content[position] = data.draw(st.integers(0, 255), 'byte')
    elif kind == 'cut':
        del content[position:]
    else:
        content[position:position] = data.draw(st.binary(min_size=1, max_size=9), 'bytes')
    try:
        found = read_tensors('weights', bytes(content))
    except SurfaceError as error:
        refusal = str(error)
    else:
        check_equal(found, load(bytes(content)))
        return
    assert 'weights' in refusal
    assert 'copy the model again' in refusal


@UNHURRIED
@given(content=st.binary(max_size=64))
def test_bytes_of_any_kind_are_refused(content: bytes) -> None:
    with pytest.raises(SurfaceError, match='weights'):
        read_tensors('weights', content)


HEADERS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1, 2**70)
    | st.floats()
    | st.sampled_from(['F32', 'I64', 'BOOL', 'F8', '']),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(['dtype', 'shape', 'data_offsets', 'x']), inner, max_size=3)
    ),
    max_leaves=8,
)


@UNHURRIED
@given(
    header=st.dictionaries(st.sampled_from(['a', 'b', '__metadata__']), HEADERS, min_size=1, max_size=3),
    data=st.binary(max_size=16),
)
def test_any_header_is_read_or_refused_with_one_error_class(header: dict[str, Any], data: bytes) -> None:
    try:
        read_tensors('weights', tensor_file(header, data))
    except SurfaceError:
        return


@UNHURRIED
@given(
    first=st.tuples(st.integers(0, 12), st.integers(0, 12)),
    second=st.tuples(st.integers(0, 12), st.integers(0, 12)),
    size=st.integers(0, 16),
)
def test_offsets_tile_the_data_exactly(first: tuple[int, int], second: tuple[int, int], size: int) -> None:
    header = {
        name: entry('BOOL', [max(0, stop - begin)], [begin, stop])
        for name, (begin, stop) in (('a', first), ('b', second))
    }
    spans = sorted((first, second))
    ends = [end for span in spans for end in span]
    tiles = ends == sorted(ends) and ends[0] == 0 and ends[1] == ends[2] and ends[3] == size
    content = tensor_file(header, bytes(size))
    if tiles:
        assert set(read_tensors('weights', content)) == {'a', 'b'}
    else:
        with pytest.raises(SurfaceError):
            read_tensors('weights', content)
        with pytest.raises(safetensors.SafetensorError):
            load(content)


@pytest.mark.parametrize(
    ('content', 'told'),
    [
        (b'', 'states a header of 0 bytes, but has 0 bytes'),
        (b'\xff' * 8, 'states a header of 18446744073709551615 bytes'),
        (tensor_file('{}', stated=3), 'states a header of 3 bytes'),
        (tensor_file(' ' * (MAX_HEADER_BYTES + 1)), 'states a header'),
        (tensor_file('[]'), 'does not begin with {'),
        (tensor_file('{"a": '), 'is not JSON'),
        (tensor_file('{"a": 1, "a": 2}'), 'twice'),
        (tensor_file('{"a": ' + '[' * 5000 + ']' * 5000 + '}'), 'nested deeper'),
        (tensor_file('{"a": ' + '9' * 5000 + '}'), '64 bits'),
        (tensor_file('{"a": 1}'), 'exactly dtype, shape and data_offsets'),
        (tensor_file({'a': entry() | {'more': 1}}, bytes(8)), 'exactly dtype, shape and data_offsets'),
        (tensor_file({'a': entry(dtype='BF16')}, bytes(8)), "dtype 'BF16'; supported are F32, F64, I32, I64, BOOL"),
        (tensor_file({'a': entry(dtype=['F32'])}, bytes(8)), 'supported are'),
        (tensor_file({'a': entry(shape=2)}, bytes(8)), 'shape of tensor'),
        (tensor_file({'a': entry(shape=[-2])}, bytes(8)), 'shape of tensor'),
        (tensor_file({'a': entry(shape=[2.0])}, bytes(8)), 'shape of tensor'),
        (tensor_file({'a': entry(shape=[2, True])}, bytes(8)), 'shape of tensor'),
        (tensor_file({'a': entry(shape=[2] + [1] * 32)}, bytes(8)), 'not those of an array'),
        (tensor_file({'a': entry(shape=[2**62, 2**62])}, bytes(8)), 'not those of an array'),
        (tensor_file({'a': entry('F32', [0, 2**62, 4], [0, 0])}), 'not those of an array'),
        (tensor_file({'a': entry(offsets=[0, 8, 8])}, bytes(8)), 'not those of an array'),
        (tensor_file({'a': entry(offsets=[0, 4])}, bytes(4)), 'does not fit data_offsets'),
        (tensor_file({'a': entry(offsets=[8, 0])}, bytes(8)), 'does not fit data_offsets'),
        (tensor_file({'a': entry(), 'b': entry()}, bytes(8)), 'begins at byte 0 of the data, the one before ends at 8'),
        (tensor_file({'a': entry(), 'b': entry(offsets=[12, 20])}, bytes(20)), 'begins at byte 12'),
        (tensor_file({'a': entry()}, bytes(9)), 'need 8 bytes of data, it has 9'),
        (tensor_file({'a': entry()}, bytes(7)), 'need 8 bytes of data, it has 7'),
        (tensor_file({'a': entry('BOOL', [2], [0, 2])}, b'\x01\x02'), 'other bytes than 0 and 1'),
    ],
)
def test_each_malformation_is_named(content: bytes, told: str) -> None:
    with pytest.raises(SurfaceError) as refusal:
        read_tensors('models/floors/weights.safetensors', content)
    assert 'models/floors/weights.safetensors' in str(refusal.value)
    assert told in str(refusal.value)
