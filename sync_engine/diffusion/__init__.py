# SPDX-License-Identifier: GPL-3.0-or-later
"""The joint denoising loop, its solvers and noise levels, and the detail passes above a model's own size."""
