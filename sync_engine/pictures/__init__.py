# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures that somebody else made, read for what they show: EXR, Radiance HDR, and what Pillow reads."""
