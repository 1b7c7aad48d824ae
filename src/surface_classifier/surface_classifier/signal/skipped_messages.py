# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Messages that are skipped and counted: the same policy live and offline.

A message that lacks the configured elements (joints of another publisher, efforts that are not filled yet) is skipped,
however many there are, as long as others of its topic can be used. A message that is damaged (it cannot be decoded, or
does not say which of its values is meant) is skipped, too, but only a small fraction of a topic may be so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from current_driver.errors import DamagedMessageError, MessageError, SurfaceError

# Largest fraction of a topic's messages that may be damaged.
MOST_DAMAGED = 0.1
# So many messages of a topic are awaited before the fraction says anything live.
LEAST_MESSAGES = 20
# Reasons that are kept: a text that differs each time must not fill the memory.
MOST_REASONS = 50


@dataclass
class TopicTally:
    """What became of the messages of one topic.

    Attributes:
        used: Messages that were read.
        lacking: Messages skipped because they lack the configured elements.
        damaged: Messages skipped because they cannot be decoded or are ambiguous.
        reasons: How many were skipped for each reason.
    """

    used: int = 0
    lacking: int = 0
    damaged: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def skipped(self) -> int:
        """Messages that were skipped."""
        return self.lacking + self.damaged

    @property
    def reason(self) -> str:
        """The most frequent reason; empty when none was skipped."""
        return self.reasons.most_common(1)[0][0] if self.reasons else ''


class SkippedMessages:
    """Counts the messages of each topic that are used and skipped."""

    def __init__(self) -> None:
        """Count from 0."""
        self._topics: dict[str, TopicTally] = {}

    @property
    def topics(self) -> Mapping[str, TopicTally]:
        """The counts by topic."""
        return self._topics

    @property
    def skipped(self) -> int:
        """Messages that were skipped, all topics together."""
        return sum(tally.skipped for tally in self._topics.values())

    def use(self, topic: str) -> None:
        """Count a message that is read."""
        self._tally(topic).used += 1

    def used(self, topic: str) -> int:
        """Return how many messages of a topic were read."""
        tally = self._topics.get(topic)
        return tally.used if tally is not None else 0

    def skip(self, topic: str, error: MessageError) -> None:
        """Count a message that is skipped, with the reason."""
        tally = self._tally(topic)
        if isinstance(error, DamagedMessageError):
            tally.damaged += 1
        else:
            tally.lacking += 1
        text = error.reason
        if text in tally.reasons or len(tally.reasons) < MOST_REASONS:
            tally.reasons[text] += 1

    def refusals(self, least: int = 1) -> list[str]:
        """Why topics cannot be used: no message of one can be read, or too many are damaged; one sentence each.

        Args:
            least: Topics with fewer messages are not judged.
        """
        texts = []
        for topic, tally in self._topics.items():
            count = tally.used + tally.skipped
            if count < least:
                continue
            if not tally.used:
                texts.append(f'none of {count} messages of topic {topic!r} can be used: {tally.reason}')
            elif tally.damaged > MOST_DAMAGED * count:
                texts.append(
                    f'{tally.damaged} of {count} messages of topic {topic!r} are damaged, more than '
                    f'{100 * MOST_DAMAGED:g} %: {tally.reason}'
                )
        return texts

    def check(self) -> None:
        """Refuse topics that cannot be used, after the last message.

        Raises:
            SurfaceError: No message of a topic can be used, or too many are damaged.
        """
        if texts := self.refusals():
            raise SurfaceError('; '.join(texts))

    def warnings(self) -> list[str]:
        """What was skipped and why, one sentence for each topic."""
        return [
            f'{tally.skipped} of {tally.used + tally.skipped} messages of topic {topic!r} were skipped, most of them '
            f'because: {tally.reason}'
            for topic, tally in self._topics.items()
            if tally.skipped
        ]

    def _tally(self, topic: str) -> TopicTally:
        found = self._topics.get(topic)
        if found is None:
            found = self._topics[topic] = TopicTally()
        return found
