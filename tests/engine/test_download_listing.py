# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files of a repository are fetched, and which commits: decided before anything is."""

from __future__ import annotations

from sync_engine.catalog import models
from sync_engine.downloads import listing
from sync_engine.downloads.store import File


def names(files: list[str], parts: list[str]) -> set[str]:
    return {file.path for file in listing.wanted([File(path, 10) for path in files], parts, "o/m")}


def test_one_set_of_weights_is_chosen_and_no_pickle() -> None:
    files = [
        "model_index.json",
        "LICENSE.md",
        "big.safetensors",
        "unet/config.json",
        "unet/diffusion_pytorch_model.bin",
        "unet/diffusion_pytorch_model.safetensors",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "unet/diffusion_pytorch_model.non_ema.safetensors",
        "unet/model.onnx",
        "safety_checker/model.safetensors",
        "te/config.json",
        "te/model-00001-of-00002.safetensors",
        "te/model-00002-of-00002.safetensors",
        "te/model.safetensors.index.json",
        "te/flax_model.msgpack",
        "tokenizer/vocab.json",
        "tokenizer/merges.txt",
        "../evil.json",
        "te/../../evil.json",
    ]
    assert names(files, ["unet", "te", "tokenizer", "safety_checker"]) == {
        "model_index.json",
        "LICENSE.md",
        "unet/config.json",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "te/config.json",
        "te/model-00001-of-00002.safetensors",
        "te/model-00002-of-00002.safetensors",
        "te/model.safetensors.index.json",
        "tokenizer/vocab.json",
        "tokenizer/merges.txt",
    }


def test_of_a_flow_model_its_shards_and_its_chat_template_are_fetched() -> None:
    """The layout of FLUX.2 klein's repository, which holds the transformer a second time in one file."""
    wanted = {
        "model_index.json",
        "scheduler/scheduler_config.json",
        "text_encoder/config.json",
        "text_encoder/model-00001-of-00002.safetensors",
        "text_encoder/model-00002-of-00002.safetensors",
        "text_encoder/model.safetensors.index.json",
        "tokenizer/chat_template.jinja",
        "tokenizer/merges.txt",
        "tokenizer/tokenizer.json",
        "transformer/config.json",
        "transformer/diffusion_pytorch_model-00001-of-00003.safetensors",
        "transformer/diffusion_pytorch_model-00002-of-00003.safetensors",
        "transformer/diffusion_pytorch_model-00003-of-00003.safetensors",
        "transformer/diffusion_pytorch_model.safetensors.index.json",
        "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors",
    }
    others = ["flux-2-klein-4b.safetensors", "README.md", "teaser.png"]
    parts = ["scheduler", "text_encoder", "tokenizer", "transformer", "vae"]
    assert names([*wanted, *others], parts) == wanted


def test_every_pin_of_the_table_is_a_commit() -> None:
    for row in models.TABLE.values():
        assert row.revision == "" or (
            len(row.revision) == 40 and set(row.revision) <= set("0123456789abcdef")
        )
        assert row.on_hub or not row.revision
