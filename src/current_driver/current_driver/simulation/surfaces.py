# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The six simulated surfaces: what each does to a wheel that rolls over it.

The numbers are chosen, not measured. Rolling resistance and roughness are of the order that textbooks give for small
pneumatic wheels; their spread between the surfaces is kept small on purpose, so that load, slope and sensor gain hide
the surface from the mean current and a classifier must look at how the current varies (see
`test_simulator_difficulty.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

from current_driver.errors import SurfaceError


@dataclass(frozen=True)
class Surface:
    """What a surface does to a wheel. Forces are shares of the wheel's load [1].

    Attributes:
        name: As a person names it.
        rolling_resistance: Rolling resistance coefficient at rest [1].
        speed_resistance: Growth of the rolling resistance with speed [s/m].
        scrub: Friction coefficient of the lateral scrubbing in a turn [1].
        roughness: Standard deviation of the texture's force at 1 m/s [1].
        texture_length_m: Wavelength below which the texture's spectrum falls off [m].
        texture_slope: How steeply it falls off, exponent of the power spectrum [1].
        speed_exponent: The texture's force grows with this power of the speed [1].
        joint_spacing_m: Distance between joints (grout, plank ends); 0: none [m].
        joint_force: Peak force of a joint at 1 m/s [1].
        stones_per_m: Loose stones and tufts run over [1/m].
        stone_force: Mean peak force of one at 1 m/s [1].
    """

    name: str
    rolling_resistance: float
    speed_resistance: float
    scrub: float
    roughness: float
    texture_length_m: float
    texture_slope: float
    speed_exponent: float
    joint_spacing_m: float = 0.0
    joint_force: float = 0.0
    stones_per_m: float = 0.0
    stone_force: float = 0.0


SURFACES: dict[str, Surface] = {
    surface.name: surface
    for surface in (
        Surface('carpet', 0.023, 0.010, 0.025, 0.026, 0.25, 2.0, 0.6),
        Surface('concrete', 0.018, 0.004, 0.018, 0.021, 0.03, 1.5, 0.8),
        Surface('grass', 0.027, 0.008, 0.020, 0.045, 0.40, 2.0, 0.5, stones_per_m=1.0, stone_force=0.05),
        Surface('gravel', 0.026, 0.006, 0.016, 0.036, 0.04, 1.5, 0.8, stones_per_m=6.0, stone_force=0.07),
        Surface('parquet', 0.017, 0.003, 0.017, 0.010, 0.20, 2.0, 0.8, joint_spacing_m=0.8, joint_force=0.07),
        Surface('tiles', 0.018, 0.003, 0.018, 0.010, 0.05, 2.0, 0.8, joint_spacing_m=0.2, joint_force=0.10),
    )
}


def find_surfaces(names: tuple[str, ...]) -> tuple[Surface, ...]:
    """Return surfaces by name.

    Raises:
        SurfaceError: No name is given, one is unknown or given twice.
    """
    if not names:
        raise SurfaceError(f'no surface is given; there are {", ".join(SURFACES)}')
    for name in names:
        if name not in SURFACES:
            raise SurfaceError(f'unknown surface {name!r}; there are {", ".join(SURFACES)}')
        if names.count(name) > 1:
            raise SurfaceError(f'surface {name!r} is given twice')
    return tuple(SURFACES[name] for name in names)
