# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Labels from a joystick: which button stands for which surface, and when one is pressed; free of ROS."""

from __future__ import annotations

from collections.abc import Sequence

from current_driver.errors import SurfaceError
from current_driver.files.documents import parse_yaml

_EXAMPLE = "'{button: 0, surface: gravel}'"


class JoyLabels:
    """Buttons that set the label.

    Attributes:
        surfaces: Surface of each button; an empty name: not labelled from then on.
    """

    def __init__(self, entries: Sequence[str]) -> None:
        """Parse parameters.

        Args:
            entries: A YAML flow mapping for each button: {button, surface}; without a surface: not labelled from then
                on.

        Raises:
            SurfaceError: One is not such a mapping, or a button is there twice.
        """
        self.surfaces: dict[int, str] = {}
        self._held: frozenset[int] = frozenset()
        for entry in entries:
            button, surface = _parse(entry)
            if button in self.surfaces:
                raise SurfaceError(f'joy_buttons: button {button} is there twice; leave one of the entries out')
            self.surfaces[button] = surface

    def pressed(self, buttons: Sequence[int]) -> str | None:
        """Return the surface of a button that went down since the last message, None when none did.

        A button that is held down counts once. Of several that go down at once the first of the parameters counts.

        Args:
            buttons: Of `sensor_msgs/Joy`: 1 for each button that is down, else 0.
        """
        down = frozenset(number for number, state in enumerate(buttons) if state)
        fresh = down - self._held
        self._held = down
        return next((surface for button, surface in self.surfaces.items() if button in fresh), None)


def _parse(entry: str) -> tuple[int, str]:
    value = parse_yaml(entry, f'joy_buttons: {entry!r}', f'write {_EXAMPLE}')
    if not isinstance(value, dict) or 'button' not in value or not value.keys() <= {'button', 'surface'}:
        raise SurfaceError(f'joy_buttons: {entry!r} must have button, and surface where it sets one; write {_EXAMPLE}')
    button, surface = value['button'], value.get('surface')
    if not isinstance(button, int) or isinstance(button, bool) or button < 0:
        raise SurfaceError(f'joy_buttons: {entry!r}: the button must be its number, from 0; write {_EXAMPLE}')
    if surface is not None and not isinstance(surface, str):
        raise SurfaceError(f'joy_buttons: {entry!r}: the surface must be a name; write {_EXAMPLE}')
    return button, surface or ''
