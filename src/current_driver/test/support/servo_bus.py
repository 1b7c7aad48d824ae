# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Dynamixel servos for tests, at the far end of a pseudo-terminal; packets are made by the maker's SDK."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable
from typing import Any

from dynamixel_sdk import Protocol2PacketHandler
from pty_board import PtyBoard

HEADER = b'\xff\xff\xfd\x00'
SYNC_READ, STATUS = 0x82, 0x55


def packet(servo: int, instruction: int, parameters: bytes) -> bytes:
    """Return a packet of protocol 2.0, stuffed and with its checksum, both by the SDK."""
    sdk = Protocol2PacketHandler()
    length = len(parameters) + 3
    raw = [*HEADER, servo, length & 0xFF, length >> 8, instruction, *parameters, 0, 0]
    stuffed = sdk.addStuffing(raw)
    size = (stuffed[5] | stuffed[6] << 8) + 7
    crc = sdk.updateCRC(0, stuffed, size - 2)
    return bytes([*stuffed[: size - 2], crc & 0xFF, crc >> 8])


def status(servo: int, data: bytes, error: int = 0) -> bytes:
    """Return a servo's answer."""
    return packet(servo, STATUS, bytes([error]) + data)


class ServoBus:
    """Answers sync reads, on a thread of its own.

    Attributes:
        requests: Every instruction that came.
        answer: Gives the bytes that answer a request of these servos, from number of the poll, address, length and ids.
    """

    def __init__(self, board: PtyBoard, answer: Callable[[int, int, int, list[int]], bytes]) -> None:
        """Start to answer."""
        self.requests: list[bytes] = []
        self.answer = answer
        self._board = board
        self._stop, self._stopping = os.pipe()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        received = b''
        while True:
            ready, _, _ = select.select([self._board.fileno, self._stop], [], [])
            if self._stop in ready:
                return
            received += self._board.receive()
            while len(received) >= 7 and len(received) >= (end := 7 + int.from_bytes(received[5:7], 'little')):
                self._take(received[:end])
                received = received[end:]

    def _take(self, request: bytes) -> None:
        assert request[:4] == HEADER
        assert packet(request[4], request[7], request[8:-2]) == request
        if request[7] == SYNC_READ:
            address, length = int.from_bytes(request[8:10], 'little'), int.from_bytes(request[10:12], 'little')
            self.requests.append(request)
            self._board.send(self.answer(len(self.requests) - 1, address, length, list(request[12:-2])))

    def __enter__(self) -> ServoBus:
        """Return itself."""
        return self

    def __exit__(self, *_: Any) -> None:
        """Stop to answer."""
        os.write(self._stopping, b'.')
        self._thread.join()
        os.close(self._stop)
        os.close(self._stopping)
