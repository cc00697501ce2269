"""What this machine is: Blender's name of its platform, and what PyTorch could compute on."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

ACCELERATORS = ("cpu", "cuda", "rocm", "mps")
NAMES = {"cpu": "the processor", "cuda": "NVIDIA GPU", "rocm": "AMD GPU", "mps": "Apple GPU"}


def this_platform() -> str:
    """Return the platform in Blender's words, e.g. ``linux-x64``."""
    system = {"Linux": "linux", "Windows": "windows", "Darwin": "macos"}.get(platform.system(), "unknown")
    machine = platform.machine().lower()
    known = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}
    return f"{system}-{known.get(machine, machine)}"


def detect(root: Path = Path("/")) -> str:
    """Return the accelerator that this machine has, by its drivers; takes no program to ask.

    Args:
        root: of the file system (for tests).
    """
    here = this_platform()
    if here == "macos-arm64":
        return "mps"
    if here.startswith("macos"):
        return "cpu"
    if _has_nvidia(root):
        return "cuda"
    return "rocm" if (root / "dev/kfd").exists() else "cpu"


def _has_nvidia(root: Path) -> bool:
    if os.name == "nt":
        system = Path(os.environ.get("SYSTEMROOT", r"C:\Windows")) / "System32"
        return (system / "nvcuda.dll").exists()
    return (root / "proc/driver/nvidia/version").exists() or (
        root == Path("/") and shutil.which("nvidia-smi") is not None
    )
