# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Results of folds on disk, so that an evaluation that was stopped goes on, and a repeated one is read.

A result is found again by a digest of all that it hangs on: the data set, the windows of training and test, the recipe,
the seed, and the source code of the subpackages that take part.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from current_driver.errors import SurfaceError
from current_driver.files.documents import DocumentError, read_json
from current_driver.files.result_files import write_result

_SUBPACKAGES = ('data', 'evaluation', 'model', 'signal', 'training')


class FoldCache:
    """A folder of results."""

    def __init__(self, folder: Path | str | None) -> None:
        """Use a folder, which is made.

        Args:
            folder: The folder; None: nothing is kept.

        Raises:
            SurfaceError: It cannot be made.
        """
        self._folder = None if folder is None else Path(folder)
        if self._folder is not None:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise SurfaceError(f'{folder}: results cannot be kept there ({error.strerror})') from error

    def load(self, key: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the result that was kept under a key; None if there is none, or it was damaged."""
        if self._folder is None:
            return None
        try:
            found: dict[str, Any] = read_json(self._file(key), not_finite=True)
        except DocumentError:
            return None
        return found

    def save(self, key: Mapping[str, Any], result: Mapping[str, Any]) -> None:
        """Keep a result, of JSON types, under a key."""
        if self._folder is None:
            return
        write_result(self._file(key), json.dumps(result), 'result of a fold')

    def _file(self, key: Mapping[str, Any]) -> Path:
        assert self._folder is not None
        text = json.dumps({**key, 'code': code_digest()}, sort_keys=True)
        return self._folder / f'{hashlib.sha256(text.encode()).hexdigest()}.json'


@cache
def code_digest() -> str:
    """Return the SHA-256 of the source code that results hang on."""
    digest = hashlib.sha256()
    package = Path(__file__).resolve().parents[1]
    for subpackage in _SUBPACKAGES:
        for file in sorted((package / subpackage).rglob('*.py')):
            digest.update(f'{file.relative_to(package)}\n'.encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()
