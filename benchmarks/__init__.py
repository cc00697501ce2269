# SPDX-License-Identifier: GPL-3.0-or-later
"""Side-by-side measurements; nothing here is a test and nothing here is in the extension."""
