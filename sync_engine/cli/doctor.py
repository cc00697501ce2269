# SPDX-License-Identifier: GPL-3.0-or-later
"""What this engine has and would use: device, memory, packages, models, in data and in words."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import platform
import re
import sys
from typing import Any

from sync_engine import VERSION
from sync_engine.cli.spec_options import from_anywhere
from sync_engine.common.errors import EngineError
from sync_engine.interface.messages import Failed, FailureCode
from sync_engine.interface.wording import Message

NEEDED = ("torch", "diffusers", "transformers", "safetensors", "numpy", "pillow", "OpenEXR")
OPTIONAL = ("lpips", "peft", "rich", "accelerate", "huggingface_hub")
PICTURE_BYTES = 4 * (3 + 3 + 1)
"""Of main memory for each pixel of a World: the picture, the sum of its views and their weights, float32."""
TORCH_HOLES = {"2.6.0": "CVE-2025-32434", "2.10.0": "CVE-2026-24747"}
"""The first version of torch without a hole by which a file of weights runs code, and the hole's name."""
INSTALL_HINT = (
    "Install them into this Python with pip (see sync_engine/requirements), or name another Python "
    "in Preferences → Syncscape → Engine Python."
)


def add_parser(commands: Any) -> None:
    """Add the command ``doctor`` to the engine's command line."""
    doctor = commands.add_parser("doctor", help="say what is here and what would be used")
    doctor.add_argument("--json", action="store_true")
    doctor.add_argument("--model", metavar="ID|DIR|FILE", help="say how this model would use the memory")
    doctor.add_argument("--width", type=int, help="pixels of a World with this model")


def run(options: argparse.Namespace) -> int:
    """Print the report; exit status 0 when everything needed is here."""
    report = examine()
    if options.model is not None and not report["problems"]:
        try:
            report["plan"] = plan_of(from_anywhere(options.model), options.width)
        except EngineError as error:
            report["problems"].append(str(error))
    sys.stdout.write((json.dumps(report, indent=2) if options.json else in_words(report)) + "\n")
    return 1 if report["problems"] else 0


def engine_missing() -> Failed | None:
    """Return the event of an engine whose Python lacks packages; None where all are here."""
    missing = missing_packages()
    if not missing:
        return None
    message = Message(
        "The engine's Python {python} has no {packages}.", python=sys.executable, packages=", ".join(missing)
    )
    return Failed(None, FailureCode.ENGINE_MISSING, message, INSTALL_HINT)


def missing_packages() -> list[str]:
    """Return the needed packages that this Python lacks."""
    return [name for name in NEEDED if _version(name) is None]


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def torch_problems(version: str) -> list[str]:
    """Return what is to be said of a version of torch that has known holes.

    The engine unpickles nothing, so that they stay closed; but other programs share a Python.
    """
    holes = [name for fixed, name in TORCH_HOLES.items() if _numbers(version) < _numbers(fixed)]
    if not holes:
        return []
    newest = max(TORCH_HOLES, key=_numbers)
    return [
        f"torch {version} has a known hole ({', '.join(holes)}): a file of weights can run code. "
        f"Update the engine in the preferences, or install torch {newest} or newer."
    ]


def _numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version, without what is behind them (``+cpu``, ``a0``, ``rc1``)."""
    return tuple(int(part) for part in re.match(r"[\d.]*", version)[0].split(".") if part)  # type: ignore[index]


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
    report["problems"] += torch_problems(_version("torch") or "")
    from sync_engine.catalog import models
    from sync_engine.common import device
    from sync_engine.sync.feature_nets import lpips_weights

    chosen = device.choose_device("auto")
    report |= {
        "device": str(chosen),
        "device_name": device.device_name(chosen),
        "precision": str(device.choose_dtype("auto", chosen)).removeprefix("torch."),
        "free_memory_gb": round(device.free_memory_gb(chosen), 2),
        "plans": _plans(chosen),
        "models": {name: "here" if _is_here(row) else "not downloaded" for name, row in models.TABLE.items()},
        "perceptual_distance": "lpips-vgg" if lpips_weights("vgg") else "the draft model's own net",
    }
    if report["models"]["draft"] != "here":
        report["problems"].append("The bundled draft model is missing: install the extension again.")
    return report


def plan_of(name: str, width: int | None = None) -> dict[str, Any]:
    """Return how a model's weights would be kept on this computer now, and what a World would take.

    Args:
        name: of the table, a folder, a file or a hub id.
        width: of the World in pixels.

    Raises:
        ModelNotAvailable: no such model.
    """
    from sync_engine.backbones.placement import plan_on
    from sync_engine.catalog import memory, models
    from sync_engine.common import device

    row, chosen = models.find(name), device.choose_device("auto")
    sizes = memory.sizes_of(row, _folder_of(row))
    plan = plan_on(chosen, device.choose_dtype("auto", chosen), sizes, "auto", "auto")
    assert plan is not None
    report: dict[str, Any] = {"model": name, **plan.to_dict(), "device": str(chosen)}
    if sizes is not None:
        in_words = {"weights_gb": sizes.weights_gb(sizes.denoiser + sizes.text + sizes.decoder, 2)}
        report |= {key: round(value, 2) for key, value in in_words.items()}
    if width is not None:
        report["picture_gb"] = round(width * width / 2 * PICTURE_BYTES / 2**30, 2)
    return report


def _plans(device: Any) -> dict[str, Any]:
    """Return the plan for each model of the table on a GPU; none for a processor: all stays as it is."""
    if device.type != "cuda":
        return {}
    from sync_engine.catalog import models

    return {name: plan_of(name) for name in models.TABLE}


def _folder_of(model: Any) -> Any:
    from pathlib import Path

    from sync_engine.downloads.store import installed

    folder = installed(model) if model.on_hub else Path(model.source)
    return folder if folder is not None and folder.is_dir() else None


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
    if "plan" in report:
        lines += _plan_in_words(report["plan"])
    lines += report["problems"] or ["Everything needed is here."]
    return "\n".join(lines)


def _plan_in_words(report: dict[str, Any]) -> list[str]:
    from sync_engine.interface.memory_plan import MemoryPlan

    plan = MemoryPlan.from_dict(report)
    assert plan is not None
    lines = [f"{report['model']} on {report['device']}:"]
    if "weights_gb" in report:
        lines.append(f"  All its weights are {report['weights_gb']} GiB in half precision.")
    if report["device"].startswith("cuda"):
        lines += [f"  {sentence}" for sentence in plan.sentences()]
        lines.append(f"  Windows at once: {plan.windows}.")
    else:
        lines.append("  On a processor the weights stay as they are, in main memory.")
    if "picture_gb" in report:
        lines.append(f"  The picture takes {report['picture_gb']} GiB of main memory.")
    return lines
