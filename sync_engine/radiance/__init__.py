# SPDX-License-Identifier: GPL-3.0-or-later
"""From the 8-bit picture that a diffusion model makes to the light that a World gives."""
