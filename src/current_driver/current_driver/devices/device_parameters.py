# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters of the driver's devices, and the links they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from current_driver.devices.device_link import ClockNs, DeviceLink
from current_driver.devices.device_source import DeviceSource
from current_driver.errors import SurfaceError
from current_driver.node.node_parameters import NodeParameter

if TYPE_CHECKING:
    from current_driver.devices.can_bus.can_decoders import CanDecoder

SERIAL = 'serial'
CAN = 'can'
DYNAMIXEL = 'dynamixel'
DEVICES = (SERIAL, CAN, DYNAMIXEL)

VESC, ODRIVE, CANOPEN, DBC = 'vesc', 'odrive', 'canopen', 'dbc'

DEVICE_PARAMETERS = (
    NodeParameter('device.retry_s', 1.0, 'Devices: time between two tries to connect.', 's', 0.05, 3600),
    NodeParameter(
        'device.priority',
        0,
        'Devices: real-time priority of the thread that samples, for a machine that is busy otherwise; 0: none.',
        '',
        0,
        99,
    ),
    NodeParameter(
        'serial.port', '', 'Port of the board, such as /dev/ttyUSB0, socket://HOST:PORT or rfc2217://HOST:PORT.'
    ),
    NodeParameter('serial.baud_rate', 115200, 'Speed of the port.', 'bit/s', 300, 20_000_000),
    NodeParameter(
        'serial.format',
        'csv',
        'What the board sends: lines of text, or frames with a CRC.',
        choices=('csv', 'json', 'binary'),
    ),
    NodeParameter(
        'serial.columns',
        (),
        'csv and json: the columns, such as seq, time_us, current_left, current_right_mA; none: as the board says. '
        'binary: names of the motors; none: motor_1, motor_2 and so on.',
    ),
    NodeParameter('can.interface', 'socketcan', "Name of one of python-can's interfaces."),
    NodeParameter('can.channel', 'can0', 'Name of the bus.'),
    NodeParameter('can.bitrate', 0, 'Speed of the bus; 0: as the interface is configured.', 'bit/s', 0, 10_000_000),
    NodeParameter('can.options', (), "Further arguments of python-can's interface, each NAME=VALUE."),
    NodeParameter(
        'can.protocol',
        VESC,
        'What the drives speak: VESC status frames, ODrive CAN Simple, CiA 402 over CANopen, or as a DBC file says.',
        choices=(VESC, ODRIVE, CANOPEN, DBC),
    ),
    NodeParameter('can.motors', (), 'A motor each: NAME=ID of its drive; with a DBC file NAME=MESSAGE.SIGNAL.'),
    NodeParameter('can.dbc_file', '', 'Protocol dbc: the DBC file.'),
    NodeParameter(
        'can.poll_rate_hz',
        0.0,
        'Protocol odrive: how often the drives are asked; 0: they send by themselves.',
        'Hz',
        0,
        10_000,
    ),
    NodeParameter(
        'can.rated_current_a', 0.0, 'Protocol canopen: rated current of every drive; 0: as each says.', 'A', 0, 100_000
    ),
    NodeParameter('dynamixel.port', '', 'Port of the servos, such as /dev/ttyUSB0.'),
    NodeParameter('dynamixel.baud_rate', 57600, 'Speed of the port.', 'bit/s', 9600, 10_000_000),
    NodeParameter('dynamixel.motors', (), 'A servo each: NAME=ID.'),
    NodeParameter('dynamixel.rate_hz', 100.0, 'How often the servos are asked.', 'Hz', 0.1, 10_000),
    NodeParameter(
        'dynamixel.address',
        126,
        'Address of the present current: 126 in the X series, 574 in the P series.',
        '',
        0,
        65535,
    ),
    NodeParameter(
        'dynamixel.milliampere_per_step',
        2.69,
        'Unit of the present current: 2.69 in most of the X series, 1 in the XL330 and the P series.',
        'mA',
        0.001,
        1000,
    ),
)


def make_device(values: Mapping[str, Any], clock_ns: ClockNs) -> DeviceSource:
    """Return the device that parameters stand for, not yet open.

    Args:
        values: Checked parameters by name.
        clock_ns: Host time [ns].

    Raises:
        SurfaceError: They do not describe a usable device.
    """
    for name, wanted in (('rate', 1.0), ('lossless', False)):
        if values[name] != wanted:
            raise SurfaceError(
                f'parameter {name} is {values[name]!r}, which has no meaning with source {values["source"]}: a device '
                f'sets its own pace and does not wait for readers; set it to {wanted!r}'
            )
    makers = {SERIAL: _serial, CAN: _can, DYNAMIXEL: _dynamixel}
    return DeviceSource(
        makers[values['source']](values, clock_ns),
        clock_ns,
        block_samples=values['block_samples'],
        frame_id=values['frame_id'],
        retry_s=values['device.retry_s'],
        priority=values['device.priority'],
    )


def _serial(values: Mapping[str, Any], clock_ns: ClockNs) -> DeviceLink:
    from current_driver.devices.serial_port.serial_link import SerialLink

    return SerialLink(
        values['serial.port'],
        values['serial.baud_rate'],
        values['serial.format'],
        values['serial.columns'],
        clock_ns,
    )


def _can(values: Mapping[str, Any], clock_ns: ClockNs) -> DeviceLink:
    from current_driver.devices.can_bus.can_link import CanBusSettings, CanLink

    bus = CanBusSettings(values['can.interface'], values['can.channel'], values['can.bitrate'], values['can.options'])
    if values['can.protocol'] == CANOPEN:
        from current_driver.devices.can_bus.canopen_link import CanopenLink

        return CanopenLink(values['can.motors'], bus, clock_ns, values['can.rated_current_a'])
    return CanLink(_decoder(values), bus, clock_ns, poll_rate_hz=values['can.poll_rate_hz'])


def _decoder(values: Mapping[str, Any]) -> CanDecoder:
    from current_driver.devices.can_bus.can_decoders import DbcDecoder, OdriveDecoder, VescDecoder

    motors = values['can.motors']
    if values['can.protocol'] == DBC:
        return DbcDecoder(motors, values['can.dbc_file'])
    return OdriveDecoder(motors) if values['can.protocol'] == ODRIVE else VescDecoder(motors)


def _dynamixel(values: Mapping[str, Any], clock_ns: ClockNs) -> DeviceLink:
    from current_driver.devices.dynamixel_link import DynamixelLink

    return DynamixelLink(
        values['dynamixel.port'],
        values['dynamixel.baud_rate'],
        values['dynamixel.motors'],
        values['dynamixel.rate_hz'],
        clock_ns,
        address=values['dynamixel.address'],
        milliampere_per_step=values['dynamixel.milliampere_per_step'],
    )
