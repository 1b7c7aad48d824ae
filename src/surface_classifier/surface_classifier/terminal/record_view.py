# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What a terminal shows while a drive is recorded: the label, seconds by surface and speed, and what falls behind.

`RecordState` is plain data that a node or a test fills; `render` draws it with rich.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.box import ROUNDED
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from surface_classifier.terminal.drive_motion import Motion
from surface_classifier.terminal.record_coverage import Coverage
from surface_classifier.terminal.watch_view import CLASS_COLOURS, UNKNOWN_COLOUR

SHORTAGES_SHOWN = 3
_SECONDS_WIDTH = 6


@dataclass
class RecordState:
    """Everything the view shows.

    Attributes:
        keys: Key of each surface.
        coverage: What has been recorded so far, over all recordings of this run.
        surface: Label that is set; empty: not labelled.
        recording: Folder of the recording in progress; empty when there is none.
        messages: Messages in it.
        recorded_s: Since it was started [s].
        motion: What the robot does; None: no topic carries it.
        motion_topic: The topic that carries it; empty: none.
        trouble: What the trainer reports as wrong; empty when all is well.
        notice: What was done last.
    """

    keys: dict[str, str]
    coverage: Coverage
    surface: str = ''
    recording: str = ''
    messages: int = 0
    recorded_s: float = 0.0
    motion: Motion | None = None
    motion_topic: str = ''
    trouble: str = ''
    notice: str = ''

    def colour_of(self, surface: str) -> str:
        """Colour of a surface; grey for none."""
        if not surface:
            return UNKNOWN_COLOUR
        known = [*self.keys, *(name for name in self.coverage.surfaces if name not in self.keys)]
        return CLASS_COLOURS[known.index(surface) % len(CLASS_COLOURS)] if surface in known else UNKNOWN_COLOUR

    def line(self) -> str:
        """The state in one plain line, for a terminal that cannot draw."""
        if not self.recording:
            return self.trouble or self.notice or 'not recording'
        seconds = ', '.join(f'{name} {self.coverage.seconds[name]:.0f} s' for name in self.coverage.surfaces)
        text = f'{self.recorded_s:7.0f} s  {self.surface or "not labelled":<14}'
        if self.motion is not None:
            text += f'  {self.motion.speed_mps:.2f} m/s{" turning" if self.motion.turning else ""}'
        text += f'  [{seconds}]'
        shortages = self.coverage.shortages()
        warning = self.trouble or (shortages[0].text if shortages else '')
        return f'{text}  warning: {warning}' if warning else text


def render(state: RecordState, width: int, title: str = 'surface record') -> RenderableType:
    """Draw the state.

    Args:
        state: What to draw.
        width: Width of the terminal [characters].
        title: Heading of the frame.
    """
    parts: list[RenderableType] = [_headline(state), Text(), _table(state, width), Text()]
    if state.trouble:
        parts.append(Text(state.trouble, style='bold red'))
    shortages = state.coverage.shortages()
    parts += [Text(f'! {shortage.text}', style='yellow') for shortage in shortages[:SHORTAGES_SHOWN]]
    if len(shortages) > SHORTAGES_SHOWN:
        parts.append(Text(f'  and {len(shortages) - SHORTAGES_SHOWN} more', style='yellow'))
    if state.notice:
        parts.append(Text(state.notice, style='dim'))
    # Inside the frame, where the line wraps: a narrow terminal would cut it off at the frame.
    parts += [Text(), Text('space: not labelled   r: stop or next recording   q: quit', style='dim')]
    return Panel(Group(*parts), title=title, title_align='left', box=ROUNDED, width=width)


def _headline(state: RecordState) -> Text:
    text = Text(no_wrap=True, overflow='ellipsis')
    if not state.recording:
        text.append(' NOT RECORDING ', style='bold #101010 on grey50')
        return text
    text.append(
        f' {(state.surface or "not labelled").upper()} ', style=f'bold #101010 on {state.colour_of(state.surface)}'
    )
    text.append('  ● ', style='bold red')
    text.append(f'{state.recorded_s:.0f} s  {state.messages} messages', style='bold')
    if state.motion is not None:
        text.append(f'  {state.motion.speed_mps:.2f} m/s')
        text.append('  turning' if state.motion.turning else '')
    text.append(f'  {state.recording}', style='dim')
    return text


def _table(state: RecordState, width: int) -> RenderableType:
    coverage = state.coverage
    table = Table.grid(padding=(0, 2))
    ranges, turning = _motion_columns(coverage, width)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    for _ in range(1 + len(ranges) + turning):
        table.add_column(justify='right', no_wrap=True)
    heads = ['key', 'surface', 'seconds', *ranges, *(['turning'] if turning else [])]
    table.add_row(*(Text(head, style='dim') for head in heads))
    for name in coverage.surfaces:
        chosen = bool(state.recording) and name == state.surface
        style = f'bold {state.colour_of(name)}' if chosen else ''
        cells = [
            Text(state.keys.get(name, ''), style='bold'),
            Text(f'{name} ◀' if chosen else name, style=style),
            _seconds(coverage.seconds[name], behind=coverage.is_behind(name)),
        ]
        if ranges:
            cells += [
                _seconds(seconds, behind=part > 0 and coverage.is_behind(name, part))
                for part, seconds in enumerate(coverage.by_range[name])
            ]
        if turning:
            cells.append(_seconds(coverage.turning[name], behind=False))
        table.add_row(*cells)
    if not coverage.knows_motion:
        table.add_row('', Text('speed: unknown', style='dim'))
    return table


def _motion_columns(coverage: Coverage, width: int) -> tuple[Sequence[str], bool]:
    """Return the speed ranges and whether to show turns: what fits beside the surfaces, all ranges or none."""
    if not coverage.knows_motion:
        return (), False
    surface = max([len('surface'), *(len(name) + 2 for name in coverage.surfaces)])
    left = width - 4 - sum(2 + column for column in (len('key'), surface, len('seconds')))
    ranges = sum(2 + max(len(name), _SECONDS_WIDTH) for name in coverage.ranges)
    turns = 2 + len('turning')
    if ranges + turns <= left:
        return coverage.ranges, True
    if ranges <= left:
        return coverage.ranges, False
    return (), turns <= left


def _seconds(seconds: float, *, behind: bool) -> Text:
    # Not by colour alone.
    return Text(f'{"! " if behind else ""}{seconds:.0f}', style='bold yellow' if behind else '')
