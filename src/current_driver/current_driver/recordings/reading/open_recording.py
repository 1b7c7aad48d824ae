# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Open any recording: a rosbag2 bag of either storage, or a CSV file."""

from __future__ import annotations

from pathlib import Path

from current_driver.errors import SurfaceError
from current_driver.files.output_folders import complete_replacement
from current_driver.optional_packages import BAG_PACKAGES, environment_remedy, install_command, missing_packages
from current_driver.recordings.reading.csv_reader import ColumnsConfig
from current_driver.recordings.reading.recording_reader import RecordingReader, recording_base_ns


def open_recording(
    path: str | Path, columns: ColumnsConfig | str | Path | None = None, base_ns: int | None = None
) -> RecordingReader:
    """Open a recording.

    Args:
        path: A rosbag2 folder, an `.mcap`, `.db3` or `.csv` file.
        columns: What the columns of a CSV file are, or the YAML file that says so; None: by their names.
        base_ns: Stamp that time 0 of a CSV file gets; None: `recording_base_ns(0)` [ns].

    Raises:
        SurfaceError: There is no such recording, or it cannot be read.
    """
    # Each reader builds on this module, and a reader's dependencies are loaded only where it is used.
    path = Path(path)
    complete_replacement(path)
    if not path.exists():
        raise SurfaceError(f'{path}: no such recording; give a rosbag2 folder or an .mcap, .db3 or .csv file')
    if path.suffix.lower() == '.csv' and path.is_file():
        from current_driver.recordings.reading.csv_reader import ColumnsConfig, CsvReader

        if columns is not None and not isinstance(columns, ColumnsConfig):
            columns = ColumnsConfig.from_yaml(columns)
        return CsvReader(path, columns, recording_base_ns(0) if base_ns is None else base_ns)

    require_bag_packages(path)
    from current_driver.recordings.reading.bag_reader import BagReader

    return BagReader(path)


def require_bag_packages(path: str | Path) -> None:
    """Refuse to go on where a package that reads bags is missing.

    Args:
        path: The bag, for the message.

    Raises:
        SurfaceError: Some are missing, with the command that installs them.
    """
    missing = missing_packages(BAG_PACKAGES)
    if missing:
        raise SurfaceError(
            f'{path}: reading bags needs packages that are not installed: {", ".join(missing)}; '
            f'{environment_remedy(install_command(missing))}'
        )
