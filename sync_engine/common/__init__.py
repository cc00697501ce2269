# SPDX-License-Identifier: GPL-3.0-or-later
"""The ground floor: devices, errors and progress, used by every other room."""
