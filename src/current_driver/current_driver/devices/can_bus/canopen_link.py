# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Drives of the profile CiA 402 on CANopen: the actual current, object 0x6078, from the PDO in which they send it.

Object 0x6078 is in thousandths of the rated current, object 0x6075 [mA]. Which PDO holds it, and where, is read from
each drive by SDO when the link is opened. Nothing is written to a drive: one that does not send 0x6078 must be set up
with its maker's tool, and is named.
"""

from __future__ import annotations

import queue
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from current_driver.devices.can_bus.can_decoders import MOTORS_PARAMETER
from current_driver.devices.can_bus.can_link import CanBusSettings
from current_driver.devices.can_bus.row_assembler import MISSING, RowAssembler
from current_driver.devices.device_link import ClockNs, DeviceLink, LinkLostError, load_library
from current_driver.devices.motor_entries import named_motors, whole_number
from current_driver.devices.readings import BUS_TIME, BY_TIME, LinkTiming, Reading
from current_driver.errors import SurfaceError
from current_driver.messages import NANOSECONDS

RATED_CURRENT = 0x6075
CURRENT = 0x6078
FIRST_PDO, FIRST_MAP = 0x1800, 0x1A00
PDOS = 8
SDO_TIMEOUT_S = 0.5
WAIT_S = 0.05
SHORT = 'malformed frames'
HOST_CLOCK_S = 60.0


class CanopenLink(DeviceLink):
    """Currents of CiA 402 drives.

    Attributes:
        counters: Frames that are too short, missing values.
    """

    def __init__(
        self, motors: Sequence[str], bus: CanBusSettings, clock_ns: ClockNs, rated_current_a: float = 0.0
    ) -> None:
        """Name the drives.

        Args:
            motors: Entries `NAME=NODE`, nodes from 1 to 127.
            bus: The bus.
            clock_ns: Host time [ns].
            rated_current_a: Rated current of every drive; 0: as each says [A].

        Raises:
            SurfaceError: An entry cannot be used.
        """
        bound = named_motors(motors, MOTORS_PARAMETER, 'left=5')
        self.counters = Counter({SHORT: 0, MISSING: 0})
        self._names = tuple(bound)
        self._nodes = [whole_number(text, MOTORS_PARAMETER, 127) for text in bound.values()]
        self._settings = bus
        self._clock_ns = clock_ns
        self._rated_current_a = rated_current_a
        self._network: Any = None
        self._rows = RowAssembler(len(self._names), self.counters)
        self._reports: queue.SimpleQueue[tuple[int, float, int]] = queue.SimpleQueue()

    @property
    def description(self) -> str:
        """Interface and channel."""
        return self._settings.description

    @property
    def motor_names(self) -> tuple[str, ...]:
        """Names of the motors, as configured."""
        return self._names

    @property
    def timing(self) -> LinkTiming:
        """By the time of the bus."""
        return LinkTiming(BUS_TIME, BY_TIME, watch_gaps=True)

    def load(self) -> None:
        """Import canopen and python-can."""
        load_library('can', 'python-can', 'can')
        load_library('canopen', 'canopen', 'can with protocol canopen')

    def open(self) -> None:
        """Join the bus, and ask each drive where it sends its current.

        Raises:
            SurfaceError: There is no such bus, a drive does not answer, or it does not send its current.
        """
        import canopen

        self._reports = queue.SimpleQueue()
        self._rows = RowAssembler(len(self._names), self.counters)
        self._network = canopen.Network(self._settings.open())
        try:
            self._network.connect()
            for number, (name, node_id) in enumerate(zip(self._names, self._nodes, strict=True)):
                self._follow(number, name, node_id)
        except BaseException:
            self.close()
            raise

    def _follow(self, number: int, name: str, node_id: int) -> None:
        """Find the PDO that holds a drive's current, and take it in from now on."""
        import canopen

        drive = self._network.add_node(canopen.RemoteNode(node_id, _object_dictionary()))
        drive.sdo.RESPONSE_TIMEOUT = SDO_TIMEOUT_S
        try:
            scale_a = (self._rated_current_a or drive.sdo[RATED_CURRENT].raw * 1e-3) * 1e-3
            pdo = _current_pdo(drive)
        except canopen.SdoCommunicationError as error:
            raise SurfaceError(
                f'{self.description}: the drive of motor {name}, node {node_id}, does not answer ({error}); switch it '
                f'on, or correct {MOTORS_PARAMETER} and can.bitrate'
            ) from error
        except canopen.SdoAbortedError as error:
            raise SurfaceError(
                f'{self.description}: the drive of motor {name}, node {node_id}, refuses to say its rated current, '
                f'object 0x6075 ({error}); give it as can.rated_current_a'
            ) from error
        if pdo is None:
            raise SurfaceError(
                f'{self.description}: the drive of motor {name}, node {node_id}, sends its current (object 0x6078) '
                "in no PDO; map it into an enabled transmit PDO with the maker's tool"
            )
        variable = pdo[CURRENT]
        end = (variable.offset + variable.length + 7) // 8

        def take(received: Any) -> None:
            if len(received.data) < end:
                self.counters[SHORT] += 1
                return
            now_ns = self._clock_ns()
            stamp_ns = round((received.timestamp or 0.0) * NANOSECONDS)
            on_host = abs(stamp_ns - now_ns) < HOST_CLOCK_S * NANOSECONDS
            self._reports.put((number, variable.raw * scale_a, stamp_ns if on_host else now_ns))

        pdo.add_callback(take)

    def read(self) -> list[Reading]:
        """Wait for PDOs, and return the samples that they complete.

        Raises:
            LinkLostError: The bus went down, or the adapter was unplugged.
        """
        readings: list[Reading] = []
        try:
            report = self._reports.get(timeout=WAIT_S)
        except queue.Empty:
            broken = self._network.notifier.exception
            if broken is not None:
                raise LinkLostError(f'{self.description} was lost ({broken})') from broken
            return readings
        while True:
            reading = self._rows.add(*report)
            if reading is not None:
                readings.append(reading)
            try:
                report = self._reports.get_nowait()
            except queue.Empty:
                return readings

    def close(self) -> None:
        """Leave the bus."""
        if self._network is not None:
            with suppress(Exception):  # it raises again what ended its thread, which has been reported
                self._network.disconnect()
            self._network = None


def _object_dictionary() -> Any:
    """Return the objects of a drive that are read: its currents, and how its transmit PDOs are made up."""
    from canopen import objectdictionary as od

    objects = od.ObjectDictionary()

    def variable(index: int, subindex: int, data_type: int) -> Any:
        found = od.ODVariable(f'object {index:04X}:{subindex}', index, subindex)
        found.data_type = data_type
        return found

    objects.add_object(variable(RATED_CURRENT, 0, od.UNSIGNED32))
    objects.add_object(variable(CURRENT, 0, od.INTEGER16))
    for pdo in range(PDOS):
        communication = od.ODRecord(f'PDO {pdo + 1}', FIRST_PDO + pdo)
        for subindex, data_type in enumerate(
            (od.UNSIGNED8, od.UNSIGNED32, od.UNSIGNED8, od.UNSIGNED16, od.UNSIGNED8, od.UNSIGNED16)
        ):
            communication.add_member(variable(FIRST_PDO + pdo, subindex, data_type))
        mapping = od.ODRecord(f'map {pdo + 1}', FIRST_MAP + pdo)
        mapping.add_member(variable(FIRST_MAP + pdo, 0, od.UNSIGNED8))
        for subindex in range(1, 9):
            mapping.add_member(variable(FIRST_MAP + pdo, subindex, od.UNSIGNED32))
        objects.add_object(communication)
        objects.add_object(mapping)
    return objects


def _current_pdo(drive: Any) -> Any:
    """Return the enabled transmit PDO that holds the current; None when there is none."""
    import canopen
    from canopen import objectdictionary as od

    sizes = {8: od.UNSIGNED8, 16: od.UNSIGNED16, 32: od.UNSIGNED32, 64: od.UNSIGNED64}
    for pdo in range(PDOS):
        try:
            count = drive.sdo[FIRST_MAP + pdo][0].raw
            entries = [drive.sdo[FIRST_MAP + pdo][subindex].raw for subindex in range(1, count + 1)]
        except canopen.SdoAbortedError:
            continue  # a drive has as many PDOs as it likes
        if not any(entry >> 16 == CURRENT for entry in entries):
            continue
        for entry in entries:
            # canopen leaves an object out that it does not know, and would look for the current in the wrong place.
            index, subindex, bits = entry >> 16, entry >> 8 & 0xFF, entry & 0xFF
            if index not in drive.object_dictionary:
                record = od.ODRecord(f'object {index:04X}', index)
                drive.object_dictionary.add_object(record)
            holder = drive.object_dictionary[index]
            if isinstance(holder, od.ODRecord) and subindex not in holder.subindices:
                other = od.ODVariable(f'object {index:04X}:{subindex}', index, subindex)
                other.data_type = sizes.get(bits, od.UNSIGNED64)
                holder.add_member(other)
        found = drive.tpdo[pdo + 1]
        found.read()
        if found.enabled:
            return found
    return None
