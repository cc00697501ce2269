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

from sync_engine.catalog import families, gguf_header
from sync_engine.catalog.families import Family, SingleFile
from sync_engine.catalog.few_steps import FewSteps, said_by
from sync_engine.catalog.gguf_header import is_gguf
from sync_engine.catalog.safetensors_header import check_weights_file, metadata, shapes
from sync_engine.common.errors import ModelNotAvailable
from sync_engine.interface.wording import Message, as_message

Shapes = dict[str, tuple[int, ...]]
DENOISER = "model.diffusion_model."
"""What the names of a denoiser's tensors begin with in the layout of the first authors."""
AUTOENCODER = ("first_stage_model.", "vae.")
TEXT_ENCODERS = ("cond_stage_model.", "conditioner.embedders.")
REMEDY = (
    "Use a checkpoint of Stable Diffusion 1.x, 2.x or XL, or of Z-Image or FLUX.2 klein 4B, or a folder in "
    "diffusers' format."
)


@dataclass(frozen=True)
class Checkpoint:
    """What the header of a file says.

    Attributes:
        family: the family of its network.
        base: name of the table's row that has what the file lacks.
        whole: whether such files have more than the denoiser.
        lacking: parts whose weights are the base's; where it is none, only the base's small files are needed.
        prediction: what the network predicts, where the file says so; otherwise as the base's.
        zero_snr: whether the noise ends in pure noise, which some v-predicting models were tuned for.
        few_steps: how it is sampled, if its name or its title says that it is distilled.
    """

    family: Family
    base: str
    whole: bool
    lacking: tuple[str, ...]
    prediction: str | None = None
    zero_snr: bool = False
    few_steps: FewSteps | None = None


def inspect(file: Path) -> Checkpoint:
    """Read a file's header. Raises ModelNotAvailable where it is no checkpoint of a supported family."""
    packed = is_gguf(file)
    if not packed:
        check_weights_file(file)
    ending = ".gguf" if packed else ".safetensors"
    if file.suffix != ending:  # libraries go by the name, and unpickle what has another
        raise _refused(file, Message("its name does not end in {ending}", ending=ending), "Rename the file.")
    found = gguf_header.shapes(file) if packed else shapes(file)
    if packed:
        _check_architecture(file, found)
    names = {name.removeprefix(DENOISER): shape for name, shape in found.items()}
    family, base = _family_of(file, names)
    if not _facts(family).whole:
        others = (part for part in family.parts if families.has_weights(part) and part != family.denoiser)
        return Checkpoint(family, base, False, tuple(others))
    other = next((name for name in found if name.startswith("edm_")), None)
    if other is not None:
        raise _refused(
            file,
            Message(
                "it was trained on another schedule of noise, EDM's ({name}; Playground 2.5, CosXL)",
                name=other,
            ),
        )
    channels = names["input_blocks.0.0.weight"][1]
    if channels != 4:
        raise _refused(
            file,
            Message(
                "its network takes {channels} channels, as those for inpainting or editing do",
                channels=channels,
            ),
        )
    lacking = []
    if not any(name.startswith(AUTOENCODER) for name in found):
        lacking.append("vae")
    if not any(name.startswith(TEXT_ENCODERS) for name in found):
        lacking += [part for part in family.parts if part.startswith("text_encoder")]
    about = {} if packed else metadata(file)
    told = about.get("modelspec.prediction_type", "").lower()
    prediction = "v_prediction" if told.startswith("v") or "v_pred" in found else None
    few = said_by(f"{file.stem} {about.get('modelspec.title', '')}")
    return Checkpoint(family, base, True, tuple(lacking), prediction, "ztsnr" in found, few)


def _family_of(file: Path, names: Shapes) -> tuple[Family, str]:
    """Return the family of a file and the row that is its base."""
    alike = [family for family in _with_single_files() if _is_of(_facts(family), names)]
    if not alike or _is_no_checkpoint(names):
        raise _no_checkpoint(file, names)
    text = re.compile(_facts(alike[0]).text)
    features = next((shape[1] for name, shape in names.items() if text.search(name)), None)
    for family in alike:
        if base := _facts(family).bases.get(features or 0):
            return family, base
    raise _refused(
        file,
        Message(
            "its network looks at text of {features} features, as no family does that is known here",
            features=features,
        ),
    )


def _with_single_files() -> list[Family]:
    return [family for family in families.known() if family.single_file is not None]


def _facts(family: Family) -> SingleFile:
    assert family.single_file is not None
    return family.single_file


def _is_of(facts: SingleFile, names: Shapes) -> bool:
    return all(any(name.startswith(mark) for name in names) for mark in facts.marks)


def _check_architecture(file: Path, found: Shapes) -> None:
    """Refuse a GGUF that no family takes, by the name that it gives itself."""
    names = {name.removeprefix(DENOISER): shape for name, shape in found.items()}
    if any(_is_of(_facts(family), names) for family in _with_single_files()):
        return
    problem = Message(
        "it is a GGUF of the architecture {architecture}, which is not known here",
        architecture=repr(gguf_header.architecture(file)),
    )
    raise _refused(file, problem, gguf_header.REMEDY)


LORA = re.compile(r"lora_(down|up|A|B)|\.lora\.")
REFINER = "conditioner.embedders.0.model.positional_embedding"


def _is_no_checkpoint(names: Shapes) -> bool:
    return REFINER in names or any(LORA.search(name) for name in names)


def _no_checkpoint(file: Path, names: Shapes) -> ModelNotAvailable:
    """Return the error for a file that is no checkpoint, by the names of its tensors."""
    if any(LORA.search(name) for name in names):
        return _refused(file, "it is a LoRA", "Name it with --lora, beside a model of its family.")
    if REFINER in names:
        return _refused(file, "it is the refiner of Stable Diffusion XL")
    if any(
        name.startswith(("down_blocks.", "transformer_blocks.", "decoder.", "text_model.")) for name in names
    ):
        return _refused(
            file, "it is one part of a model in diffusers' format", "Name the folder of the whole model."
        )
    return _refused(file, "its tensors have the names of no family that is known here")


def _refused(file: Path, problem: str, remedy: str = REMEDY) -> ModelNotAvailable:
    return ModelNotAvailable(
        Message(
            "model = {file} cannot be used: {problem}.", file=repr(str(file)), problem=as_message(problem)
        ),
        remedy,
    )
