# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`ros2 surface …`: the `surface` command as an extension of ros2cli."""

from __future__ import annotations

import argparse
import importlib
from typing import Any


class SurfaceCommand:
    """Record drives, train, test and run classifiers of ground surfaces (the `surface` command)."""

    # Has what ros2cli.command.CommandExtension asks of an extension without inheriting from it, because ros2cli is not
    # among the ROS 2 wheels that the tests run on.
    NAME = 'surface'
    EXTENSION_POINT_VERSION = '0.1'

    def add_arguments(self, parser: argparse.ArgumentParser, cli_name: str, *, argv: list[str] | None = None) -> None:
        """Take every argument as it is, options included: the `surface` command parses them.

        Args:
            parser: Parser of `ros2 surface`.
            cli_name: `ros2 surface`.
            argv: Arguments that ros2cli has been given.
        """
        del cli_name, argv
        # Without a prefix no argument is an option here; `--help` and `--version` reach `surface` as well.
        parser.prefix_chars = ''
        parser.add_argument('arguments', nargs=argparse.REMAINDER, help='as of `surface`; see `ros2 surface --help`')

    def main(self, *, parser: argparse.ArgumentParser, args: Any) -> int:
        """Run the command and return its exit status."""
        del parser
        return int(importlib.import_module('surface_classifier.cli.main').main(args.arguments))
