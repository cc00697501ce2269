# SPDX-License-Identifier: GPL-3.0-or-later
"""What a spec may name as its device: one, or several CUDA devices that paint one picture together."""

from __future__ import annotations

import re

from .methods import METHODS
from .validation import SpecError
from .wording import Message

MAX_DEVICES = 16
_ONE = re.compile(r"auto|cpu|mps|cuda(:\d{1,3})?")
_SHARED = re.compile(r"cuda:(0|[1-9]\d{0,2})")


def devices_in(device: str) -> list[str]:
    """Return the devices of a spec's field, which stand there with commas between."""
    return device.split(",")


def check_device(device: object, method: str, canvas: str) -> None:
    """Raise SpecError for what is no device, or no several that can share a picture.

    Args:
        device: the field of a spec; ``cpu,cpu`` is two processes on the processor, for tests.
        method: of the spec, one of ``METHODS``.
        canvas: what the picture is painted on.
    """
    if not isinstance(device, str) or not all(map(_ONE.fullmatch, devices_in(device))):
        raise SpecError(
            "device",
            device,
            "not a device",
            "Use auto, cpu, mps, cuda or cuda:N, or several with commas: cuda:0,cuda:1.",
        )
    several = devices_in(device)
    if len(several) == 1:
        return
    shared = all(map(_SHARED.fullmatch, several)) and len(set(several)) == len(several)
    if not shared and set(several) != {"cpu"}:
        raise SpecError(
            "device",
            device,
            "not several CUDA devices, each once",
            "Name them with commas, such as cuda:0,cuda:1.",
        )
    if canvas == "panorama":
        raise SpecError("device", device, "a panorama is one window", "Name one device.")
    if len(several) > MAX_DEVICES:
        raise SpecError("device", device, "too many", Message("Use up to {most}.", most=MAX_DEVICES))
    if not METHODS[method].shares_devices:
        able = ", ".join(name for name, other in METHODS.items() if other.shares_devices)
        raise SpecError(
            "device",
            device,
            Message("the method {method} works on one device", method=method),
            Message("Name one device, or use the method {others}.", others=able),
        )
