# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What a training goal writes: its names, and how what was left unfinished is removed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from current_driver.files.output_folders import remove_unfinished
from current_driver.files.result_files import remove_partial_files, write_result
from surface_classifier.data.json_values import finite
from surface_classifier.model.contract import CONTRACT_FILE


@dataclass(frozen=True)
class TrainFiles:
    """The files of one goal.

    Attributes:
        model: Folder of the model.
    """

    model: Path

    @property
    def dataset(self) -> Path:
        """Folder of the data set that is built from recordings."""
        return self.model.with_name(f'{self.model.name}.dataset')

    @property
    def diagnosis(self) -> Path:
        """JSON file of the diagnosis."""
        return self.model.with_name(f'{self.model.name}.diagnosis.json')

    @property
    def is_complete(self) -> bool:
        """Whether the model is there; it appears under its name when it is complete."""
        return (self.model / CONTRACT_FILE).is_file()

    def write_diagnosis(self, diagnosis: Mapping[str, Any]) -> None:
        """Put the diagnosis under its name, whole.

        Args:
            diagnosis: Plain values; NaN and infinite numbers, which JSON does not know, become null.

        Raises:
            SurfaceError: It cannot be written.
        """
        text = json.dumps(finite(diagnosis), indent=1, ensure_ascii=False, allow_nan=False) + '\n'
        write_result(self.diagnosis, text, 'diagnosis', parents=False)

    def remove_unfinished(self, pid: int, *, built_dataset: bool) -> None:
        """Remove what a process that has ended, or is about to, left unfinished.

        Args:
            pid: Its process id.
            built_dataset: Whether the data set is of its making; then it goes as well, unless the model was completed.
        """
        for path in (self.model, self.dataset):
            remove_unfinished(path, pid)
        remove_partial_files(self.diagnosis.resolve())
        if built_dataset and not self.is_complete:
            shutil.rmtree(self.dataset, ignore_errors=True)
