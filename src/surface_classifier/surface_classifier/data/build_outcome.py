# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What came of a recording that was cut: what its user should know, and why no window is left, most frequent first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from current_driver.errors import SurfaceError
from current_driver.messages import NANOSECONDS
from current_driver.recordings.recording import Segment
from surface_classifier.signal.window_config import WindowConfig
from surface_classifier.signal.window_stream import SILENCE, StreamCounters, Window, WindowStream

# A change of the distance between stamps and log times of more is a clock that was set, not a delay.
CLOCK_STEP_NS = NANOSECONDS
# Largest fraction of the samples that may repeat the stamp before; beyond it the rate of the rest says nothing.
MOST_REPEATED = 0.1
# Stamps that run so many times as fast, or as slow, as the recorder's clock are of another unit.
_UNIT_RATIO = 100.0
_ALL_UNDER_ONE = 'so that it would hold for all of them'
_UNITS = {1e3: 'milliseconds', 1e6: 'microseconds', 1e9: 'nanoseconds'}
_COUNTED = {
    'over_a_change': 'lie over a change of surface',
    'label_margin': 'lie close to a change of label that a person made (--label-margin)',
    'unlabelled': 'have no label',
    'time_runs_twice': 'lie where time runs twice, because a clock was set back',
    'clock_set': 'have one label by their stamps and another by the time of recording, because a clock was set',
}


@dataclass(frozen=True)
class TimeSpans:
    """When samples were taken and when they were recorded.

    Attributes:
        first_ns: Smallest stamp of a sample [ns]; None without one.
        last_ns: Largest stamp of a sample [ns]; likewise.
        log_first_ns: When the first of these messages was recorded [ns].
        log_last_ns: When the last one was [ns].
        went_back: The stamps went back and ran on from there.
    """

    first_ns: int | None
    last_ns: int | None
    log_first_ns: int
    log_last_ns: int
    went_back: bool = False


def time_faults(spans: TimeSpans, segments: Sequence[Segment]) -> list[str]:
    """What is wrong with the stamps of a recording's samples, one sentence each.

    Args:
        spans: When the samples were taken and recorded.
        segments: The labels.
    """
    if spans.first_ns is None or spans.last_ns is None:
        return []
    faults = []
    labels = [segment for segment in segments if segment.surface]
    if labels and spans.last_ns < labels[0].start_ns - NANOSECONDS:
        faults.append(
            f'the samples are stamped {_moment(spans.first_ns)} to {_moment(spans.last_ns)}, the labels begin '
            f'{_moment(labels[0].start_ns)}: the clock of the device was not set (stamps since boot); set stamps: '
            'receipt in the channels file to take the time of recording instead'
        )
    elif len(labels) > 1 and spans.first_ns > labels[-1].start_ns + NANOSECONDS:
        faults.append(
            f'the samples are stamped {_moment(spans.first_ns)} to {_moment(spans.last_ns)}, the last label '
            f'begins {_moment(labels[-1].start_ns)}, {_ALL_UNDER_ONE}: their '
            'clocks differ; set stamps: receipt in the channels file '
            'to take the time of recording instead'
        )
    if spans.went_back:
        return faults  # the span of the stamps is that of several times
    taken, logged = spans.last_ns - spans.first_ns, spans.log_last_ns - spans.log_first_ns
    if taken > 0 and logged > NANOSECONDS and not 1 / _UNIT_RATIO < taken / logged < _UNIT_RATIO:
        factor = taken / logged
        unit = min(_UNITS, key=lambda known: abs(known - factor))
        likely = f'; they are probably {_UNITS[unit]} written as seconds' if 0.5 < factor / unit < 2 else ''
        faults.append(
            f'the stamps run {factor:.3g} times as fast as the clock of the recorder ({taken / NANOSECONDS:.4g} s in '
            f'{logged / NANOSECONDS:.4g} s){likely}; correct the publisher, or set stamps: receipt in the '
            'channels file'
        )
    return faults


def repeated_stamps(config: WindowConfig, counters: StreamCounters) -> str:
    """Say how many samples repeat the stamp before, with the remedy; empty when none does."""
    if not counters.duplicates:
        return ''
    count = counters.samples + counters.duplicates + counters.out_of_order
    text = f'{counters.duplicates} of {count} samples repeat the stamp before and were dropped'
    if config.repeated_stamps == 'drop' or counters.duplicates <= MOST_REPEATED * count:
        return text
    return (
        f'{text}: the source stamps several samples alike; set repeated_stamps: spread in the channels '
        'file to spread them over the time since the stamp before, or repeated_stamps: drop to keep the first of each'
    )


class TimeWatch:
    """When the samples of a recording were taken and recorded, where their time runs twice, and whether it was set.

    Attributes:
        clock_set: The clock of the stamps was set back or forward while that of the recorder ran on.
    """

    def __init__(self, stream: WindowStream) -> None:
        """Watch a stream that has seen nothing."""
        self._stream = stream
        self.clock_set = False
        # Smallest distance from a stamp to its log time since the clock was set.
        self._delay_ns: int | None = None
        self._jumps = 0
        self._newest_ns: int | None = None
        self._twice_from_ns: int | None = None
        self._twice_until_ns: int | None = None
        self._first_ns: int | None = None
        self._largest_ns: int | None = None
        self._log_first_ns: int | None = None
        self._log_last_ns = 0

    def look(self, log_ns: int) -> None:
        """Take note of the newest stamp, after each message."""
        if self._log_first_ns is None:
            self._log_first_ns = log_ns
        passed_ns, self._log_last_ns = log_ns - self._log_last_ns, log_ns
        newest_ns = self._stream.newest_ns
        if newest_ns is None:
            return
        if self._stream.clock_jumps != self._jumps:
            self._jumps = self._stream.clock_jumps
            self._twice_from_ns, self._twice_until_ns = self._first_ns, self._largest_ns
            self.clock_set, self._delay_ns = True, None
        self._watch_delay(newest_ns, log_ns, passed_ns)
        self._first_ns = newest_ns if self._first_ns is None else min(self._first_ns, newest_ns)
        self._largest_ns = newest_ns if self._largest_ns is None else max(self._largest_ns, newest_ns)

    def _watch_delay(self, newest_ns: int, log_ns: int, passed_ns: int) -> None:
        """Take note of the distance from the newest stamp to its log time; a delay never makes it smaller at once."""
        delay_ns = log_ns - newest_ns
        ahead_ns = 0 if self._newest_ns is None else newest_ns - self._newest_ns - passed_ns
        self._newest_ns = newest_ns
        if self._delay_ns is not None and delay_ns < self._delay_ns - CLOCK_STEP_NS and ahead_ns > CLOCK_STEP_NS:
            self.clock_set = True
        self._delay_ns = delay_ns if self._delay_ns is None else min(self._delay_ns, delay_ns)

    def behind_labels_ns(self, label_delay_ns: int | None) -> int:
        """How far the clock of the stamps is behind that of the labels now; 0 for less than `CLOCK_STEP_NS` [ns].

        Args:
            label_delay_ns: Time from the stamp of a label to its log time; None where that differs from label to label,
                so that the clock of the labels is not known [ns].
        """
        if label_delay_ns is None or self._delay_ns is None:
            return 0
        behind_ns = self._delay_ns - label_delay_ns
        return behind_ns if abs(behind_ns) > CLOCK_STEP_NS else 0

    def runs_twice(self, window: Window) -> bool:
        """Whether a window lies where time has run before, so that labels of both times hold for it."""
        if self._stream.clock_jumps != self._jumps:
            self.look(self._log_last_ns)
        if self._twice_from_ns is None or self._twice_until_ns is None:
            return False
        # Time that went back to before the first stamp, as from the time of recording to that of a simulation, is new.
        return window.end_ns >= self._twice_from_ns and window.start_ns <= self._twice_until_ns

    @property
    def spans(self) -> TimeSpans:
        """When the samples were taken and recorded."""
        return TimeSpans(self._first_ns, self._largest_ns, self._log_first_ns or 0, self._log_last_ns, self._jumps > 0)


def stream_faults(
    config: WindowConfig,
    stream: WindowStream,
    watch: TimeWatch,
    segments: Sequence[Segment],
    publishers: Mapping[str, int],
    *,
    any_window: bool,
    clock_set: int = 0,
) -> list[str]:
    """What the user should know of a recording's samples, one sentence each.

    Args:
        config: How the recording was cut.
        stream: The stream that cut it.
        watch: When its samples were taken and recorded.
        segments: The labels.
        publishers: Publishers of each topic, as far as the recording says.
        any_window: Whether a window was taken.
        clock_set: Windows left out because a clock was set.

    Raises:
        SurfaceError: The stamps are of no use, or most of them repeat the one before.
    """
    counters = stream.counters
    texts = time_faults(watch.spans, segments)
    if texts and (not any_window or _ALL_UNDER_ONE in texts[0]):
        raise SurfaceError('; '.join(texts))
    if text := repeated_stamps(config, counters):
        count = counters.samples + counters.duplicates + counters.out_of_order
        if config.repeated_stamps == 'refuse' and counters.duplicates > MOST_REPEATED * count:
            raise SurfaceError(text)
        texts.append(text)
    if counters.clock_jumps:
        texts.append(
            f'the stamps went back {counters.clock_jumps} times and ran on from there; windows where time runs twice '
            'were left out'
        )
    if clock_set:
        texts.append(
            f'the clock of the device was set while it was recorded: {clock_set} windows that have one label by their '
            'stamps and another by the time of recording were left out'
        )
    if counters.future:
        texts.append(f'{counters.future} samples were stamped far ahead of the others and dropped')
    if counters.second_source:
        texts.append('two sources publish motor currents on one topic; windows with samples of both were voided')
    for topic, text in stream.mixtures.items():
        known = f' ({publishers[topic]} publishers offered it)' if publishers.get(topic, 0) > 1 else ''
        texts.append(
            f'topic {topic!r}: {text}, as when two nodes publish it{known}; record the topic of one of them alone'
        )
    texts += [f'topic {name}: {text}' for name, text in stream.wraps.items()]
    return texts


def lost_windows(void_reasons: Mapping[str, int], counters: Mapping[str, int]) -> list[str]:
    """How many windows were lost for each reason, the most frequent first, one phrase each."""
    lost = {f'voided: {reason}': count for reason, count in void_reasons.items()}
    lost |= {text: counters[name] for name, text in _COUNTED.items() if counters.get(name)}
    return [f'{count} {text}' for text, count in sorted(lost.items(), key=lambda item: -item[1])]


def void_remedy(reason: str, rates: str) -> str:
    """What to do where most windows were voided for a reason.

    Args:
        reason: The reason, as in `WindowStream.void_reasons`.
        rates: Rates of the parts and their gap limits, in words.
    """
    if reason.endswith('(NaN)'):
        return (
            f'{reason}; leave such channels out of the channels file, or correct their source; where each message '
            'brings some of the channels, give each its own topic or part'
        )
    if reason.startswith('gaps') or reason == SILENCE:
        return f'{rates}; lower --sample-rate, or raise gap_limit_s in the channels file'
    return f'{reason}; record the topic with one publisher, or split the recording where it was started again'


def _moment(stamp_ns: int) -> str:
    return datetime.fromtimestamp(stamp_ns / NANOSECONDS, tz=timezone.utc).strftime('%Y-%m-%d %H:%M:%S')
