# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""How a node is: pure functions from counters to a level, a sentence and values; nodes only publish them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

FAULT_SHOWN_S = 10.0


class Level(IntEnum):
    """Levels of `diagnostic_msgs/DiagnosticStatus`."""

    OK = 0
    WARN = 1
    ERROR = 2


@dataclass(frozen=True)
class Health:
    """State of a node.

    Attributes:
        level: How bad it is.
        text: One sentence for a person; with the remedy where there is one. Free of counters, so that it changes only
            when the state does.
        values: Counters and settings by name.
    """

    level: Level
    text: str
    values: Mapping[str, object] = field(default_factory=dict)


def with_concerns(health: Health, concerns: Sequence[str], values: Mapping[str, object]) -> Health:
    """Return the health with what else is wrong, as a warning after the state; an error keeps its sentence.

    Args:
        health: Health without it.
        concerns: One sentence each; empty ones do not count.
        values: Counters to report with it.
    """
    health = Health(health.level, health.text, {**health.values, **values})
    texts = [text for text in concerns if text]
    if not texts or health.level == Level.ERROR:
        return health
    joint = ', but ' if health.level == Level.OK else '; '
    return Health(Level.WARN, health.text + joint + '; '.join(texts), health.values)


class FaultLog:
    """Faults that a node's callbacks ran into and survived.

    Attributes:
        count: Faults since the start.
    """

    def __init__(self) -> None:
        """Start without faults."""
        self.count = 0
        self._last_text = ''
        self._last_s = 0.0
        self._known: set[str] = set()

    def add(self, text: str, now_s: float) -> bool:
        """Note a fault.

        Args:
            text: What went wrong.
            now_s: Present time of a steady clock [s].

        Returns:
            True when this fault had not been seen before.
        """
        self.count += 1
        self._last_text = text
        self._last_s = now_s
        new = text not in self._known
        if len(self._known) < 1000:  # a text that differs each time must not fill the memory
            self._known.add(text)
        return new

    def merge(self, health: Health, now_s: float) -> Health:
        """Return the health with the last fault in it: as an error for ten seconds, then as counters alone.

        Args:
            health: Health without the faults.
            now_s: Present time of a steady clock [s].
        """
        if not self.count:
            return health
        values = {**health.values, 'faults': self.count, 'last_fault': self._last_text}
        if health.level < Level.ERROR and now_s - self._last_s < FAULT_SHOWN_S:
            return Health(Level.ERROR, self._last_text, values)
        return Health(health.level, health.text, values)


@dataclass(frozen=True)
class DriverState:
    """What the driver has done.

    Attributes:
        fault: Why nothing can be published; empty when it can.
        stage: starting, waiting for readers, publishing or ended.
        source: What is published, in words.
        warnings: What the source left out and why.
        messages: Messages published.
        stamp_s: Stamp of the last message [s].
        lag_s: How far publishing is behind its pace [s].
        due_in_s: Time until the next message is due [s].
        readers: Readers heard, for a replay as fast as they follow.
        readers_expected: Readers that are waited for.
        uptime_s: Time since the start [s].
        silent_readers: Readers that have not been heard for too long while messages wait for them.
        gone_readers: Readers that have left the graph during the replay and are no longer waited for.
        skipped_topics: Topics that are not published, because their type is not installed, one sentence each.
        device: How the device is that is published; None without one.
    """

    fault: str = ''
    stage: str = 'starting'
    source: str = ''
    warnings: tuple[str, ...] = ()
    messages: int = 0
    stamp_s: float = 0.0
    lag_s: float = 0.0
    due_in_s: float = 0.0
    readers: tuple[str, ...] = ()
    readers_expected: int = 0
    uptime_s: float = 0.0
    silent_readers: tuple[str, ...] = ()
    gone_readers: tuple[str, ...] = ()
    skipped_topics: tuple[str, ...] = ()
    device: Health | None = None


LAG_WARN_S = 0.5
READERS_WARN_S = 5.0
PAUSE_SHOWN_S = 5.0


def driver_health(state: DriverState) -> Health:
    """Return the driver's health."""
    values: dict[str, object] = {
        'source': state.source,
        'stage': state.stage,
        'messages': state.messages,
        'stamp [s]': f'{state.stamp_s:.3f}',
        'lag [s]': f'{state.lag_s:.3f}',
        'due in [s]': f'{state.due_in_s:.1f}',
        'readers': ', '.join(state.readers),
    }
    if state.warnings:
        values['warnings'] = '; '.join(state.warnings)
    if state.device is not None:
        values.update(state.device.values)
    if state.fault:
        return Health(Level.ERROR, state.fault, values)
    if state.stage == 'waiting for readers' and state.uptime_s > READERS_WARN_S:
        text = (
            f'waiting for {state.readers_expected} readers to report on TOPIC/progress: start the preprocessor or the '
            'trainer with lossless true, or set rate above 0'
        )
        return Health(Level.WARN, text, values)
    if state.silent_readers:
        return Health(
            Level.WARN,
            f'{", ".join(state.silent_readers)} reports no progress any more, and the replay waits for it',
            values,
        )
    if state.gone_readers and state.stage == 'publishing':
        gone = ', '.join(state.gone_readers)
        rest = (
            f'the replay goes on for {", ".join(state.readers)}' if state.readers else 'the replay waits for a reader'
        )
        return Health(Level.WARN, f'{gone} has gone; {rest}', values)
    if state.lag_s > LAG_WARN_S:
        return Health(Level.WARN, 'publishing falls behind its pace; set a lower rate', values)
    if state.skipped_topics:
        return Health(Level.WARN, '; '.join(state.skipped_topics), values)
    if state.device is not None:
        return Health(state.device.level, state.device.text, values)
    if state.due_in_s > PAUSE_SHOWN_S:
        return Health(Level.OK, 'waiting through a pause in the recording; a higher rate shortens it', values)
    return Health(Level.OK, state.stage, values)
