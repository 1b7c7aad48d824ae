# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What has been recorded so far, by surface, speed and turning, and what falls behind; pure counting.

A model that saw one surface only slow and another only fast learns the speed. Every surface should therefore be driven
as long as the others, at the same speeds, and with as many turns.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from surface_classifier.terminal.drive_motion import STANDING_BELOW_MPS, Motion

DEFAULT_SPEED_EDGES_MPS = (0.3, 0.6)
# Of what leads; below this share something falls behind.
BEHIND_SHARE = 0.5
RARE_RANGE_SHARE = 0.25
RARE_TURNING_SHARE = 0.1
# Nothing leads before it has so much [s].
LEAD_S = 20.0


@dataclass(frozen=True)
class Shortage:
    """Something that falls behind.

    Attributes:
        missing_s: How much of it would make up for it [s].
        text: One sentence for a person.
    """

    missing_s: float
    text: str


class Coverage:
    """Seconds of driving under each label.

    Attributes:
        surfaces: Names that are to be recorded, then others as they come.
        ranges: Names of the speed ranges; the first one is standing.
        seconds: Time under each label [s].
        by_range: Time under each label in each speed range, where the speed is known [s].
        turning: Time under each label in turns [s].
        knows_motion: Whether a speed was received so far.
    """

    def __init__(self, surfaces: Sequence[str], speed_edges_mps: Sequence[float] = DEFAULT_SPEED_EDGES_MPS) -> None:
        """Begin with nothing.

        Args:
            surfaces: Names that are to be recorded.
            speed_edges_mps: Speeds that part the ranges, rising [m/s].
        """
        self.surfaces = list(surfaces)
        self._edges_mps = (STANDING_BELOW_MPS, *speed_edges_mps)
        edges = [f'{edge:g}' for edge in speed_edges_mps]
        self.ranges = (
            'standing',
            *(
                f'{low} to {high} m/s' if low else f'to {high} m/s'
                for low, high in zip(['', *edges], edges, strict=False)
            ),
            f'over {edges[-1]} m/s' if edges else 'moving',
        )
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.by_range: defaultdict[str, list[float]] = defaultdict(lambda: [0.0] * len(self.ranges))
        self.turning: defaultdict[str, float] = defaultdict(float)
        self.knows_motion = False

    def add(self, surface: str, seconds: float, motion: Motion | None) -> None:
        """Count a stretch of driving.

        Args:
            surface: Its label; empty: it is not labelled, and does not count.
            seconds: How long it lasted [s].
            motion: What the robot did; None: unknown.
        """
        if not surface:
            return
        if surface not in self.surfaces:
            self.surfaces.append(surface)
        self.seconds[surface] += seconds
        if motion is None:
            return
        self.knows_motion = True
        self.by_range[surface][self.range_of(motion.speed_mps)] += seconds
        if motion.turning and motion.speed_mps >= STANDING_BELOW_MPS:
            self.turning[surface] += seconds

    def range_of(self, speed_mps: float) -> int:
        """Return the number of a speed's range."""
        return sum(speed_mps >= edge for edge in self._edges_mps)

    def is_behind(self, surface: str, part: int | None = None) -> bool:
        """Return whether a surface falls behind the leading one.

        Args:
            surface: The surface.
            part: In this speed range; None: in all.
        """
        values = {name: self.seconds[name] if part is None else self.by_range[name][part] for name in self.surfaces}
        lead_s = max(values.values(), default=0.0)
        return lead_s >= LEAD_S and values[surface] < BEHIND_SHARE * lead_s

    def shortages(self) -> list[Shortage]:
        """Return what falls behind: surfaces, speed ranges and turning; what misses most first."""
        found: list[Shortage] = []
        behind = {surface for surface in self.surfaces if self.is_behind(surface)}
        if behind:
            leader = max(self.surfaces, key=lambda name: self.seconds[name])
            lead_s = self.seconds[leader]
            for surface in self.surfaces:
                if surface in behind:
                    has_s = self.seconds[surface]
                    found.append(
                        Shortage(
                            BEHIND_SHARE * lead_s - has_s,
                            f'{surface} falls behind: {has_s:.0f} s, and {leader} has {lead_s:.0f} s',
                        )
                    )
        if self.knows_motion:
            found += self._range_shortages(behind) + self._turning_shortages(behind)
        return sorted(found, key=lambda shortage: -shortage.missing_s)

    def _range_shortages(self, behind: set[str]) -> list[Shortage]:
        found: list[Shortage] = []
        moving = range(1, len(self.ranges))
        totals_s = [sum(self.by_range[name][part] for name in self.surfaces) for part in range(len(self.ranges))]
        most = max(moving, key=lambda part: totals_s[part])
        for part in moving:
            wanted_s = RARE_RANGE_SHARE * totals_s[most]
            if totals_s[most] >= LEAD_S and totals_s[part] < wanted_s:
                found.append(
                    Shortage(
                        wanted_s - totals_s[part],
                        f'{self.ranges[part]} falls behind: {totals_s[part]:.0f} s, and {self.ranges[most]} has '
                        f'{totals_s[most]:.0f} s',
                    )
                )
                continue
            leader = max(self.surfaces, key=lambda name: self.by_range[name][part])
            lead_s = self.by_range[leader][part]
            found += [
                Shortage(
                    BEHIND_SHARE * lead_s - self.by_range[surface][part],
                    f'{surface} at {self.ranges[part]} falls behind: {self.by_range[surface][part]:.0f} s, and '
                    f'{leader} has {lead_s:.0f} s',
                )
                for surface in self.surfaces
                if surface not in behind and self.is_behind(surface, part)
            ]
        return found

    def _turning_shortages(self, behind: set[str]) -> list[Shortage]:
        moving_s = {name: sum(self.by_range[name][1:]) for name in self.surfaces}
        total_s, turning_s = sum(moving_s.values()), sum(self.turning.values())
        if total_s >= LEAD_S and turning_s < RARE_TURNING_SHARE * total_s:
            text = f'turning falls behind: {turning_s:.0f} s of {total_s:.0f} s; drive curves'
            return [Shortage(RARE_TURNING_SHARE * total_s - turning_s, text)]
        return [
            Shortage(
                RARE_TURNING_SHARE * moving_s[surface] - self.turning[surface],
                f'turning on {surface} falls behind: {self.turning[surface]:.0f} s of {moving_s[surface]:.0f} s; '
                'drive curves there',
            )
            for surface in self.surfaces
            if surface not in behind
            and moving_s[surface] >= LEAD_S
            and self.turning[surface] < RARE_TURNING_SHARE * moving_s[surface]
        ]
