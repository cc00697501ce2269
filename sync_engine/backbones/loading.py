"""Find a model's folder, check it, and load its parts: safetensors only, no code from the hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from sync_engine.downloads.headers import check_weights_file
from sync_engine.downloads.store import installed
from sync_engine.errors import ModelNotAvailable
from sync_engine.models import Model

PARTS = ("vae", "text_encoder", "tokenizer", "unet", "scheduler")


def folder_of(model: Model) -> Path:
    """Return the local folder of a model; a hub id must have been fetched before (``downloads``)."""
    if Path(model.source).is_dir():
        return Path(model.source)
    if Path(model.source).is_absolute():
        raise ModelNotAvailable(
            f"The bundled model's folder {model.source} is missing.", "Install the extension again."
        )
    folder = installed(model)
    if folder is None:
        raise ModelNotAvailable(
            f"model = {model.name!r} is not on this computer.",
            f"Fetch it: python -m sync_engine models download {model.name}",
        )
    return folder


def class_names(folder: Path) -> dict[str, str]:
    """Return the class of each part from ``model_index.json``; raise ModelNotAvailable."""
    index = folder / "model_index.json"
    try:
        data = json.loads(index.read_text(encoding="utf-8"))
        names = {part: data[part][1] for part in PARTS}
        if not all(isinstance(name, str) for name in names.values()):
            raise TypeError("a part has no class")
    except FileNotFoundError as error:
        raise ModelNotAvailable(
            f"model folder {folder} has no model_index.json.",
            "Name a folder in diffusers' format, as save_pretrained writes it.",
        ) from error
    except (OSError, ValueError, TypeError, KeyError, IndexError) as error:
        raise ModelNotAvailable(
            f"{index} does not describe a Stable Diffusion model ({error!r}).",
            f"The parts {', '.join(PARTS)} must be there; fetch the model again.",
        ) from error
    return names


def check_weights(folder: Path) -> None:
    """Parse the header of every weights file; raise ModelNotAvailable for a missing or damaged one."""
    for part in ("vae", "text_encoder", "unet"):
        files = sorted((folder / part).glob("*.safetensors"))
        if not files:
            raise ModelNotAvailable(
                f"{folder / part} has no safetensors weights.",
                "Only safetensors files are read; convert the model or fetch it again.",
            )
        for file in files:
            check_weights_file(file)


def load_parts(folder: Path, dtype: torch.dtype) -> dict[str, Any]:
    """Load the parts of a Stable Diffusion folder on the CPU in one precision."""
    import sync_engine.torchvision_schemas  # noqa: F401  # before transformers imports torchvision

    import diffusers  # isort: skip
    import transformers  # isort: skip

    diffusers.utils.logging.set_verbosity_error()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    names = class_names(folder)
    check_weights(folder)
    parts: dict[str, Any] = {}
    for part, name in names.items():
        library = transformers if part in ("text_encoder", "tokenizer") else diffusers
        cls = getattr(library, name, None)
        if cls is None or (part == "unet" and name != "UNet2DConditionModel"):
            raise ModelNotAvailable(
                f"{folder}: this engine cannot load {part} of class {name}.",
                "Use a Stable Diffusion 1.x or 2.x model or the bundled model 'draft'.",
            )
        options: dict[str, Any] = {}
        if part == "text_encoder":
            options = {"dtype": dtype, "use_safetensors": True}
        elif part in ("unet", "vae"):
            options = {"torch_dtype": dtype, "use_safetensors": True}
        variant = _variant(folder / part)
        if options and variant:
            options["variant"] = variant
        try:
            parts[part] = cls.from_pretrained(folder / part, local_files_only=True, **options)
        except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
            raise ModelNotAvailable(
                f"{folder}: the part {part} could not be loaded ({_first_line(error)}).",
                "Fetch the model again, or use the bundled model 'draft'.",
            ) from error
    return parts


def _variant(folder: Path) -> str | None:
    """Return ``fp16`` where a part has its weights in that variant only."""
    names = [file.name for file in folder.glob("*.safetensors")]
    return "fp16" if names and all(".fp16" in name for name in names) else None


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [repr(error)])[0][:300]


def load(model: Model, device: torch.device, dtype: torch.dtype) -> Any:
    """Load a model of any supported family onto a device and return its backbone."""
    from sync_engine.backbones.stable_diffusion import StableDiffusion

    folder = folder_of(model)
    return StableDiffusion(folder, load_parts(folder, dtype), device, dtype)
