# SPDX-License-Identifier: GPL-3.0-or-later
"""Small models with random weights, and what tests do with them: build, spoil, serve from a hub."""
