# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Presets: how windows are cut from the messages of well-known robots, one YAML file each.

A preset is a window configuration with notes on what the robot really measures:

    about:
      robot: iRobot Create 3, TurtleBot 4
      quantity: motor current     # what the channels are; `torque at the joint` where it is no current
      source_unit: mA             # what the message holds; the channels' scale leads to SI units
      stamp: header               # header, or receipt where the message carries no stamp
      note: ...

Its rate is the robot's usual one; topics, names of joints and rates are changed in a copy.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from pathlib import Path

from current_driver.errors import SurfaceError
from current_driver.files.documents import parse_yaml
from surface_classifier.signal.window_config import WindowConfig

HEADER_STAMP, RECEIPT_STAMP = 'header', 'receipt'


@dataclass(frozen=True)
class PresetNotes:
    """What a preset says of the robot.

    Attributes:
        robot: Which robots it is for.
        quantity: What the channels are, such as `motor current` or `torque at the joint`.
        source_unit: Unit of the numbers in the message.
        stamp: `header` when the message says when it was measured, `receipt` when the time of receipt stands in.
        note: What else one must know, such as signs and rates.
    """

    robot: str
    quantity: str
    source_unit: str
    stamp: str
    note: str

    @property
    def is_current(self) -> bool:
        """Whether the channels are currents, of motors, drives or a battery."""
        return 'current' in self.quantity


@cache
def preset_names() -> tuple[str, ...]:
    """Names of the presets, sorted."""
    names = (entry.name for entry in (resources.files(__package__) / 'presets').iterdir())
    return tuple(sorted(name.removesuffix('.yaml') for name in names if name.endswith('.yaml')))


def preset_text(name: str) -> str:
    """The YAML of a preset, comments included, to copy and change.

    Raises:
        SurfaceError: There is no preset of this name.
    """
    if name not in preset_names():
        raise SurfaceError(f'there is no preset {name!r}; the presets are {", ".join(preset_names())}')
    return (resources.files(__package__) / 'presets' / f'{name}.yaml').read_text(encoding='utf-8')


@cache
def preset_config(name: str) -> WindowConfig:
    """The window configuration of a preset.

    Raises:
        SurfaceError: There is no preset of this name.
    """
    return WindowConfig.from_yaml_text(preset_text(name), f'preset {name}')


@cache
def preset_notes(name: str) -> PresetNotes:
    """What a preset says of the robot.

    Raises:
        SurfaceError: There is no preset of this name.
    """
    about = parse_yaml(preset_text(name), f'preset {name}')['about']
    return PresetNotes(**{item.name: str(about[item.name]) for item in fields(PresetNotes)})


def load_windows(source: str | Path) -> WindowConfig:
    """The window configuration of a YAML file, or of a preset.

    Args:
        source: Path of the file, which goes first, or name of the preset.

    Raises:
        SurfaceError: It is neither, or the file holds a value that cannot be used.
    """
    path = Path(source)
    if path.exists() or path.suffix in ('.yaml', '.yml') or len(path.parts) != 1:
        return WindowConfig.from_yaml(path)
    if str(source) in preset_names():
        return preset_config(str(source))
    raise SurfaceError(
        f'{source}: there is no such file and no such preset; the presets are {", ".join(preset_names())}'
    )
