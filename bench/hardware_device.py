# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The device in `hardware_sources.py`: a process that sends four motors' currents, each of which holds its number.

It prints a line with what it is reached at, sends until its standard input ends, and then writes when each sample was
measured, as an array of nanoseconds since 1970. What does not fit the line is dropped, as a board's would be. A device
has a processor of its own; so this process asks for real-time priority, which root gets.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
import tty
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path

import numpy as np

MOTORS = 4
# VESC status frames hold the current in 16 bits.
CAN_NUMBERS = 30_000
CAN_GROUP = '239.74.163.2'


class Sender(ABC):
    """Sends samples.

    Attributes:
        where: What the receiver must open.
        dropped_s: When there was no room for a sample, by the monotonic clock of this machine [s].
    """

    where = ''

    def __init__(self) -> None:
        """Begin with nothing dropped."""
        self.dropped_s: list[float] = []

    @abstractmethod
    def send(self, number: int, time_ns: int) -> None:
        """Send a sample.

        Args:
            number: Its number, which is what every motor measures.
            time_ns: When it was measured [ns].
        """

    @abstractmethod
    def close(self) -> None:
        """End."""


class SerialSender(Sender):
    """A board on a pseudo-terminal that sends binary frames."""

    def __init__(self) -> None:
        """Plug it in."""
        super().__init__()
        self._board, self._host = os.openpty()
        tty.setraw(self._host)
        os.set_blocking(self._board, False)
        self.where = os.ttyname(self._host)
        self._rest = b''

    def send(self, number: int, time_ns: int) -> None:
        """Write a frame; one that does not fit at all is dropped."""
        from current_driver.devices.serial_port.sample_frames import encode_frame

        try:
            if self._rest:
                self._rest = self._rest[os.write(self._board, self._rest) :]
            if self._rest:
                self.dropped_s.append(time.monotonic())
                return
            frame = encode_frame(number, time_ns // 1000, [float(number)] * MOTORS)
            self._rest = frame[os.write(self._board, frame) :]
        except BlockingIOError:
            self.dropped_s.append(time.monotonic())

    def close(self) -> None:
        """Pull the plug."""
        os.close(self._board)


class CanSender(Sender):
    """Four VESCs on python-can's multicast bus, of which nothing leaves this machine (hop limit 0)."""

    def __init__(self, port: int) -> None:
        """Join the bus."""
        super().__init__()
        import can

        self._can = can
        self._bus = can.Bus(interface='udp_multicast', channel=CAN_GROUP, port=port, hop_limit=0)
        self.where = str(port)

    def send(self, number: int, time_ns: int) -> None:  # noqa: ARG002 - the bus has a time of its own
        """Send a status frame of each controller."""
        tenths = number % CAN_NUMBERS
        data = (4000).to_bytes(4, 'big') + tenths.to_bytes(2, 'big') + (500).to_bytes(2, 'big')
        for node in range(1, MOTORS + 1):
            self._bus.send(self._can.Message(arbitration_id=9 << 8 | node, is_extended_id=True, data=data))

    def close(self) -> None:
        """Leave the bus."""
        self._bus.shutdown()


def main() -> int:
    """Send until standard input ends; it holds the time from which on dropped samples count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', choices=['serial', 'can'], help='what to be')
    parser.add_argument('--rate', type=float, default=1000.0, metavar='HZ', help='samples a second (%(default)s)')
    parser.add_argument('--port', type=int, default=43113, help='port of the multicast bus (%(default)s)')
    parser.add_argument('--times', type=Path, required=True, metavar='FILE', help='where to write the times (.npy)')
    args = parser.parse_args()
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    sender = SerialSender() if args.source == 'serial' else CanSender(args.port)
    ended = threading.Event()
    said: list[str] = []

    def wait_for_end() -> None:
        said.append(sys.stdin.read())
        ended.set()

    threading.Thread(target=wait_for_end, daemon=True).start()
    print(sender.where, flush=True)
    times_ns: list[int] = []
    start_s = time.monotonic()
    while not ended.is_set():
        wait_s = start_s + len(times_ns) / args.rate - time.monotonic()
        if wait_s > 0.0:
            time.sleep(wait_s)
        time_ns = time.time_ns()
        sender.send(len(times_ns), time_ns)
        times_ns.append(time_ns)
    sender.close()
    np.save(args.times, np.array(times_ns, dtype=np.int64))
    # Before the driver has opened the port, the device fills its buffer and drops what comes next.
    since_s = float(said[0] or 0.0)
    dropped = sum(moment_s >= since_s for moment_s in sender.dropped_s)
    print(dropped, int(os.sched_getscheduler(0) == os.SCHED_FIFO), flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
