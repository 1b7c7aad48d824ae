# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Readings of a device, and how they are stamped and how missing ones are noticed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

# How a sample's stamp comes about, as /diagnostics shows it.
DEVICE_CLOCK = "the device's clock"
BUS_TIME = 'the time at which the bus driver received the frame'
POLL_TIME = 'the middle between request and answer'
RECEIVE_TIME = 'the time of receipt'

# How missing samples are noticed.
BY_SEQUENCE = "the device's sequence counter"
BY_TIME = 'gaps in time'
BY_POLLS = 'polls without an answer'
BY_ERRORS = 'damaged data alone: the device sends no counter and no time'


class Reading(NamedTuple):
    """One sample as a device gave it.

    Attributes:
        current_a: Current of each motor, NaN where unmeasured [A].
        receive_ns: When it was received, or measured where the link knows better [ns].
        sequence: The device's sample counter, None without one.
        device_ns: Time of the device's clock, modulo `LinkTiming.device_modulus_ns`; None without one [ns].
        lost_before: Samples that are known to be missing before this one, where no counter shows it.
    """

    current_a: Sequence[float]
    receive_ns: int
    sequence: int | None = None
    device_ns: int | None = None
    lost_before: int = 0


@dataclass(frozen=True)
class LinkTiming:
    """How the readings of a link are to be numbered and stamped.

    Attributes:
        stamps: How a stamp comes about, in words.
        loss: How missing samples are noticed, in words.
        sequence_modulus: Value at which the device's counter starts over; None: it sends none.
        device_modulus_ns: Time at which the device's clock starts over; None: never [ns].
        watch_gaps: A gap in time is a loss: times are those of the device or the bus, not of this process.
    """

    stamps: str = RECEIVE_TIME
    loss: str = BY_ERRORS
    sequence_modulus: int | None = None
    device_modulus_ns: int | None = None
    watch_gaps: bool = False
