# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Samples as framed binary data with a checksum: fewer bytes than a CSV line, and no damaged sample passes.

A frame, little endian:

    offset  bytes  content
    0       2      A5 5A: a frame begins
    2       1      1: this layout
    3       1      M: number of motors, 1 to 16
    4       2      number of the sample, up by one each time, starts over after 65535
    6       4      time of the device's clock when it was measured, starts over after 2^32 - 1 [us]
    10      4 M    current of each motor, IEEE 754 single precision, NaN: not measured [A]
    10+4M   2      CRC over bytes 2 to 9+4M: CRC-16/IBM-3740 (polynomial 0x1021, initial value 0xFFFF, not reflected)
"""

from __future__ import annotations

import binascii
import struct
from collections import Counter
from collections.abc import Sequence

from current_driver.devices.readings import BY_SEQUENCE, DEVICE_CLOCK, LinkTiming, Reading

SYNC = b'\xa5\x5a'
LAYOUT = 1
MAX_MOTORS = 16
CRC_ERRORS = 'CRC errors'
SKIPPED_BYTES = 'bytes that belong to no frame'
_HEADER = struct.Struct('<BBHI')
_HEADER_END = len(SYNC) + _HEADER.size
_CRC = struct.Struct('<H')

FRAME_TIMING = LinkTiming(
    stamps=DEVICE_CLOCK, loss=BY_SEQUENCE, sequence_modulus=2**16, device_modulus_ns=2**32 * 1_000
)


def crc16(data: bytes) -> int:
    """Return the checksum of a frame: CRC-16/IBM-3740, also known as CCITT-FALSE."""
    return binascii.crc_hqx(data, 0xFFFF)


def encode_frame(sequence: int, time_us: int, current_a: Sequence[float]) -> bytes:
    """Return a sample as a frame.

    Args:
        sequence: Number of the sample; its lower 16 bits are sent.
        time_us: Time of the device's clock; its lower 32 bits are sent [us].
        current_a: Current of each motor [A].
    """
    head = _HEADER.pack(LAYOUT, len(current_a), sequence % 2**16, time_us % 2**32)
    body = head + struct.pack(f'<{len(current_a)}f', *current_a)
    return SYNC + body + _CRC.pack(crc16(body))


class FrameParser:
    """Turns bytes into samples, and finds the next frame after damaged bytes.

    Attributes:
        motors: Number of motors, None before the first frame.
        changed: The device has sent frames of another number of motors since.
    """

    def __init__(self, counters: Counter[str]) -> None:
        """Start at an unknown place in the stream of bytes.

        Args:
            counters: Where damaged frames and skipped bytes are counted.
        """
        self.motors: int | None = None
        self.changed = False
        self._counters = counters
        self._buffer = b''
        self._begun = False

    def feed(self, data: bytes, receive_ns: int) -> list[Reading]:
        """Take in bytes; return the samples of the frames they complete.

        Args:
            data: The bytes.
            receive_ns: When they were received [ns].
        """
        buffer = self._buffer + data
        at = 0
        readings = []
        while True:
            found = buffer.find(SYNC, at)
            if found < 0:
                # The last byte may be the first half of the mark.
                found = len(buffer) - buffer.endswith(SYNC[:1])
            self._skip(found - at)
            at = found
            if len(buffer) - at < _HEADER_END:
                break
            layout, motors, sequence, time_us = _HEADER.unpack_from(buffer, at + len(SYNC))
            if layout != LAYOUT or not 1 <= motors <= MAX_MOTORS:
                self._skip(1)
                at += 1
                continue
            end = at + _HEADER_END + 4 * motors
            if len(buffer) < end + _CRC.size:
                break
            if crc16(buffer[at + len(SYNC) : end]) != _CRC.unpack_from(buffer, end)[0]:
                if self._begun:
                    self._counters[CRC_ERRORS] += 1
                self._skip(1)
                at += 1
                continue
            current_a = struct.unpack_from(f'<{motors}f', buffer, at + _HEADER_END)
            at = end + _CRC.size
            self._begun = True
            if self.motors is None:
                self.motors = motors
            if motors != self.motors:
                self.changed = True
                continue
            readings.append(Reading(current_a, receive_ns, sequence, time_us * 1_000))
        self._buffer = buffer[at:]
        return readings

    def _skip(self, count: int) -> None:
        if self._begun:  # the first frame is cut where the port was opened
            self._counters[SKIPPED_BYTES] += count
