# SPDX-License-Identifier: CC0-1.0
"""The generator of the panorama set, CC0 1.0: pictures, captions and these files alike.

Licence: CC0 1.0 Universal (public domain dedication), unlike the rest of the repository.
"""
