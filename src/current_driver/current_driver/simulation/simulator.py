# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""A differential-drive robot with DC motors on a floor: its motor currents, computed, seeded and the same every time.

The robot follows a drive plan (speed v, yaw rate w, slope a) over a schedule of surfaces. For every wheel i on the side
s (-1 left, +1 right) with the lateral distance b/2 from the robot's centre:

Kinematics [1]
    v_i = v + s w b/2,   x_i = integral of v_i

Force at the wheel's rim, with load N_i = share_i m g [2]
    rolling     N_i (c_rr + c_v |v_i|) tanh(v_i / v_0)
    texture     N_i p(x_i) |v_i|^k tanh(v_i / v_0)
    body        share_i m (dv/dt + s b/2 dw/dt + g sin a), with the rotors' inertia in m
    scrubbing   s M_w / (b n_s),   M_w = mu m g L / 4 / (0.925 + 0.15 |v / w| / b) tanh(w / w_0), n_s wheels a side

The texture p(x) of a surface is a sample function in space, so its frequencies follow the speed: Gaussian noise with
the power spectrum 1 / (1 + (n l)^2)^(q/2) over the wavenumber n, made by the spectral representation [3] in the form
that road profiles are given in [4], smoothed over the contact patch, plus joints at even distances (a wheel drops in
and climbs out) and stones at random ones (a wheel climbs over). It repeats after some 650 m.

Motor, with gear ratio G, efficiency e, wheel radius r, torque constant k_t [5]
    torque      T_i = F_i r / (G e), i.e. the current I_i = T_i / k_t + I_f tanh(v_i / v_0) + d omega_i
    winding     first-order lag with the time constant of the speed loop
    supply      V = V_0 (0.86 + 0.14 charge) - R_b sum I,   |I_i| at most (V - k_e omega_i) / R
    ripple      I_i (1 + h cos(Z theta_i)) with Z commutations a turn, brush noise I_i n(t), and the PWM's
                V D (1 - D) / (L_a f) at a random phase, D the duty cycle [6]

Sensor
    measured = quantised(gain_i I_i + offset_i + noise)

What differs from drive to drive (seeded, or set in the configuration): gain and offset of every sensor, payload and the
side it leans to, charge of the battery, state of the bearings (friction), the manoeuvres, the order of the surfaces,
and the floors: another place, and another roughness of its kind.

How hard the task is (windows of 1 s every 0.5 s, drives of 3 min, balanced accuracy on eight unseen drives): the
nearest mean current reaches 0.25 to 0.30, a linear discriminant on ten features (`hand_features`) 0.81 to 0.85.

Sources: [1] Siegwart, Nourbakhsh, Scaramuzza, Introduction to Autonomous Mobile Robots, 2011. [2] Wong, Theory of
Ground Vehicles, 2008: rolling resistance, and the moment of turning resistance mu W L / 4; the empirical fall of mu
with the turning radius is the usual one of tracked vehicle design. [3] Shinozuka, Deodatis, Simulation of stochastic
processes by spectral representation, Applied Mechanics Reviews 44, 1991. [4] ISO 8608, Road surface profiles. [5]
Krishnan, Electric Motor Drives, 2001. [6] Mohan, Undeland, Robbins, Power Electronics, 2003. The parameters are of the
order of a 30 kg indoor robot's; they were chosen, not measured on one.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from current_driver.errors import SurfaceError
from current_driver.messages import NANOSECONDS, CurrentBlock
from current_driver.recordings.reading.recording_reader import recording_base_ns
from current_driver.simulation.drive_plan import DrivePlan, Motion, PlanParameters, SurfaceSchedule
from current_driver.simulation.low_pass import low_pass
from current_driver.simulation.surfaces import SURFACES, Surface, find_surfaces

Values = NDArray[np.float64]

GRAVITY_MPS2 = 9.81
CHUNK_SECONDS = 4.0
MOTOR_NAMES: dict[int, tuple[str, ...]] = {
    1: ('drive',),
    2: ('left', 'right'),
    4: ('front_left', 'front_right', 'rear_left', 'rear_right'),
}

_REST_SPEED_MPS = 0.02
_REST_YAW_RATE_RADPS = 0.05
_PROFILE_CELLS = 2**16
_PROFILE_CELL_M = 0.01


@dataclass(frozen=True)
class RobotParameters:
    """The simulated robot; ranges are what drives differ in.

    Attributes:
        mass_kg: Without payload [kg].
        track_m: Lateral distance of the wheels, b [m].
        wheelbase_m: Length over the axles, L [m].
        centre_height_m: Height of the centre of mass [m].
        wheel_radius_m: r [m].
        contact_patch_m: Length over which a wheel smooths the texture [m].
        gear_ratio: G [1].
        gear_efficiency: e [1].
        rotor_inertia_kg: Inertia of all rotors as mass at the rim [kg].
        torque_constant_nmpa: k_t, which is also k_e in V s/rad [N m/A].
        winding_ohm: R [ohm].
        lag_s: Time constant from force to current [s].
        friction_a: Current for the bearings' dry friction, I_f [A].
        viscous_a_s: Current per motor speed, d [A s/rad].
        current_limit_a: Largest current the drive gives [A].
        supply_v: Open-circuit voltage of the full battery, V_0 [V].
        battery_ohm: R_b [ohm].
        battery_ah: Capacity [A h].
        pwm_ripple_a_per_v: 1 / (L_a f) [A/V].
        commutations: Commutations in one turn of the motor, Z [1].
        commutation_ripple: h [1].
        brush_noise: Standard deviation of n(t) [1].
        sensor_noise_a: Standard deviation [A].
        quantum_a: Step of the sensor [A].
        payload_range_kg: Payload [kg].
        lean_max: Largest share by which the load leans to a side [1].
        charge_range: State of charge at the start [1].
        gain_range: Sensor gain [1].
        gain_mismatch: Standard deviation between the motors of a robot [1].
        offset_a: Standard deviation of the sensors' offsets [A].
        friction_range: Factor on the friction: cold, warm, worn [1].
    """

    mass_kg: float = 30.0
    track_m: float = 0.45
    wheelbase_m: float = 0.40
    centre_height_m: float = 0.20
    wheel_radius_m: float = 0.10
    contact_patch_m: float = 0.02
    gear_ratio: float = 20.0
    gear_efficiency: float = 0.75
    rotor_inertia_kg: float = 6.0
    torque_constant_nmpa: float = 0.05
    winding_ohm: float = 0.6
    lag_s: float = 0.012
    friction_a: float = 0.30
    viscous_a_s: float = 0.0008
    current_limit_a: float = 15.0
    supply_v: float = 25.2
    battery_ohm: float = 0.12
    battery_ah: float = 10.0
    pwm_ripple_a_per_v: float = 0.012
    commutations: int = 22
    commutation_ripple: float = 0.02
    brush_noise: float = 0.015
    sensor_noise_a: float = 0.015
    quantum_a: float = 0.02
    payload_range_kg: tuple[float, float] = (0.0, 15.0)
    lean_max: float = 0.10
    charge_range: tuple[float, float] = (0.3, 1.0)
    gain_range: tuple[float, float] = (0.85, 1.15)
    gain_mismatch: float = 0.03
    offset_a: float = 0.03
    friction_range: tuple[float, float] = (0.7, 1.3)


@dataclass(frozen=True)
class SimulatorConfig:
    """One simulated drive.

    Attributes:
        seed: Seed of everything that differs from drive to drive.
        surfaces: Names of the surfaces the robot drives over.
        sample_rate_hz: Rate of the samples [Hz].
        motors: 1 (one motor drives both wheels), 2 or 4.
        duration_s: How long the drive lasts; 0: without end [s].
        seconds_per_surface: How long the robot stays on a surface [s].
        shuffle_surfaces: A new order of the surfaces in every round; otherwise as given.
        payload_kg: Payload; None: drawn [kg].
        sensor_gain: Gain of the current sensors, before their mismatch; None: drawn [1].
        charge: State of charge at the start, 0 to 1; None: drawn [1].
        start_ns: Stamp of the first sample, moved up to the grid of the sample rate [ns].
        robot: The robot.
        plan: How it is driven.
    """

    seed: int = 1
    surfaces: tuple[str, ...] = tuple(SURFACES)
    sample_rate_hz: float = 100.0
    motors: int = 2
    duration_s: float = 0.0
    seconds_per_surface: float = 30.0
    shuffle_surfaces: bool = True
    payload_kg: float | None = None
    sensor_gain: float | None = None
    charge: float | None = None
    start_ns: int = recording_base_ns(0)
    robot: RobotParameters = field(default_factory=RobotParameters)
    plan: PlanParameters = field(default_factory=PlanParameters)

    def __post_init__(self) -> None:
        """Refuse values that no drive can have.

        Raises:
            SurfaceError: A value is out of its range; names it.
        """
        find_surfaces(self.surfaces)
        checks = (
            ('seed', self.seed, self.seed >= 0, 'must not be negative'),
            ('sample_rate_hz', self.sample_rate_hz, 1.0 <= self.sample_rate_hz <= 20_000.0, 'must be 1 to 20000 Hz'),
            ('motors', self.motors, self.motors in MOTOR_NAMES, 'must be 1, 2 or 4'),
            ('duration_s', self.duration_s, 0.0 <= self.duration_s < math.inf, 'must be 0 (without end) or positive'),
            (
                'seconds_per_surface',
                self.seconds_per_surface,
                1.0 <= self.seconds_per_surface < math.inf,
                'must be at least 1 s',
            ),
            (
                'payload_kg',
                self.payload_kg,
                self.payload_kg is None or 0.0 <= self.payload_kg <= 200.0,
                'must be 0 to 200 kg',
            ),
            (
                'sensor_gain',
                self.sensor_gain,
                self.sensor_gain is None or 0.1 <= self.sensor_gain <= 10.0,
                'must be 0.1 to 10',
            ),
            ('charge', self.charge, self.charge is None or 0.0 <= self.charge <= 1.0, 'must be 0 to 1'),
            ('start_ns', self.start_ns, 0 <= self.start_ns < 2**31 * NANOSECONDS, 'must be a ROS time in nanoseconds'),
        )
        for name, value, good, remedy in checks:
            if not good:
                raise SurfaceError(f'simulator: {name} {value} {remedy}')


class Simulator:
    """A simulated drive. `step` gives the next samples; how many at a time changes nothing in them.

    Attributes:
        config: The drive.
        motor_names: Names of the motors.
        payload_kg: Payload of this drive [kg].
        surface_names: Surfaces by index.
    """

    def __init__(self, config: SimulatorConfig) -> None:
        """Draw what differs from drive to drive and lay the floors.

        Args:
            config: The drive.
        """
        self.config = config
        self.motor_names = MOTOR_NAMES[config.motors]
        self._surfaces = find_surfaces(config.surfaces)
        self.surface_names = tuple(surface.name for surface in self._surfaces)
        robot = config.robot
        # Every purpose has its own stream, so that a change to one leaves the others as they are.
        drive_rng, plan_rng, schedule_rng, self._noise_rng = (
            np.random.default_rng(np.random.SeedSequence(config.seed, spawn_key=(purpose,))) for purpose in range(4)
        )
        motors = config.motors
        payload = drive_rng.uniform(*robot.payload_range_kg)
        lean = drive_rng.uniform(-1.0, 1.0) * robot.lean_max
        charge = drive_rng.uniform(*robot.charge_range)
        gain = drive_rng.uniform(*robot.gain_range)
        friction = drive_rng.uniform(*robot.friction_range)
        mismatch = drive_rng.normal(0.0, robot.gain_mismatch, 4)
        offset = drive_rng.normal(0.0, robot.offset_a, 4)
        self._commutation_phase = drive_rng.uniform(0.0, 2.0 * np.pi, 4)[:motors]

        self.payload_kg = payload if config.payload_kg is None else config.payload_kg
        self._charge = charge if config.charge is None else config.charge
        self._gain = (gain if config.sensor_gain is None else config.sensor_gain) * (1.0 + mismatch[:motors])
        self._offset = offset[:motors]
        self._friction_a = robot.friction_a * friction
        self._mass_kg = robot.mass_kg + self.payload_kg
        # Column i of every array is wheel i: its side (0: both), its place along the axle base, its share of the load.
        self._side = {1: np.zeros(1), 2: np.array([-1.0, 1.0]), 4: np.array([-1.0, 1.0, -1.0, 1.0])}[motors]
        self._front = np.array([1.0, 1.0, -1.0, -1.0]) if motors == 4 else np.zeros(motors)
        self._share = (1.0 + lean * self._side) / motors

        self._rate_hz = config.sample_rate_hz
        self._period_s = 1.0 / self._rate_hz
        self._rate = Fraction(config.sample_rate_hz).limit_denominator(1_000_000)
        self._first_tick = -((-config.start_ns * self._rate.numerator) // (NANOSECONDS * self._rate.denominator))
        self._plan = DrivePlan(config.plan, self._rate_hz, plan_rng)
        self._schedule = SurfaceSchedule(
            len(self._surfaces),
            max(1, round(config.seconds_per_surface * self._rate_hz)),
            config.shuffle_surfaces,
            schedule_rng,
        )
        self._profiles = np.stack(
            [[_floor(surface, config, track) for track in range(2)] for surface in self._surfaces]
        )
        self._coefficients = {
            name: np.array([getattr(surface, name) for surface in self._surfaces])
            for name in ('rolling_resistance', 'speed_resistance', 'scrub', 'speed_exponent')
        }

        self._distance_m = np.where(self._front < 0, -robot.wheelbase_m, 0.0)
        self._lag_pole = float(np.exp(-self._period_s / robot.lag_s))
        self._lag_state = np.zeros((1, motors))
        self._bus_current_a = 0.0
        self._used_ah = 0.0
        self._made = 0
        self._taken = 0
        self._chunk = max(1, round(CHUNK_SECONDS * self._rate_hz))
        self._ready: tuple[Values, Values, Values] | None = None

    def step(self, samples: int) -> CurrentBlock:
        """Return the next samples.

        Args:
            samples: How many, at least 1.
        """
        parts = []
        first = self._taken
        while samples:
            if self._ready is None or self._taken == self._made:
                self._ready = self._make_chunk()
            begin = self._taken - (self._made - self._chunk)
            count = min(samples, self._chunk - begin)
            parts.append(tuple(values[begin : begin + count] for values in self._ready))
            self._taken += count
            samples -= count
        current, speed, voltage = (np.concatenate(values) for values in zip(*parts, strict=True))
        return CurrentBlock(
            stamps_ns=self.stamps_ns(first, len(current)),
            current_a=current,
            motor_names=self.motor_names,
            first_sample=first,
            wheel_speed_mps=speed,
            voltage_v=voltage,
        )

    def stamps_ns(self, first_sample: int, samples: int) -> NDArray[np.int64]:
        """Return the stamps of some samples: absolute multiples of the sample period, rounded to nanoseconds [ns]."""
        numerator, denominator = self._rate.numerator, self._rate.denominator
        first = self._first_tick + first_sample
        return np.array(
            [
                (tick * NANOSECONDS * denominator + numerator // 2) // numerator
                for tick in range(first, first + samples)
            ],
            dtype=np.int64,
        )

    def surface_changes(self, first_sample: int, samples: int) -> list[tuple[int, str]]:
        """Return where the surface changes among some samples, as (stamp in ns, name); sample 0 counts as a change."""
        return [
            (int(self.stamps_ns(sample, 1)[0]), self.surface_names[surface])
            for sample, surface in self._schedule.changes(first_sample, samples)
        ]

    def surface_indices(self, first_sample: int, samples: int) -> NDArray[np.int64]:
        """Return the surface under the robot at each of some samples, as indices into `surface_names`."""
        return self._schedule.indices(first_sample, samples)

    def _make_chunk(self) -> tuple[Values, Values, Values]:
        """Return current, wheel speed and voltage of the next chunk, (samples, motors) each.

        Everything is drawn and filtered in chunks of one size, so that the samples do not depend on the caller's.
        """
        robot, samples = self.config.robot, self._chunk
        surface = self._schedule.indices(self._made, samples)
        motion = self._plan.advance(samples)
        wheel_speed = motion.speed_mps[:, None] + motion.yaw_rate_radps[:, None] * self._side * robot.track_m / 2.0
        distance = self._distance_m + np.cumsum(wheel_speed, axis=0) * self._period_s
        self._distance_m = distance[-1]

        force = self._force(motion, surface, wheel_speed, distance)
        direction = np.tanh(wheel_speed / _REST_SPEED_MPS)
        motor_speed = wheel_speed * robot.gear_ratio / robot.wheel_radius_m
        torque = force * robot.wheel_radius_m / (robot.gear_ratio * robot.gear_efficiency)
        wanted = torque / robot.torque_constant_nmpa + self._friction_a * direction + robot.viscous_a_s * motor_speed
        current, self._lag_state = low_pass(wanted, self._lag_pole, self._lag_state)

        voltage = self._bus_voltage(np.abs(current).sum(axis=1))
        back_emf = robot.torque_constant_nmpa * motor_speed
        reach = np.maximum(voltage - np.abs(back_emf), 0.0) / robot.winding_ohm
        limit = np.minimum(reach, robot.current_limit_a)
        current = np.clip(current, -limit, limit)
        measured = self._measure(current, self._ripple(current, back_emf, voltage, distance))

        self._made += samples
        noisy_voltage = voltage + self._noise_rng.normal(0.0, 0.01, (samples, 1))
        return measured, wheel_speed, np.repeat(noisy_voltage, len(self.motor_names), axis=1)

    def _force(self, motion: Motion, surface: NDArray[np.int64], wheel_speed: Values, distance: Values) -> Values:
        """Return the force at the rim of each wheel, (samples, motors) [N]."""
        robot = self.config.robot
        at = {name: values[surface][:, None] for name, values in self._coefficients.items()}
        speed = motion.speed_mps[:, None]
        yaw_rate = motion.yaw_rate_radps[:, None]
        slope = np.sin(motion.slope_rad)[:, None]
        transfer = (
            robot.centre_height_m / robot.wheelbase_m * (motion.acceleration_mps2[:, None] / GRAVITY_MPS2 + slope)
        )
        share = self._share * (1.0 - 2.0 * self._front * transfer)
        load = share * self._mass_kg * GRAVITY_MPS2
        direction = np.tanh(wheel_speed / _REST_SPEED_MPS)
        fastness = np.abs(wheel_speed)

        texture = self._texture(surface, distance) * fastness ** at['speed_exponent']
        rolling = load * (at['rolling_resistance'] + at['speed_resistance'] * fastness + texture) * direction
        lateral = self._side * robot.track_m / 2.0 * motion.yaw_acceleration_radps2[:, None]
        inertia = self._share * (self._mass_kg + robot.rotor_inertia_kg) * (motion.acceleration_mps2[:, None] + lateral)
        climbing = self._share * self._mass_kg * GRAVITY_MPS2 * slope

        radius = np.abs(speed) / np.maximum(np.abs(yaw_rate), 1e-6)
        scrub = at['scrub'] / (0.925 + 0.15 * radius / robot.track_m)
        moment = (
            scrub * self._mass_kg * GRAVITY_MPS2 * robot.wheelbase_m / 4.0 * np.tanh(yaw_rate / _REST_YAW_RATE_RADPS)
        )
        wheels_per_side = max(1, len(self.motor_names) // 2)
        scrubbing = self._side * moment / (robot.track_m * wheels_per_side)
        return rolling + inertia + climbing + scrubbing

    def _texture(self, surface: NDArray[np.int64], distance: Values) -> Values:
        """Return the texture under each wheel, (samples, motors), share of its load at 1 m/s [1]."""
        track = np.where(self._side > 0, 1, 0)
        place = distance / _PROFILE_CELL_M
        cell = np.floor(place).astype(np.int64)
        part = place - cell
        rows = surface[:, None]
        near = self._profiles[rows, track, cell % _PROFILE_CELLS]
        far = self._profiles[rows, track, (cell + 1) % _PROFILE_CELLS]
        return near * (1.0 - part) + far * part

    def _bus_voltage(self, total_current: Values) -> Values:
        """Return the supply voltage, (samples, 1), and draw the charge from the battery [V]."""
        robot = self.config.robot
        used_ah = self._used_ah + np.cumsum(total_current) * self._period_s / 3600.0
        self._used_ah = float(used_ah[-1])
        charge = np.clip(self._charge - used_ah / robot.battery_ah, 0.0, 1.0)
        voltage = robot.supply_v * (0.86 + 0.14 * charge) - robot.battery_ohm * total_current
        return voltage[:, None]

    def _ripple(self, current: Values, back_emf: Values, voltage: Values, distance: Values) -> Values:
        """Return what commutation, brushes and pulse-width modulation add to the current, (samples, motors) [A]."""
        robot, rng = self.config.robot, self._noise_rng
        motor_angle = distance * robot.gear_ratio / robot.wheel_radius_m
        commutation = robot.commutation_ripple * np.cos(robot.commutations * motor_angle + self._commutation_phase)
        brushes = robot.brush_noise * rng.standard_normal(current.shape)
        duty = np.clip(np.abs(robot.winding_ohm * current + back_emf) / voltage, 0.0, 1.0)
        swing = voltage * duty * (1.0 - duty) * robot.pwm_ripple_a_per_v
        return current * (commutation + brushes) + swing * rng.uniform(-0.5, 0.5, current.shape)

    def _measure(self, current: Values, ripple: Values) -> Values:
        """Return what the sensors give, (samples, motors) [A]."""
        robot = self.config.robot
        noise = self._noise_rng.normal(0.0, robot.sensor_noise_a, current.shape)
        measured = self._gain * (current + ripple) + self._offset + noise
        return np.round(measured / robot.quantum_a) * robot.quantum_a


def _floor(surface: Surface, config: SimulatorConfig, track: int) -> Values:
    """Return the texture of one wheel track over a stretch of floor that repeats, share of the load at 1 m/s [1]."""
    name = zlib.crc32(surface.name.encode())
    rng = np.random.default_rng(np.random.SeedSequence(config.seed, spawn_key=(4, name, track)))
    wavenumber = np.fft.rfftfreq(_PROFILE_CELLS, _PROFILE_CELL_M)
    amplitude = (1.0 + (wavenumber * surface.texture_length_m) ** 2) ** (-surface.texture_slope / 4.0)
    amplitude *= np.exp(-((wavenumber * config.robot.contact_patch_m) ** 2))
    amplitude[0] = 0.0
    phases = rng.uniform(0.0, 2.0 * np.pi, len(wavenumber))
    texture = np.fft.irfft(amplitude * np.exp(1j * phases), _PROFILE_CELLS)
    texture *= surface.roughness / texture.std()

    length_m = _PROFILE_CELLS * _PROFILE_CELL_M
    if surface.joint_spacing_m:
        count = int(length_m / surface.joint_spacing_m)
        places = (np.arange(count) + rng.uniform(-0.03, 0.03, count)) * surface.joint_spacing_m
        _add_bumps(texture, places, surface.joint_force * rng.uniform(0.6, 1.4, count), falls_first=True)
    if surface.stones_per_m:
        count = int(length_m * surface.stones_per_m)
        places = rng.uniform(0.0, length_m, count)
        _add_bumps(texture, places, surface.stone_force * rng.exponential(1.0, count), falls_first=False)
    # Both tracks of a floor are equally rough: another stream, which does not depend on the track.
    kind_rng = np.random.default_rng(np.random.SeedSequence(config.seed, spawn_key=(5, name)))
    return texture * np.exp(config.plan.floor_variation * kind_rng.standard_normal())


def _add_bumps(texture: Values, places_m: Values, forces: Values, *, falls_first: bool) -> None:
    """Add bumps to a texture: a climb, or a fall and then a climb of half as much more."""
    width_m = 0.015
    reach = 8
    cells = np.floor(places_m / _PROFILE_CELL_M).astype(np.int64)[:, None] + np.arange(-reach, reach + 1)
    away = (cells * _PROFILE_CELL_M - places_m[:, None]) / width_m
    shape = np.exp(-0.5 * (away - 1.0) ** 2)
    if falls_first:
        shape -= 0.67 * np.exp(-0.5 * (away + 1.0) ** 2)
    np.add.at(texture, cells % _PROFILE_CELLS, forces[:, None] * shape)
