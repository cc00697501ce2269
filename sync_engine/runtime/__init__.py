# SPDX-License-Identifier: GPL-3.0-or-later
"""One job: its model, its stages, its files."""
