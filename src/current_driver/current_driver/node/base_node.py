# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The base of every node: parameters from a table, health on `/diagnostics`, callbacks that survive their faults."""

from __future__ import annotations

import functools
import platform
import time
import traceback
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from current_driver.errors import SurfaceError
from current_driver.files.plain_text import plain_text
from current_driver.node.health import FaultLog, Health, with_concerns
from current_driver.node.node_parameters import NodeParameter, check_all
from current_driver.node.qos_conflicts import qos_conflicts
from current_driver.node.shared_memory import leftover_warning

_Arguments = ParamSpec('_Arguments')
HEALTH_PERIOD_S = 1.0
CHANGE_PERIOD_S = 0.05


class MonitoredNode(Node):
    """A node with parameters from a table, health on `/diagnostics`, and callbacks whose faults do not end it.

    Attributes:
        values: Checked value of every parameter of the table by name.
        steady_clock: Clock for watchdogs: it neither jumps nor follows simulated time.
        exit_code: Status the process ends with.
    """

    def __init__(self, name: str, table: Sequence[NodeParameter], **options: Any) -> None:
        """Declare and check the parameters, and publish the health from now on.

        Args:
            name: Name of the node, if not remapped.
            table: Its parameters.
            options: Passed on to `rclpy.node.Node`.

        Raises:
            SurfaceError: A parameter's value is refused.
        """
        super().__init__(name, **options)
        self.exit_code = 0
        try:
            self.values = self._declare(table)
        except SurfaceError:
            self.destroy_node()
            raise
        self._changeable = {parameter.name: parameter for parameter in table if parameter.changeable}
        self.add_on_set_parameters_callback(self._check_parameters)
        self.add_post_set_parameters_callback(self._change_parameters)
        self.steady_clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._started_s = time.monotonic()
        if warning := leftover_warning():
            self.get_logger().warning(warning)
        self._faults = FaultLog()
        self._told: Health | None = None
        self._concerns: list[Callable[[], str]] = []
        self._further_values: list[Callable[[], Mapping[str, object]]] = []
        self.add_concern(lambda: qos_conflicts(self))
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self.create_timer(HEALTH_PERIOD_S, self.guarded(self.publish_health), clock=self.steady_clock)

    @property
    def uptime_s(self) -> float:
        """Time since the node was made [s]."""
        return time.monotonic() - self._started_s

    @abstractmethod
    def health(self) -> Health:
        """Return the present state; called from the executor's thread once a second."""

    def close(self) -> None:
        """End the node's threads; called once, after the last callback."""

    def check_changes(self, changes: Mapping[str, Any]) -> None:
        """Refuse new values of parameters that the present state does not allow; types and ranges are checked.

        Args:
            changes: New values by name.

        Raises:
            SurfaceError: One is refused; none is taken.
        """

    def on_changes(self, changes: Mapping[str, Any]) -> None:
        """Use new values of parameters, which are in `values` already.

        Args:
            changes: New values by name.
        """

    def guarded(self, callback: Callable[_Arguments, None]) -> Callable[_Arguments, None]:
        """Wrap a callback so that an exception in it is reported on `/diagnostics` instead of ending the node."""

        @functools.wraps(callback)
        def run(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> None:
            try:
                callback(*args, **kwargs)
            except Exception as error:  # a node must outlive whatever one message does to it
                self.report_fault(error)

        return run

    def add_concern(self, concern: Callable[[], str], values: Callable[[], Mapping[str, object]] | None = None) -> None:
        """Have something beside `health` reported on `/diagnostics`.

        Args:
            concern: Called once a second; returns what is wrong in one sentence with the remedy, empty when nothing is.
            values: Returns counters to report with it.
        """
        self._concerns.append(concern)
        if values is not None:
            self._further_values.append(values)

    def report_changes_of(self, state: Callable[[], object]) -> None:
        """Publish the health as soon as something changes, and not with the next report.

        Args:
            state: Called 20 times a second; a result that differs from the one before publishes the health.
        """
        before = state()

        def check() -> None:
            nonlocal before
            now = state()
            if now != before:
                before = now
                self.publish_health()

        self.create_timer(CHANGE_PERIOD_S, self.guarded(check), clock=self.steady_clock)

    def report_fault(self, error: Exception) -> None:
        """Put a fault on `/diagnostics`, and into the log when it is a new one."""
        if not self.context.ok():
            return  # what fails after the shutdown fails because of it
        expected = isinstance(error, SurfaceError)
        text = str(error) if expected else plain_text(f'{type(error).__name__}: {error}')
        if self._faults.add(text, time.monotonic()):
            self.get_logger().error(text if expected else plain_text(''.join(traceback.format_exception(error))))

    def publish_health(self) -> None:
        """Publish the health on `/diagnostics`; a change of state is also logged."""
        values = {key: value for further in self._further_values for key, value in further().items()}
        health = with_concerns(self.health(), [concern() for concern in self._concerns], values)
        health = self._faults.merge(health, time.monotonic())
        if self._told is None or (health.level, health.text) != (self._told.level, self._told.text):
            # rclpy lets one line of code log at one severity only.
            if health.level > 0:
                self.get_logger().warning(plain_text(health.text))
            else:
                self.get_logger().info(plain_text(health.text))
            self._told = health
        status = DiagnosticStatus(
            level=bytes([health.level]),
            name=self.get_fully_qualified_name().lstrip('/'),
            message=plain_text(health.text),
            hardware_id=platform.node(),  # rqt_robot_monitor separates the computers of a robot by it
            values=[
                KeyValue(key=plain_text(key), value=plain_text(str(value))) for key, value in health.values.items()
            ],
        )
        message = DiagnosticArray(status=[status])
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)

    def _changes(self, parameters: Sequence[Parameter]) -> dict[str, Any]:
        known = [parameter for parameter in parameters if parameter.name in self._changeable]
        return {parameter.name: self._changeable[parameter.name].check(parameter.value) for parameter in known}

    def _check_parameters(self, parameters: Sequence[Parameter]) -> SetParametersResult:
        try:
            # Parameters that are declared later, such as QoS overrides, come by here as well.
            if changes := self._changes(parameters):
                self.check_changes(changes)
        except SurfaceError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _change_parameters(self, parameters: Sequence[Parameter]) -> None:
        if changes := self._changes(parameters):
            self.values.update(changes)
            self.guarded(self.on_changes)(changes)

    def _declare(self, table: Sequence[NodeParameter]) -> dict[str, Any]:
        given = {}
        for parameter in table:
            # Types are checked by the table, which takes 1 for 1.0 and says what would be right.
            descriptor = ParameterDescriptor(
                description=parameter.ros_description,
                additional_constraints='one of: ' + ', '.join(parameter.choices) if parameter.choices else '',
                read_only=not parameter.changeable,
                dynamic_typing=True,
            )
            _describe_range(descriptor, parameter)
            default = list(parameter.default) or [''] if isinstance(parameter.default, tuple) else parameter.default
            try:
                given[parameter.name] = self.declare_parameter(parameter.name, default, descriptor).value
            except InvalidParameterValueException as error:
                raise SurfaceError(str(error)) from error
        return check_all(table, given)


def _describe_range(descriptor: ParameterDescriptor, parameter: NodeParameter) -> None:
    """Put a closed range into a descriptor, for tools that show it."""
    if parameter.minimum is None or parameter.maximum is None:
        return
    if isinstance(parameter.default, float):
        span = FloatingPointRange(from_value=float(parameter.minimum), to_value=float(parameter.maximum))
        descriptor.floating_point_range = [span]
    else:
        descriptor.integer_range = [
            IntegerRange(from_value=int(parameter.minimum), to_value=int(parameter.maximum), step=1)
        ]
