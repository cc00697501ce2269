# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults by the dozen, with seeds: a quick share in every test run, the whole by ``make faults``."""
