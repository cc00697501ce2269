# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known without loading: models, families, and the headers of weights files."""
