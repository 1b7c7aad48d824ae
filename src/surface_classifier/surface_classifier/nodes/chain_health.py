# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The health of preprocessor, classifier and trainer: pure functions from counters to level, text and values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from current_driver.node.health import Health, Level
from surface_classifier.nodes.window_watch import Overdue

# A publisher that is there is found and heard sooner.
FIRST_MESSAGE_S = 1.5
FIRST_WINDOW_MARGIN_S = 0.7


def silent_topics(
    ages_s: Mapping[str, float | None],
    timeout_s: float,
    uptime_s: float,
    *,
    deadlines_s: Mapping[str, float] | None = None,
    first_s: float = math.inf,
) -> str:
    """Say which topics have been silent for too long; empty when none has.

    Args:
        ages_s: Time since the last message of every topic, None when none ever came [s].
        timeout_s: Longest time that is no cause for concern [s].
        uptime_s: Time since the node began to listen [s].
        deadlines_s: Shorter times, learned from the messages of a topic [s].
        first_s: A shorter time for the first message [s].
    """
    limits_s = {topic: min(timeout_s, (deadlines_s or {}).get(topic, timeout_s)) for topic in ages_s}
    never = [topic for topic, age_s in ages_s.items() if age_s is None and uptime_s > min(timeout_s, first_s)]
    silent = [topic for topic, age_s in ages_s.items() if age_s is not None and age_s > limits_s[topic]]
    parts = []
    if never:
        parts.append(
            f'nothing was ever received on {", ".join(never)}; check that it is published with this type and name'
        )
    if silent:
        for limit_s in sorted({limits_s[topic] for topic in silent}):
            names = ', '.join(topic for topic in silent if limits_s[topic] == limit_s)
            parts.append(f'nothing was received on {names} for more than {round(limit_s, 2):g} s')
    return '; '.join(parts)


@dataclass(frozen=True)
class PreprocessorState:
    """What the preprocessor has seen and done.

    Attributes:
        fault: Why it cannot work at all; empty when it can.
        topics: Type of every input topic.
        ages_s: Time since the last message of every input topic, None when none ever came [s].
        deadlines_s: Silence after which the sender of an input topic has stopped, as learned from its messages [s].
        input_timeout_s: Longest silence that is no cause for concern [s].
        uptime_s: Time since the node began to listen [s].
        counters: Counters of the window stream by name.
        void_reasons: Windows voided for each reason.
        clock_jumps: Jumps of the node's clock back, each of which cleared the buffers; those that the stream finds in
            the stamps are among its counters.
        wrong_rates: Parts whose observed rate does not suit their configuration, one sentence each.
        waiting_windows: Lossless: windows cut and not yet published.
        settings: What it was started with, such as window and channels.
        overdue: Windows that should have come while inputs arrive.
        refused_messages: Topics of which too many messages cannot be used, one sentence each.
        publishers: Publishers by name of every input topic that is subscribed.
        lasting: Of these, those that have been there for so long that none is left over from a killed process.
        mixtures: Topics whose newest samples are those of two sources, and how that shows.
        wraps: Channels whose values are whole numbers that wrap around, with the remedy.
        twins: Other lasting publishers of the topic of windows.
        window_topic: Name of that topic.
    """

    fault: str = ''
    topics: Mapping[str, str] = field(default_factory=dict)
    ages_s: Mapping[str, float | None] = field(default_factory=dict)
    deadlines_s: Mapping[str, float] = field(default_factory=dict)
    input_timeout_s: float = 2.0
    uptime_s: float = 0.0
    counters: Mapping[str, object] = field(default_factory=dict)
    void_reasons: Mapping[str, int] = field(default_factory=dict)
    clock_jumps: int = 0
    wrong_rates: tuple[str, ...] = ()
    waiting_windows: int = 0
    settings: Mapping[str, object] = field(default_factory=dict)
    overdue: Overdue | None = None
    refused_messages: tuple[str, ...] = ()
    publishers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lasting: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    mixtures: Mapping[str, str] = field(default_factory=dict)
    wraps: Mapping[str, str] = field(default_factory=dict)
    twins: tuple[str, ...] = ()
    window_topic: str = ''


def preprocessor_health(state: PreprocessorState) -> Health:
    """Return the preprocessor's health."""
    values: dict[str, object] = {
        **state.settings,
        **state.counters,
        'clock_jumps': state.clock_jumps + int(str(state.counters.get('clock_jumps', 0))),
        'waiting_windows': state.waiting_windows,
    }
    for topic, age_s in state.ages_s.items():
        values[f'age of {topic} [s]'] = 'never received' if age_s is None else f'{age_s:.1f}'
    for topic, names in state.publishers.items():
        values[f'publishers of {topic}'] = ', '.join(names)
    for reason, count in state.void_reasons.items():
        values[f'voided: {reason}'] = count
    if state.fault:
        return Health(Level.ERROR, state.fault, values)
    if doubled := _doubled(state):
        return Health(doubled[0], doubled[1], values)
    if state.refused_messages:
        return Health(Level.ERROR, '; '.join(state.refused_messages), values)
    silent = silent_topics(
        state.ages_s,
        state.input_timeout_s,
        state.uptime_s,
        deadlines_s=state.deadlines_s,
        first_s=FIRST_MESSAGE_S,
    )
    if silent:
        return Health(Level.WARN, silent, values)
    if state.overdue is not None:
        return Health(state.overdue.level, state.overdue.text, values)
    if state.wrong_rates:
        return Health(Level.WARN, '; '.join(state.wrong_rates), values)
    if state.wraps:
        return Health(Level.WARN, '; '.join(f'topic {name}: {text}' for name, text in state.wraps.items()), values)
    return Health(Level.OK, 'cutting windows', values)


def _doubled(state: PreprocessorState) -> tuple[Level, str] | None:
    """Two sources of one input, or two preprocessors of one topic of windows.

    A publisher that was killed is still in the graph for about 20 s: what the samples show is an error, what the graph
    shows alone a warning, when it lasts.
    """
    for topic, text in state.mixtures.items():
        names = state.publishers.get(topic, ())
        if len(names) < 2:
            return Level.WARN, f'{topic}: {text}, as when two nodes publish it; check who does'
        return Level.ERROR, (
            f'{len(names)} nodes publish {topic}: {", ".join(names)}, and {text}; windows that hold samples of both '
            'are voided; stop one of them, or give it another topic'
        )
    if state.twins:
        return Level.WARN, twin_text(state.twins, state.window_topic, 'labels would be of either')
    for topic, names in state.lasting.items():
        if len(names) > 1:
            return Level.WARN, (
                f'{len(names)} nodes publish {topic}: {", ".join(names)}; stop one of them, or give it another topic'
            )
    return None


def twin_text(twins: tuple[str, ...], topic: str, consequence: str) -> str:
    """Name the nodes that publish the output of a node beside it."""
    return f'{", ".join(twins)} also publishes {topic}: {consequence}; stop one of the nodes, or give it another topic'


@dataclass(frozen=True)
class ClassifierState:
    """What the classifier has seen and done.

    Attributes:
        fault: Why there is no model or why it cannot take the windows; empty when it can.
        model: Folder of the model in use; empty when there is none.
        model_digest: SHA-256 of its weights.
        engine: What runs it where, such as `onnx on cpu`.
        age_s: Time since the last window, None when none ever came [s].
        deadline_s: Silence after which no more windows are expected, as learned from them [s].
        first_window_s: Length of the first window [s].
        input_timeout_s: Longest silence that is no cause for concern [s].
        uptime_s: Time since the node began to listen [s].
        received: Windows received.
        labels: Labels published.
        dropped: Windows dropped because the queue was full.
        newly_dropped: Of these, since the last report.
        late: Windows that came in a burst long after they were cut, and were not labelled.
        newly_late: Of these, since the last report.
        refused: Windows that were not of the model's configuration.
        queue: Windows waiting now.
        inference_ms: Mean time the model took over the last labels; NaN before the first [ms].
        twins: Other lasting publishers of the topic of labels.
        label_topic: Name of that topic.
    """

    fault: str = ''
    model: str = ''
    model_digest: str = ''
    engine: str = ''
    age_s: float | None = None
    deadline_s: float = math.inf
    first_window_s: float = math.inf
    input_timeout_s: float = 5.0
    uptime_s: float = 0.0
    received: int = 0
    labels: int = 0
    dropped: int = 0
    newly_dropped: int = 0
    late: int = 0
    newly_late: int = 0
    refused: int = 0
    queue: int = 0
    inference_ms: float = float('nan')
    twins: tuple[str, ...] = ()
    label_topic: str = ''


_NOT_REPORTED = (
    *('fault', 'newly_dropped', 'newly_late', 'input_timeout_s', 'uptime_s', 'deadline_s', 'first_window_s'),
    *('twins', 'label_topic'),
)


def classifier_health(state: ClassifierState) -> Health:
    """Return the classifier's health."""
    values = asdict(state)
    for name in _NOT_REPORTED:
        del values[name]
    values['age_s'] = 'never received' if state.age_s is None else f'{state.age_s:.1f}'
    if state.fault:
        return Health(Level.ERROR, state.fault, values)
    if state.twins:
        text = twin_text(state.twins, state.label_topic, 'a reader gets the labels of both')
        return Health(Level.WARN, text, values)
    if not state.model:
        return Health(Level.WARN, 'no model is loaded; set parameter model or call ~/load_model', values)
    if state.newly_dropped:
        return Health(
            Level.WARN,
            'windows are dropped, because the model is slower than they come; use a longer stride, a smaller model '
            'or a faster device',
            values,
        )
    if state.newly_late:
        return Health(
            Level.WARN,
            'windows came in a burst long after they were cut and are not labelled; a process of the chain was held up',
            values,
        )
    silent = silent_topics(
        {'current_window': state.age_s},
        state.input_timeout_s,
        state.uptime_s,
        deadlines_s={'current_window': state.deadline_s},
        first_s=max(FIRST_MESSAGE_S, state.first_window_s + FIRST_WINDOW_MARGIN_S),
    )
    if silent:
        return Health(Level.WARN, silent, values)
    return Health(Level.OK, 'labelling', values)


@dataclass(frozen=True)
class TrainerState:
    """What the trainer has seen and done.

    Attributes:
        fault: Why nothing can be recorded; empty when it can.
        stopped: Why the last recording ended before it was stopped, until the next one; empty when it did not.
        recording: Folder of the recording in progress; empty when there is none.
        messages: Messages in it.
        refused: Messages that cannot be recorded because of their stamps, by topic.
        damaged: Messages that are recorded although they cannot be decoded, by topic.
        recorded_s: Time since it was started [s].
        surface: Label that is set; empty: not labelled.
        ages_s: Time since the last message of every recorded topic, None when none ever came [s].
        deadlines_s: Silence after which the sender of a recorded topic has stopped, as learned from its messages [s].
        unresolved: Topics whose type is not known yet, because nobody publishes them.
        input_timeout_s: Longest silence that is no cause for concern [s].
        uptime_s: Time since the node began to listen [s].
        training: Stage of the training run in progress; empty when there is none.
    """

    fault: str = ''
    stopped: str = ''
    recording: str = ''
    messages: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    damaged: Mapping[str, int] = field(default_factory=dict)
    recorded_s: float = 0.0
    surface: str = ''
    ages_s: Mapping[str, float | None] = field(default_factory=dict)
    deadlines_s: Mapping[str, float] = field(default_factory=dict)
    unresolved: tuple[str, ...] = ()
    input_timeout_s: float = 2.0
    uptime_s: float = 0.0
    training: str = ''


def trainer_health(state: TrainerState) -> Health:
    """Return the trainer's health."""
    values: dict[str, object] = {
        'recording': state.recording,
        'messages': state.messages,
        'refused': _counts(state.refused),
        'damaged': _counts(state.damaged),
        'recorded [s]': f'{state.recorded_s:.1f}',
        'surface': state.surface,
        'training': state.training,
    }
    for topic, age_s in state.ages_s.items():
        values[f'age of {topic} [s]'] = 'never received' if age_s is None else f'{age_s:.1f}'
    if state.fault or state.stopped:
        return Health(Level.ERROR, state.fault or state.stopped, values)
    if state.recording and state.unresolved and state.recorded_s > state.input_timeout_s:
        return Health(
            Level.WARN,
            f'recording, but nobody publishes {", ".join(state.unresolved)}; start the driver or correct the topics',
            values,
        )
    if state.refused:
        return Health(
            Level.WARN,
            f'recording, but messages of {", ".join(state.refused)} are left out, because their stamps are negative or '
            'too large; correct the clock of their sender',
            values,
        )
    if state.damaged:
        return Health(
            Level.WARN,
            f'recording, but messages of {", ".join(state.damaged)} cannot be decoded and are recorded as they came; '
            'correct their sender',
            values,
        )
    silent = silent_topics(state.ages_s, state.input_timeout_s, state.uptime_s, deadlines_s=state.deadlines_s)
    if state.recording and silent:
        return Health(Level.WARN, f'recording, but {silent}', values)
    if state.recording:
        return Health(Level.OK, 'recording', values)
    return Health(Level.OK, 'training' if state.training else 'ready', values)


def _counts(numbers: Mapping[str, int]) -> str:
    return ', '.join(f'{name}: {number}' for name, number in numbers.items())
