# SPDX-License-Identifier: GPL-3.0-or-later
"""What this machine is: Blender's name of its platform, and what PyTorch could compute on."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

ACCELERATORS = ("cpu", "cuda", "rocm", "mps")
ROCM_TARGETS = {
    *("gfx900", "gfx906", "gfx908", "gfx90a", "gfx942", "gfx950"),
    *("gfx1030", "gfx1100", "gfx1101", "gfx1102", "gfx1150", "gfx1151", "gfx1200", "gfx1201"),
}
"""What PyTorch's build for ROCm 7.2 has kernels for: its ``torch.cuda.get_arch_list()``, as uv's pull
request 18730 quotes it. Small built-in GPUs (gfx1036) are not among them."""
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
    return "rocm" if ROCM_TARGETS & amd_targets(root) else "cpu"


def amd_targets(root: Path = Path("/")) -> set[str]:
    """Return the AMD GPUs that Linux's compute driver shows, by their compilers' names, e.g. ``gfx1100``.

    Args:
        root: of the file system (for tests).
    """
    if not (root / "dev/kfd").exists():
        return set()
    found = set()
    for file in (root / "sys/class/kfd/kfd/topology/nodes").glob("*/properties"):
        try:
            lines = file.read_text(encoding="ascii").splitlines()
        except PermissionError:
            continue  # the kernel refuses to show a GPU that this user or container may not use
        version = dict(line.split(maxsplit=1) for line in lines if " " in line).get("gfx_target_version", "0")
        number = int(version)  # major · 10000 + minor · 100 + stepping; 0 is a processor
        if number:
            found.add(f"gfx{number // 10000}{number // 100 % 100:x}{number % 100:x}")
    return found


def _has_nvidia(root: Path) -> bool:
    if os.name == "nt":
        system = Path(os.environ.get("SYSTEMROOT", r"C:\Windows")) / "System32"
        return (system / "nvcuda.dll").exists()
    return (root / "proc/driver/nvidia/version").exists() or (
        root == Path("/") and shutil.which("nvidia-smi") is not None
    )
