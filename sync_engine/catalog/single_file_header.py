# SPDX-License-Identifier: GPL-3.0-or-later
"""Single-file checkpoints: which family a safetensors file belongs to, decided by its header.

Such a file has the weights of a model and not what else it needs (configuration, tokenizer, schedule of
the noise): that is taken from the table's model of the same family, its base. Of a flow model it has only
the transformer, and the text encoder and the autoencoder are the base's too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sync_engine.catalog.safetensors_header import check_weights_file, metadata, shapes
from sync_engine.common.errors import ModelNotAvailable

Shapes = dict[str, tuple[int, ...]]
U_NET = "model.diffusion_model."
"""What the names of a diffusion network's tensors begin with in the layout of the first authors."""
BASES = {
    ("u-net", 768): "sd-1.5",
    ("u-net", 1024): "sd-2-base",
    ("u-net", 2048): "sdxl",
    ("z-image", 2560): "z-image-turbo",
    ("flux2", 7680): "flux2-klein",
}
"""The table's row by the kind of network and the features of the text that it looks at."""
_TEXT = {
    "u-net": re.compile(r"input_blocks\.\d+\.1\.transformer_blocks\.0\.attn2\.to_k\.weight$"),
    "z-image": re.compile(r"^cap_embedder\.1\.weight$"),
    "flux2": re.compile(r"^txt_in\.weight$"),
}
REMEDY = (
    "Use a checkpoint of Stable Diffusion 1.x, 2.x or XL, or of Z-Image or FLUX.2 klein 4B, or a folder in "
    "diffusers' format."
)


@dataclass(frozen=True)
class Checkpoint:
    """What the header of a file says.

    Attributes:
        kind: ``u-net``, ``z-image`` or ``flux2``.
        base: name of the table's row that has what the file lacks.
        lacking: parts whose weights are the base's; where it is none, only the base's small files are needed.
        prediction: what the network predicts, where the file says so; otherwise as the base's.
        zero_snr: whether the noise ends in pure noise, which some v-predicting models were tuned for.
    """

    kind: str
    base: str
    lacking: tuple[str, ...]
    prediction: str | None = None
    zero_snr: bool = False


def inspect(file: Path) -> Checkpoint:
    """Read a file's header. Raises ModelNotAvailable where it is no checkpoint of a supported family."""
    check_weights_file(file)
    found = shapes(file)
    kind = kind_of(file, found)
    names = {name.removeprefix(U_NET): shape for name, shape in found.items()}
    width = next((shape[1] for name, shape in names.items() if _TEXT[kind].search(name)), None)
    base = BASES.get((kind, width or 0))
    if base is None:
        raise _refused(
            file, f"its network looks at text of {width} features, as no family does that is known here"
        )
    if kind != "u-net":
        return Checkpoint(kind, base, ("text_encoder", "vae"))
    channels = names["input_blocks.0.0.weight"][1]
    if channels != 4:
        raise _refused(file, f"its network takes {channels} channels, as those for inpainting or editing do")
    lacking = []
    if not any(name.startswith(("first_stage_model.", "vae.")) for name in found):
        lacking.append("vae")
    if not any(name.startswith(("cond_stage_model.", "conditioner.embedders.")) for name in found):
        lacking += ["text_encoder", "text_encoder_2"] if base == "sdxl" else ["text_encoder"]
    told = metadata(file).get("modelspec.prediction_type", "").lower()
    prediction = "v_prediction" if told.startswith("v") or "v_pred" in found else None
    return Checkpoint(kind, base, tuple(lacking), prediction, "ztsnr" in found)


def kind_of(file: Path, found: Shapes) -> str:
    """Return the kind of network by the names of its tensors; ModelNotAvailable for another."""
    names = {name.removeprefix(U_NET) for name in found}
    if any(re.search(r"lora_(down|up|A|B)|\.lora\.", name) for name in names):
        raise _refused(file, "it is a LoRA", "Name it with --lora, beside a model of its family.")
    if "conditioner.embedders.0.model.positional_embedding" in found:
        raise _refused(file, "it is the refiner of Stable Diffusion XL")
    if "input_blocks.0.0.weight" in names:
        return "u-net"
    if "double_stream_modulation_img.lin.weight" in names:
        return "flux2"
    if "cap_embedder.1.weight" in names and any(name.startswith("noise_refiner.") for name in names):
        return "z-image"
    if any(
        name.startswith(("down_blocks.", "transformer_blocks.", "decoder.", "text_model.")) for name in names
    ):
        raise _refused(
            file, "it is one part of a model in diffusers' format", "Name the folder of the whole model."
        )
    raise _refused(file, "its tensors have the names of no family that is known here")


def _refused(file: Path, problem: str, remedy: str = REMEDY) -> ModelNotAvailable:
    return ModelNotAvailable(f"model = {str(file)!r} cannot be used: {problem}.", remedy)
