# SPDX-License-Identifier: GPL-3.0-or-later
"""What each window's prompt says: views by elevation, and the sun's place."""
