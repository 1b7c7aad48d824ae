# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What the launch files share; the only modules of the package that import `launch`."""

__all__ = ['supervision']
