# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job's guides make of its windows: regions with prompts of their own."""
