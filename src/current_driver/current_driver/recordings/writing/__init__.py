# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Writers: labelled bags whose flushed messages survive the end of the process."""

__all__ = ['recording_session', 'recording_writer']
