# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""CiA 402 drives: PDOs that the canopen library's own local nodes send, over python-can's virtual bus."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import can
import canopen
import numpy as np
import pytest
from canopen import objectdictionary as od
from device_blocks import BlockReader

from current_driver.devices.device_source import DeviceSource
from current_driver.driver_parameters import DRIVER_PARAMETERS, make_source
from current_driver.node.health import Level
from current_driver.node.node_parameters import check_all

REQUIRES = ('canopen',)

STATUS_WORD, CURRENT, RATED_CURRENT, MAKERS_OWN = 0x6041, 0x6078, 0x6075, 0x2033


def object_dictionary(node: int, mapping: list[tuple[int, int, int]], rated_ma: int | None) -> Any:
    """Describe a drive with two transmit PDOs, the second with this mapping (index, subindex, bits)."""
    objects = od.ObjectDictionary()

    def variable(index: int, subindex: int, data_type: int, value: int) -> Any:
        found = od.ODVariable(f'{index:04X}:{subindex}', index, subindex)
        found.data_type, found.default, found.access_type = data_type, value, 'rw'
        return found

    def record(index: int, members: list[tuple[int, int]]) -> Any:
        found = od.ODRecord(f'{index:04X}', index)
        for subindex, (data_type, value) in enumerate(members):
            found.add_member(variable(index, subindex, data_type, value))
        return found

    objects.add_object(variable(0x1000, 0, od.UNSIGNED32, 0x20192))
    objects.add_object(variable(STATUS_WORD, 0, od.UNSIGNED16, 0x27))
    objects.add_object(variable(CURRENT, 0, od.INTEGER16, 0))
    objects.add_object(record(MAKERS_OWN, [(od.UNSIGNED8, 2), (od.UNSIGNED8, 7), (od.UNSIGNED8, 9)]))
    if rated_ma is not None:
        objects.add_object(variable(RATED_CURRENT, 0, od.UNSIGNED32, rated_ma))
    for pdo, mapped in ((0, [(STATUS_WORD, 0, 16)]), (1, mapping)):
        cob_id = 0x180 + 0x100 * pdo + node
        objects.add_object(record(0x1800 + pdo, [(od.UNSIGNED8, 2), (od.UNSIGNED32, cob_id), (od.UNSIGNED8, 254)]))
        entries = [index << 16 | subindex << 8 | bits for index, subindex, bits in mapped]
        objects.add_object(
            record(0x1A00 + pdo, [(od.UNSIGNED8, len(entries)), *((od.UNSIGNED32, entry) for entry in entries)])
        )
    return objects


class Drive:
    """A simulated drive: canopen's local node, which answers SDOs and sends PDOs."""

    def __init__(self, network: Any, node: int, mapping: list[tuple[int, int, int]], rated_ma: int | None) -> None:
        self.node = network.create_node(node, object_dictionary(node, mapping, rated_ma))
        self.node.tpdo.read()

    def send(self, permille: int) -> None:
        pdo = self.node.tpdo[2]
        pdo[CURRENT].raw = permille
        pdo.transmit()


@pytest.fixture
def network(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Give the drives' end of a virtual bus."""
    with ExitStack() as stack:
        opened = canopen.Network(can.Bus(interface='virtual', channel=request.node.name))
        opened.NOTIFIER_CYCLE = 0.05
        stack.callback(opened.disconnect)
        opened.connect()
        yield opened


def canopen_source(network: Any, **parameters: object) -> DeviceSource:
    values: dict[str, object] = {f'can.{name}': value for name, value in parameters.items()}
    values |= {'source': 'can', 'can.protocol': 'canopen', 'can.interface': 'virtual', 'block_samples': 5}
    values |= {'can.channel': network.bus.channel_id, 'device.retry_s': 0.05}
    source = make_source(check_all(DRIVER_PARAMETERS, values), time.time_ns())
    assert isinstance(source, DeviceSource)
    return source


@pytest.mark.parametrize('rated_current_a', [0.0, 20.0])
def test_the_actual_current_is_found_in_the_pdo_and_scaled_by_the_rated_current(
    network: Any, rated_current_a: float
) -> None:
    # One drive maps the current behind an object of its maker that no other maker uses.
    left = Drive(network, 5, [(MAKERS_OWN, 1, 8), (MAKERS_OWN, 2, 8), (CURRENT, 0, 16)], 5_000)
    right = Drive(network, 6, [(CURRENT, 0, 16), (STATUS_WORD, 0, 16)], 12_500)
    with canopen_source(network, motors=['left=5', 'right=6'], rated_current_a=rated_current_a) as source:
        reader = BlockReader(source)
        reader.until(lambda: source.health().values['connected'] == 'yes', 'the drives')
        for number in range(20):
            left.send(100 * number - 1000)
            right.send(-number)
        currents = reader.samples(20)
        rated_a = (rated_current_a or 5.0, rated_current_a or 12.5)
        expected = [((100 * n - 1000) / 1000 * rated_a[0], -n / 1000 * rated_a[1]) for n in range(20)]
        np.testing.assert_allclose(currents, expected, atol=1e-12)
        assert reader.blocks[0].motor_names == ['left', 'right']
        assert reader.numbers() == list(range(20))
        assert abs(reader.stamps_ns()[-1] - time.time_ns()) < 10 * 10**9
        # Nothing was written to the drives.
        assert left.node.sdo[0x1801][1].raw == 0x285
        assert left.node.nmt.state == 'INITIALISING'


def test_a_drive_that_does_not_send_its_current_is_named_and_tried_again(network: Any) -> None:
    Drive(network, 5, [(STATUS_WORD, 0, 16)], 5_000)
    with canopen_source(network, motors=['left=5']) as source:
        reader = BlockReader(source)
        reader.until(lambda: 'in no PDO' in source.health().text, 'what is wrong')
        assert 'left, node 5' in source.health().text
        assert source.health().level is Level.ERROR
        drive = Drive(network, 5, [(CURRENT, 0, 16)], 5_000)
        reader.until(lambda: source.health().values['connected'] == 'yes', 'the drive')
        for _ in range(5):
            drive.send(1000)
        np.testing.assert_allclose(reader.samples(5), [[5.0]] * 5)


def test_a_drive_that_does_not_say_its_rated_current_is_named(network: Any) -> None:
    Drive(network, 5, [(CURRENT, 0, 16)], None)
    with canopen_source(network, motors=['left=5']) as source:
        reader = BlockReader(source)
        reader.until(lambda: 'can.rated_current_a' in source.health().text, 'what is wrong')


def test_a_drive_that_does_not_answer_is_named(network: Any) -> None:
    with canopen_source(network, motors=['left=9']) as source:
        reader = BlockReader(source)
        reader.until(lambda: 'does not answer' in source.health().text, 'what is wrong')
        assert 'left, node 9' in source.health().text
