# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures finished pictures: one metric a file, each with the verbs ``measure`` and ``summary``.

``picture.py`` reads a picture and cuts its crops, ``features.py`` sees them through a pretrained net,
``metrics.py`` is the table of metrics; the command is ``sync_engine/cli/evaluate.py``.
No metric uses the net that steers the method ``sync`` (``sync_engine/sync/perceptual_net.py``).
"""
