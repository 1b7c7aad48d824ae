# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Log times of messages that are recorded as raw bytes.

A message with a header is logged at its header's stamp, a block of motor currents at its newest sample, everything else
at its receipt. So a recording made faster than real time, or on a busy machine, is laid out as the robot lived it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from current_driver.messages import MOTOR_CURRENT, header_stamp_ns
from current_driver.node.decoding import decode
from surface_classifier.nodes.conversion import to_ns


class MessageTimes(NamedTuple):
    """When what a message holds was measured: its first sample, and its newest one, which is its log time [ns]."""

    first_ns: int
    log_ns: int


TimeReader = Callable[[bytes, int], MessageTimes]


def time_reader(msgtype: str, message_class: type[Any]) -> TimeReader:
    """Return a function from a message's bytes and the time of its receipt [ns] to its times.

    Args:
        msgtype: Full type name.
        message_class: Its class.

    The function raises `DamagedMessageError` where the bytes are not such a message.
    """
    if msgtype == MOTOR_CURRENT:
        return lambda cdr, _: _block_times(cdr, message_class)
    fields = iter(message_class.get_fields_and_field_types().items())
    if next(fields, None) == ('header', 'std_msgs/Header'):
        return lambda cdr, receive_ns: _one_time(header_stamp_ns(cdr) or receive_ns)
    return lambda _, receive_ns: _one_time(receive_ns)


def _one_time(stamp_ns: int) -> MessageTimes:
    return MessageTimes(stamp_ns, stamp_ns)


def _block_times(cdr: bytes, message_class: type[Any]) -> MessageTimes:
    block = decode(cdr, message_class, 'motor_current')
    first_ns = to_ns(block.header.stamp)
    return MessageTimes(first_ns, first_ns + max(block.offsets_ns, default=0))
