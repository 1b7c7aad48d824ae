# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Drives on a CAN bus: frames that other libraries encoded become samples, over python-can's virtual bus."""

from __future__ import annotations

import math
import struct
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import can
import cantools
import numpy as np
import pytest
from can.interfaces.virtual import VirtualBus
from device_blocks import BlockReader

from current_driver.devices.can_bus.can_decoders import DbcDecoder, OdriveDecoder, VescDecoder
from current_driver.devices.can_bus.can_link import frames_dropped, widen_receive_buffer
from current_driver.devices.can_bus.row_assembler import MISSING, RowAssembler
from current_driver.devices.device_source import DeviceSource
from current_driver.driver_parameters import DRIVER_PARAMETERS, make_source
from current_driver.errors import SurfaceError
from current_driver.node.health import Level
from current_driver.node.node_parameters import check_all

REQUIRES = ('can', 'cantools')

# The table of CAN_PACKET_STATUS in documentation/comm_can.md of the VESC firmware, as a DBC file: bytes 0 to 3 ERPM, 4
# and 5 current times 10, 6 and 7 duty cycle times 1000, big endian; the command 9 above the controller's id, 29 bits.
VESC_DBC = '\n'.join(
    f"""BO_ {1 << 31 | 9 << 8 | node} Status_{node}: 8 VESC
 SG_ Erpm : 7|32@0- (1,0) [0|0] "rpm" Host
 SG_ Current : 39|16@0- (0.1,0) [0|0] "A" Host
 SG_ Duty : 55|16@0- (0.001,0) [0|0] "" Host
"""
    for node in (1, 2, 23)
)
# A maker's own protocol: two drives in one multiplexed message, in mA, with an offset.
MAKER_DBC = """BO_ 291 Drives: 5 Maker
 SG_ Number M : 0|8@1+ (1,0) [0|0] "" Host
 SG_ LeftCurrent m0 : 8|16@1- (10,-5) [0|0] "mA" Host
 SG_ RightCurrent m1 : 8|16@1- (10,0) [0|0] "mA" Host
 SG_ Torque m1 : 24|16@1- (1,0) [0|0] "Nm" Host
"""
DBC_HEAD = 'VERSION ""\nBS_:\nBU_: Host VESC Maker\n'


def database(text: str) -> Any:
    return cantools.database.load_string(DBC_HEAD + text, 'dbc')


def can_source(channel: str, **parameters: object) -> DeviceSource:
    values = {f'can.{name}': value for name, value in parameters.items()}
    values |= {'source': 'can', 'can.interface': 'virtual', 'can.channel': channel, 'device.retry_s': 0.05}
    source = make_source(check_all(DRIVER_PARAMETERS, {'block_samples': 5, **values}), time.time_ns())
    assert isinstance(source, DeviceSource)
    return source


@pytest.fixture
def bus(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Give the drives' end of a virtual bus."""
    with can.Bus(interface='virtual', channel=request.node.name, preserve_timestamps=True) as opened:
        yield opened


def connected_reader(source: DeviceSource) -> BlockReader:
    """Return a reader of a source that has opened the bus."""
    reader = BlockReader(source)
    wait_for_bus(source, reader)
    return reader


def wait_for_bus(source: DeviceSource, reader: BlockReader) -> None:
    reader.until(lambda: source.health().values['connected'] == 'yes', 'the bus')


def encoded(text: str, name: str, values: dict[str, float], timestamp_s: float = 0.0) -> Any:
    message = database(text).get_message_by_name(name)
    return can.Message(
        timestamp=timestamp_s,
        arbitration_id=message.frame_id,
        is_extended_id=message.is_extended_frame,
        data=message.encode(values),
    )


def test_vesc_status_frames_become_samples(bus: Any) -> None:
    with can_source(bus.channel_id, motors=['left=1', 'right=23']) as source:
        reader = connected_reader(source)
        start_s = time.time()
        for number in range(20):
            for node, current_a in ((1, number / 10), (2, 99.0), (23, -3.2 * number)):
                values = {'Erpm': 4000.0, 'Current': current_a, 'Duty': 0.5}
                bus.send(encoded(VESC_DBC, f'Status_{node}', values, start_s + number / 100 + node / 10_000))
        currents = reader.samples(20)
        np.testing.assert_allclose(currents, [(number / 10, -3.2 * number) for number in range(20)], atol=1e-9)
        assert reader.blocks[0].motor_names == ['left', 'right']
        assert reader.numbers() == list(range(20))
        # The time of the bus, not of this process; the mean of the two drives' reports.
        np.testing.assert_allclose(reader.stamps_ns() * 1e-9 - start_s, np.arange(20) / 100 + 0.0012, atol=2e-6)
        assert 'bus driver' in reader.value('stamps are')
        assert source.health().level is Level.OK


def test_vesc_frames_of_the_wild() -> None:
    decoder = VescDecoder(['rear=4', 'front=0x17'])
    # A candump of a controller that stands still, from the forum of the VESC project (node 3345): duty cycle 4.1 %.
    assert decoder.decode(0x904, True, bytes.fromhex('00 00 00 00 00 00 00 29')) == ((0, 0.0),)
    # The example of documentation/comm_can.md: a command to set 51 A, on VESC 23. It is no measurement.
    assert decoder.decode(0x0117, True, bytes.fromhex('00 00 C7 38')) == ()
    assert decoder.decode(0x904, False, bytes(8)) == ()
    with pytest.raises(ValueError, match='length'):
        decoder.decode(0x904, True, bytes(6))


@pytest.fixture(scope='module')
def odrive_dbc() -> Any:
    """Give ODrive's own description of CAN Simple, which the package odrive-can brings."""
    package = pytest.importorskip('odrive_can', reason='odrive-can is not installed')
    return cantools.database.load_file(Path(package.__file__).parent / 'dbc' / 'odrive-cansimple-0.6.10.dbc')


def odrive_frame(odrive_dbc: Any, axis: int, setpoint_a: float, measured_a: float) -> Any:
    # The file describes axis 0; the id of the node is above bit 5 of the id.
    message = odrive_dbc.get_message_by_name('Axis0_Get_Iq')
    data = message.encode({'Iq_Setpoint': setpoint_a, 'Iq_Measured': measured_a})
    return can.Message(arbitration_id=axis << 5 | message.frame_id, is_extended_id=False, data=data)


def test_odrive_frames_become_samples(bus: Any, odrive_dbc: Any) -> None:
    with can_source(bus.channel_id, protocol='odrive', motors=['left=0', 'right=3']) as source:
        reader = connected_reader(source)
        for number in range(20):
            bus.send(odrive_frame(odrive_dbc, 0, 5.0, number / 8))
            bus.send(odrive_frame(odrive_dbc, 1, 5.0, 99.0))
            bus.send(odrive_frame(odrive_dbc, 3, 5.0, -number / 8))
        currents = reader.samples(20)
        np.testing.assert_array_equal(currents, [(number / 8, -number / 8) for number in range(20)])


def test_odrives_of_old_firmware_are_asked(bus: Any, odrive_dbc: Any) -> None:
    with can_source(bus.channel_id, protocol='odrive', motors=['left=0', 'right=3'], poll_rate_hz=50.0) as source:
        reader = BlockReader(source)
        answered = Counter[int]()

        def answer() -> None:
            while (frame := bus.recv(0)) is not None:
                assert frame.is_remote_frame
                axis = frame.arbitration_id >> 5
                assert frame.arbitration_id & 0x1F == odrive_dbc.get_message_by_name('Axis0_Get_Iq').frame_id
                answered[axis] += 1
                bus.send(odrive_frame(odrive_dbc, axis, 0.0, 1.5 + axis))

        reader.until(lambda: len(reader.blocks) > 0 and len(reader.currents()) >= 10, each=answer)
        np.testing.assert_array_equal(reader.currents()[0], [1.5, 4.5])
        assert set(answered) == {0, 3}


def test_the_odrive_decoder_refuses_what_is_damaged() -> None:
    decoder = OdriveDecoder(['left=0'])
    with pytest.raises(ValueError, match='length'):
        decoder.decode(0x14, False, bytes(4))
    with pytest.raises(ValueError, match='finite'):
        decoder.decode(0x14, False, struct.pack('<ff', 0.0, math.nan))


def test_signals_of_a_dbc_file_become_samples(bus: Any, tmp_path: Path) -> None:
    path = tmp_path / 'maker.dbc'
    path.write_text(DBC_HEAD + MAKER_DBC, encoding='utf-8')
    motors = ['left=Drives.LeftCurrent', 'right=Drives.RightCurrent']
    with can_source(bus.channel_id, protocol='dbc', dbc_file=str(path), motors=motors) as source:
        reader = connected_reader(source)
        for number in range(20):
            bus.send(encoded(MAKER_DBC, 'Drives', {'Number': 0, 'LeftCurrent': 10 * number - 5}))
            bus.send(encoded(MAKER_DBC, 'Drives', {'Number': 1, 'RightCurrent': -1000 * number, 'Torque': 3}))
        bus.send(can.Message(arbitration_id=291, is_extended_id=False, data=b'\x07'))
        currents = reader.samples(20)
        np.testing.assert_allclose(currents, [((10 * number - 5) / 1000, -number) for number in range(20)])
        reader.until(lambda: source.health().values.get('malformed frames') == 1, 'the damaged frame')


TWO_MESSAGES = """
BO_ 291 Left: 2 Maker
 SG_ Current : 0|16@1- (0.1,0) [0|0] "A" Host
BO_ 292 Right: 2 Maker
 SG_ Current : 0|16@1- (0.1,0) [0|0] "A" Host
VAL_ 291 Current 32767 "SNA" 32766 "Error" ;
"""


def test_named_raw_values_are_those_of_their_own_message(tmp_path: Path) -> None:
    path = tmp_path / 'two.dbc'
    path.write_text(DBC_HEAD + TWO_MESSAGES, encoding='utf-8')
    decoder = DbcDecoder(['left=Left.Current', 'right=Right.Current'], str(path))
    for raw in (32766, 32767):
        data = struct.pack('<h', raw)
        ((_, left),), ((_, right),) = decoder.decode(291, False, data), decoder.decode(292, False, data)
        assert math.isnan(left)
        assert right == pytest.approx(raw / 10)
    ((channel, value),) = decoder.decode(291, False, struct.pack('<h', -90))
    assert channel == 0
    assert value == pytest.approx(-9.0)


def test_frames_without_named_values_are_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / 'two.dbc'
    path.write_text(DBC_HEAD + TWO_MESSAGES, encoding='utf-8')
    decoder = DbcDecoder(['right=Right.Current'], str(path))
    (message,) = decoder._messages.values()
    calls: list[object] = []
    decode = message.decode

    def count(*args: Any, **options: Any) -> Any:
        calls.append(options)
        return decode(*args, **options)

    monkeypatch.setattr(message, 'decode', count)
    assert decoder.decode(292, False, struct.pack('<h', 50)) == [(0, 5.0)]
    assert len(calls) == 1


@pytest.mark.parametrize(
    ('motors', 'words'),
    [
        (['left=Drive.Current'], ("no message 'Drive'", 'Drives')),
        (['left=Drives.Current'], ("no signal 'Current'", 'LeftCurrent')),
        (['left=Drives.Torque'], ("'Nm'", 'A or mA')),
        (['left'], ('NAME=',)),
        ([], ('empty',)),
        (['left=Drives.LeftCurrent', 'left=Drives.RightCurrent'], ('twice',)),
    ],
)
def test_signals_that_cannot_be_used_are_refused(tmp_path: Path, motors: list[str], words: tuple[str, ...]) -> None:
    path = tmp_path / 'maker.dbc'
    path.write_text(DBC_HEAD + MAKER_DBC, encoding='utf-8')
    with pytest.raises(SurfaceError) as refused:
        DbcDecoder(motors, str(path))
    for word in ('can.motors', *words):
        assert word in str(refused.value)


def test_files_that_are_no_dbc_are_refused(tmp_path: Path) -> None:
    path = tmp_path / 'wrong.dbc'
    path.write_text('BO_ nonsense', encoding='utf-8')
    with pytest.raises(SurfaceError, match=r'wrong\.dbc cannot be read'):
        DbcDecoder(['left=A.B'], str(path))
    with pytest.raises(SurfaceError, match='there is no file'):
        DbcDecoder(['left=A.B'], str(tmp_path / 'none.dbc'))


@pytest.mark.parametrize(
    ('parameters', 'words'),
    [
        ({'motors': ['left=256']}, ('can.motors', '255')),
        ({'motors': ['left=x']}, ('can.motors', "'x'")),
        ({'motors': ['left=1'], 'poll_rate_hz': 10.0}, ('can.poll_rate_hz', 'odrive')),
        ({'motors': ['left=1'], 'options': ['fd']}, ('can.options', 'NAME=VALUE')),
    ],
)
def test_parameters_that_cannot_be_used_are_refused(parameters: dict[str, object], words: tuple[str, ...]) -> None:
    with pytest.raises(SurfaceError) as refused:
        can_source('unused', **parameters)
    for word in words:
        assert word in str(refused.value)


def test_a_bus_that_is_not_there_is_reported_with_the_remedy() -> None:
    values = {'source': 'can', 'can.channel': 'can_none', 'can.motors': ['left=1'], 'device.retry_s': 0.05}
    source = make_source(check_all(DRIVER_PARAMETERS, values), time.time_ns())
    assert isinstance(source, DeviceSource)
    with source:
        reader = BlockReader(source)
        reader.until(lambda: 'cannot be opened' in source.health().text, 'what is wrong')
        assert 'ip link set can_none up' in source.health().text


def test_a_lost_round_is_a_step_and_a_lost_frame_a_value_that_is_not_there(bus: Any) -> None:
    with can_source(bus.channel_id, motors=['left=1', 'right=2']) as source:
        reader = connected_reader(source)
        start_s = time.time()
        for number in range(90):
            for node in (1, 2):
                if number in (75, 76) or (number, node) == (80, 2):
                    continue
                values = {'Erpm': 0.0, 'Current': float(number), 'Duty': 0.0}
                bus.send(encoded(VESC_DBC, f'Status_{node}', values, start_s + number / 100))
        currents = reader.samples(88)
        assert reader.numbers() == [number for number in range(90) if number not in (75, 76)]
        assert reader.value('lost samples') == '2'
        assert np.argwhere(np.isnan(currents)).tolist() == [[78, 1]]
        assert reader.value(MISSING) == '1'


def test_a_motor_that_never_reports_is_not_measured_and_the_others_are() -> None:
    rows = RowAssembler(3, counters := Counter[str]())
    ended = [rows.add(motor, float(number), number) for number in range(4) for motor in (0, 2)]
    kept = [reading for reading in ended if reading is not None]
    assert [reading.current_a[0] for reading in kept] == [1.0, 2.0]
    assert all(math.isnan(reading.current_a[1]) for reading in kept)
    assert counters[MISSING] == 2


def test_a_bus_that_breaks_is_opened_again(bus: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with can_source(bus.channel_id, motors=['left=1']) as source:
        reader = connected_reader(source)
        broken = [can.CanOperationError('the adapter was unplugged')]
        receive = VirtualBus._recv_internal

        def fail_once(self: Any, timeout: float | None) -> Any:
            if broken and self is not bus:
                raise broken.pop()
            return receive(self, timeout)

        monkeypatch.setattr(VirtualBus, '_recv_internal', fail_once)
        reader.until(lambda: source.health().values.get('disconnections') == 1, 'the loss of the bus')
        wait_for_bus(source, reader)
        for _ in range(5):
            bus.send(encoded(VESC_DBC, 'Status_1', {'Erpm': 0, 'Current': 2.5, 'Duty': 0}, time.time()))
        np.testing.assert_array_equal(reader.samples(5), [[2.5]] * 5)


def test_frames_that_the_kernel_drops_are_counted() -> None:
    pytest.importorskip('msgpack', reason='msgpack is not installed')
    # Hop limit 0: nothing leaves this machine.
    settings: dict[str, Any] = {'interface': 'udp_multicast', 'channel': '239.74.163.2', 'port': 43117, 'hop_limit': 0}
    with can.Bus(**settings) as sender, can.Bus(**settings) as receiver:
        assert frames_dropped(receiver) == 0
        frame = can.Message(arbitration_id=0x901, data=bytes(8))
        for _ in range(1000):
            sender.send(frame)
        dropped = frames_dropped(receiver)
        assert dropped > 0
        kept = 0
        while receiver.recv(0) is not None:
            kept += 1
        assert kept + dropped == 1000
        widen_receive_buffer(receiver)
        for _ in range(1000):
            sender.send(frame)
        assert frames_dropped(receiver) == dropped


def test_an_adapter_with_a_clock_of_its_own_is_tied_to_the_host(bus: Any) -> None:
    with can_source(bus.channel_id, motors=['left=1']) as source:
        reader = connected_reader(source)
        begin_ns = time.time_ns()
        for number in range(20):
            values = {'Erpm': 0.0, 'Current': float(number), 'Duty': 0.0}
            bus.send(encoded(VESC_DBC, 'Status_1', values, 5.0 + number / 100_000))
        reader.samples(20)
        assert reader.value('stamps are') == "the device's clock"
        stamps_ns = reader.stamps_ns()
        assert (np.diff(stamps_ns) > 0).all()
        # The envelope of the first frames' delays may still move by what a busy machine held them up.
        assert begin_ns - 100_000_000 < stamps_ns[0] < time.time_ns() + 100_000_000
