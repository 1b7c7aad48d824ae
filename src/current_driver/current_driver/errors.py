# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The one exception that every room raises for a user's bad input."""

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
