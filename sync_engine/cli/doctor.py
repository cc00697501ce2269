# SPDX-License-Identifier: GPL-3.0-or-later
"""What this engine has and would use: device, memory, packages, models, in data and in words."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import sys
from typing import Any

from sync_engine import VERSION

NEEDED = ("torch", "diffusers", "transformers", "safetensors", "numpy", "pillow", "OpenEXR")
OPTIONAL = ("lpips", "peft", "rich", "accelerate", "huggingface_hub")
INSTALL_HINT = (
    "Install them into this Python with pip (see sync_engine/requirements), or name another Python "
    "in Preferences → Syncscape → Engine Python."
)


def missing_packages() -> list[str]:
    """Return the needed packages that this Python lacks."""
    return [name for name in NEEDED if _version(name) is None]


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def examine() -> dict[str, Any]:
    """Return the report that ``doctor --json`` prints and ``ready`` carries."""
    report: dict[str, Any] = {
        "syncscape": VERSION,
        "python": platform.python_version(),
        "executable": sys.executable,
        "packages": {name: _version(name) for name in (*NEEDED, *OPTIONAL)},
        "problems": [],
    }
    missing = missing_packages()
    if missing:
        report["problems"].append(f"Missing packages: {', '.join(missing)}. {INSTALL_HINT}")
        return report
    from sync_engine.catalog import models
    from sync_engine.common import device
    from sync_engine.sync.feature_nets import lpips_weights

    chosen = device.choose_device("auto")
    report |= {
        "device": str(chosen),
        "device_name": device.device_name(chosen),
        "precision": str(device.choose_dtype("auto", chosen)).removeprefix("torch."),
        "free_memory_gb": round(device.free_memory_gb(chosen), 2),
        "models": {name: "here" if _is_here(row) else "not downloaded" for name, row in models.TABLE.items()},
        "perceptual_distance": "lpips-vgg" if lpips_weights("vgg") else "the draft model's own net",
    }
    if report["models"]["draft"] != "here":
        report["problems"].append("The bundled draft model is missing: install the extension again.")
    return report


def _is_here(model: Any) -> bool:
    from pathlib import Path

    if Path(model.source).is_absolute():
        return (Path(model.source) / "model_index.json").is_file()
    from sync_engine.downloads.store import installed

    return installed(model) is not None


def in_words(report: dict[str, Any]) -> str:
    """Return the report as lines for people."""
    lines = [f"Syncscape engine {report['syncscape']}, Python {report['python']} ({report['executable']})"]
    lines += [f"  {name:16} {version or 'missing'}" for name, version in report["packages"].items()]
    if "device" in report:
        lines += [
            f"Device: {report['device_name']} ({report['device']}), {report['precision']},"
            f" {report['free_memory_gb']} GiB free",
            f"Perceptual distance: {report['perceptual_distance']}",
            *(f"Model {name}: {state}" for name, state in report["models"].items()),
        ]
    lines += report["problems"] or ["Everything needed is here."]
    return "\n".join(lines)
