# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The `surface` command: parse the arguments, call the rooms below, print what they return."""
