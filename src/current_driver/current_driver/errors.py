# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The exception that every subpackage raises for a user's bad input."""

from __future__ import annotations

from current_driver.files.plain_text import plain_text


class SurfaceError(Exception):
    """Bad input by the user: a file, a value or a setting that cannot be used.

    The message is one sentence for a person. It names the file, the value and the remedy. The `surface` command prints
    it and exits with status 2; a node puts it on `/diagnostics` and keeps running where it can. Errors of the program
    itself are never of this type. Escape codes and control characters, which a value may hold, are removed.
    """

    def __init__(self, message: str) -> None:
        """Take the sentence."""
        super().__init__(plain_text(message))


class MessageError(SurfaceError):
    """One message that cannot be used, while others of its topic may be: readers skip and count it.

    Attributes:
        reason: Why, in the same words for all messages of a kind.
    """

    def __init__(self, text: str, reason: str = '') -> None:
        """Describe the message.

        Args:
            text: What is wrong with this message.
            reason: See the class; the text itself when empty.
        """
        super().__init__(text)
        self.reason = reason or text


class DamagedMessageError(MessageError):
    """A message whose content is ambiguous or damaged. Only a small fraction of a topic's messages may be so."""


class RefusedMessageError(SurfaceError):
    """A message that cannot be stored; the recording goes on without it."""
