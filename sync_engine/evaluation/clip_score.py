# SPDX-License-Identifier: GPL-3.0-or-later
"""CLIP score: does a picture show what its prompt says (Hessel et al. 2021)?"""

from __future__ import annotations

import random
from typing import Any

import torch

from sync_engine.catalog.models import EVALUATION_CLIP
from sync_engine.common.errors import EngineError, ModelNotAvailable
from sync_engine.evaluation.metric import Figures, Metric
from sync_engine.evaluation.picture import Picture
from sync_engine.interface.messages import FailureCode
from sync_engine.interface.wording import Message


class ClipScore(Metric):
    """100 × the cosine of the prompt's and one random crop's CLIP embeddings (Mean-CLIP-S), not below 0.

    Args:
        device: where the model runs.
        model: a folder in transformers' format or a hub id that has been downloaded before.
        seed: seed of the choice of the crop.
    """

    def __init__(self, device: torch.device, model: str = EVALUATION_CLIP, seed: int = 0) -> None:
        import sync_engine.common.torchvision_schemas  # noqa: F401  # before transformers imports torchvision

        from transformers import CLIPModel, CLIPProcessor  # isort: skip

        try:
            loaded: Any = CLIPModel.from_pretrained(model, local_files_only=True, use_safetensors=True)
            self.processor: Any = CLIPProcessor.from_pretrained(model, local_files_only=True)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelNotAvailable(
                Message("The CLIP model {model} is not on this computer or is damaged.", model=model),
                Message(
                    "Fetch it once (hf download {name}), or name a folder with --clip.", name=EVALUATION_CLIP
                ),
            ) from error
        self.model, self.device = loaded.to(device).eval(), device
        self.random = random.Random(seed)

    @torch.inference_mode()
    def measure(self, picture: Picture) -> Figures:
        """Return ``clip_score``; raise EngineError for a picture without a prompt."""
        if not picture.prompt:
            raise EngineError(
                FailureCode.BAD_SPEC,
                Message("{name} has no prompt for the CLIP score.", name=picture.name),
                "Give --prompts FILE with one line a picture, or leave the metric clip out.",
            )
        crop = self.random.choice(picture.crops)
        inputs = self.processor(
            text=[picture.prompt], images=[crop], do_rescale=False, return_tensors="pt", truncation=True
        )
        output = self.model(**inputs.to(self.device))
        return {"clip_score": max(0.0, 100 * float((output.image_embeds * output.text_embeds).sum()))}
