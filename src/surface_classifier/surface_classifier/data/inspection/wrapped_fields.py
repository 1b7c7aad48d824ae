# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Fields of a recording whose values are whole numbers that wrap around."""

from __future__ import annotations

from current_driver.errors import SurfaceError
from current_driver.messages import SURFACE_TRUTH
from current_driver.recordings.reading.recording_reader import RecordingReader
from surface_classifier.data.inspection.topic_log import LONGEST_READ_BYTES, TopicLog
from surface_classifier.signal.value_checks.wrapped_numbers import jumps_far, wrap_of

# Messages of a topic that are looked at: a minute of 100 Hz.
MOST_MESSAGES = 6000


def wrapped_fields(reader: RecordingReader) -> list[str]:
    """Find the fields whose values wrap, one sentence each, with the remedy.

    Topics that cannot be decoded are left out: what reads their values says why.

    Args:
        reader: The open recording.
    """
    texts = []
    for topic, msgtype in reader.topics.items():
        if msgtype == SURFACE_TRUTH:
            continue
        log = TopicLog(topic, msgtype)
        try:
            for stamped, message in reader.decoded([topic], lambda *_: None):
                if log.count >= MOST_MESSAGES or len(stamped.cdr) > LONGEST_READ_BYTES:
                    break
                log.add(message, stamped.stamp_ns)
        except SurfaceError:
            continue
        for series in log.series():
            wrap = wrap_of(series.values, 0.0) if jumps_far(series.values) else None
            if wrap is not None:
                texts.append(f'{reader.path}: topic {topic}, field {series.path}: {wrap.text}')
    return texts
