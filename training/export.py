# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the draft model: every part in diffusers or transformers format, half precision, safetensors.

python -m training.export
"""

import argparse
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import save_file

from training import captions, checkpoints, parts
from training.denoiser import Model, load_text_encoder
from training.encode_views import load_autoencoder, open_cache
from training.panoramas import read_index
from training.vocabulary import build_tokenizer, collect_words

MAX_BYTES = 48 * 2**20

log = logging.getLogger(__name__)


def view_phrases() -> dict[str, Any]:
    """The direction phrases as the sphere sampler reads them."""
    return {
        "phrases": [
            {"pitch_min": low, "pitch_max": high, "phrase": phrase}
            for low, high, phrase in captions.VIEW_PHRASES
        ],
        "sun": captions.SUN_PHRASE,
        "moon": captions.MOON_PHRASE,
    }


def export_pipeline(args: argparse.Namespace, device: torch.device) -> None:
    """VAE, U-Net, text encoder, tokenizer and scheduler from the newest checkpoints."""
    state = checkpoints.load(args.runs / "denoiser.pt", device)
    if state is None:
        log.info("no denoiser checkpoint: the exported one stays")
        return
    tokenizer = parts.tokenizer_from(args.export / "tokenizer") or build_tokenizer(
        collect_words(read_index(*args.data))
    )
    cache = open_cache(args.runs)
    model = Model(parts.build_unet(cache.latents.shape[2]), parts.build_text_encoder(tokenizer))
    model.unet.load_state_dict(state["average"])
    load_text_encoder(model.text_encoder, args, torch.device("cpu"))
    vae = load_autoencoder(args.runs, args.export, torch.device("cpu"))
    vae.register_to_config(scaling_factor=round(cache.scaling_factor, 5))
    pipeline = parts.build_pipeline(vae, model.text_encoder, tokenizer, model.unet)
    pipeline.to(torch.float16).save_pretrained(args.export, safe_serialization=True)
    _tidy_configs(args.export)
    log.info("denoiser after %d steps, %d views seen", state["step"], state["seen"])


def _edit(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    config = json.loads(path.read_text(encoding="utf-8"))
    change(config)
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _tidy_configs(folder: Path) -> None:
    """Class names that older releases of transformers know too, and no settings that diffusers ignores."""
    for name in ("model_index.json", "tokenizer/tokenizer_config.json"):
        path = folder / name
        text = path.read_text(encoding="utf-8").replace("TokenizersBackend", "PreTrainedTokenizerFast")
        path.write_text(text, encoding="utf-8")
    for name in ("block_out_channels", "_name_or_path"):
        _edit(folder / "vae" / "config.json", lambda config, name=name: config.pop(name, None))
    # transformers loads in the stored precision, diffusers in float32: one pipeline must not mix them
    _edit(folder / "text_encoder" / "config.json", lambda config: config.update(dtype="float32"))
    for path in folder.rglob("*.safetensors"):
        path.chmod(0o644)


def export_perceptual(args: argparse.Namespace) -> None:
    """The perceptual net's averaged weights and config."""
    state = checkpoints.load(args.runs / "perceptual.pt", torch.device("cpu"))
    if state is None:
        log.info("no perceptual checkpoint: the exported one stays")
        return
    folder = args.export / "perceptual"
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {key: value.half().contiguous() for key, value in state["average"].items()},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    config = {**state["config"], "held_out_accuracy": state["figures"]}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def check(folder: Path) -> None:
    """The exported folder loads, holds no pickles and keeps to its size; raises ValueError otherwise."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    total = sum(path.stat().st_size for path in files)
    if total > MAX_BYTES:
        raise ValueError(f"{folder} holds {total / 2**20:.1f} MiB, more than {MAX_BYTES / 2**20:.0f}")
    if pickles := [path.name for path in files if path.suffix in (".bin", ".pt", ".pth", ".ckpt", ".pkl")]:
        raise ValueError(f"{folder} holds pickles: {pickles}")
    StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
    log.info("%s: %.1f MiB in %d files", folder, total / 2**20, len(files))


def main() -> None:
    """Command line."""
    args = checkpoints.base_parser(__doc__.splitlines()[0]).parse_args()
    device = checkpoints.start(args)
    args.export.mkdir(parents=True, exist_ok=True)
    export_pipeline(args, device)
    export_perceptual(args)
    text = json.dumps(view_phrases(), indent=2) + "\n"
    (args.export / "view_phrases.json").write_text(text, encoding="utf-8")
    check(args.export)


if __name__ == "__main__":
    main()
