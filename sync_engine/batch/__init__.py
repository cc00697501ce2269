# SPDX-License-Identifier: GPL-3.0-or-later
"""Batch: many jobs from a file, done once each by any number of processes on one shared folder."""
