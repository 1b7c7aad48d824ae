# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Messages without rosbags are, to the last byte, those of rosbags."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rosbags.typesys.store import Typestore

from current_driver import messages
from current_driver.recordings.plain_types import _BASIC, STOCK_DEFINITIONS, PlainStore

DEFINITIONS = {**STOCK_DEFINITIONS, **messages.surface_msgs_definitions()}
PLAIN = PlainStore(DEFINITIONS)


def values(kind: str) -> st.SearchStrategy[Any]:
    """Draw values of a basic type."""
    if kind == 'string':
        return st.text(st.characters(codec='utf-8', exclude_characters='\0'), max_size=8)
    if kind == 'bool':
        return st.booleans()
    code = _BASIC[kind][0]
    if code in 'fd':
        return st.floats(width=32 if code == 'f' else 64)
    bounds = np.iinfo(np.dtype(code))
    return st.integers(int(bounds.min), int(bounds.max))


def build(draw: st.DrawFn, msgtype: str, store: Typestore) -> tuple[Any, Any]:
    """Draw a message as one of rosbags and as one of the plain store."""
    theirs: dict[str, Any] = {}
    ours: dict[str, Any] = {}
    for name, kind, length in PLAIN.fielddefs[msgtype].fields:
        nested = kind in PLAIN.fielddefs
        count = 1 if length is None else length or draw(st.integers(0, 3))
        if nested:
            pairs = [build(draw, kind, store) for _ in range(count)]
            drawn: list[Any] = [pair[0] for pair in pairs]
            own: list[Any] = [pair[1] for pair in pairs]
        else:
            drawn = own = [draw(values(kind)) for _ in range(count)]
        if length is None:
            theirs[name], ours[name] = drawn[0], own[0]
        elif nested or kind == 'string':
            theirs[name], ours[name] = drawn, own
        else:
            theirs[name] = ours[name] = np.array(drawn, dtype=_BASIC[kind][0])
    return store.types[msgtype](**theirs), PLAIN.types[msgtype](**ours)


@pytest.mark.parametrize('msgtype', sorted(DEFINITIONS))
def test_definition_and_hash_are_those_of_rosbags(msgtype: str) -> None:
    store = messages.typestore()
    assert PLAIN.generate_msgdef(msgtype)[0] == store.generate_msgdef(msgtype, ros_version=2)[0]
    assert PLAIN.hash_rihs01(msgtype) == store.hash_rihs01(msgtype)


@pytest.mark.parametrize('msgtype', sorted(DEFINITIONS))
def test_bytes_are_those_of_rosbags(msgtype: str) -> None:
    store = messages.typestore()

    @settings(max_examples=25, deadline=None)
    @given(data=st.data())
    def compare(data: st.DataObject) -> None:
        theirs, ours = data.draw(st.composite(lambda draw: build(draw, msgtype, store))())
        expected = bytes(store.serialize_cdr(theirs, msgtype, little_endian=True))
        assert PLAIN.serialize_cdr(ours, msgtype) == expected
        assert PLAIN.serialize_cdr(PLAIN.deserialize_cdr(expected, msgtype), msgtype) == expected

    compare()


@given(cut=st.integers(0, 60), flipped=st.integers(0, 59))
def test_damaged_bytes_raise_a_value_error_or_give_a_message(cut: int, flipped: int) -> None:
    message = PLAIN.types[messages.SURFACE_TRUTH](
        header=PLAIN.types['std_msgs/msg/Header'](PLAIN.types['builtin_interfaces/msg/Time'](1, 2), 'base_link'),
        surface='gravel',
        origin='operator',
    )
    cdr = bytearray(PLAIN.serialize_cdr(message, messages.SURFACE_TRUTH))
    if flipped < len(cdr):
        cdr[flipped] ^= 0xFF
    try:
        found = PLAIN.deserialize_cdr(bytes(cdr[:cut]), messages.SURFACE_TRUTH)
    except ValueError:
        return
    assert isinstance(found.surface, str)


def test_a_definition_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match=r'odd/msg/Odd.*bounded'):
        PlainStore({'odd/msg/Odd': 'uint8[<=4] bounded\n'})
