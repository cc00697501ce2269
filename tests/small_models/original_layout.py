# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a small model's folder as one file in the layout of its first authors, as users share checkpoints.

The names are those of the authors' code (latent-diffusion, OpenCLIP, Z-Image, FLUX.2), written down apart
from diffusers' own conversion, which reads them.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

State = dict[str, torch.Tensor]
RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
U_NET_ENDS = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
}
KLEIN = {
    "x_embedder": "img_in",
    "context_embedder": "txt_in",
    "time_guidance_embed.timestep_embedder.linear_1": "time_in.in_layer",
    "time_guidance_embed.timestep_embedder.linear_2": "time_in.out_layer",
    "double_stream_modulation_img.linear": "double_stream_modulation_img.lin",
    "double_stream_modulation_txt.linear": "double_stream_modulation_txt.lin",
    "single_stream_modulation.linear": "single_stream_modulation.lin",
    "proj_out": "final_layer.linear",
    "norm_out.linear": "final_layer.adaLN_modulation.1",
}
KLEIN_DOUBLE = {
    "attn.to_out.0": "img_attn.proj",
    "attn.norm_q": "img_attn.norm.query_norm",
    "attn.norm_k": "img_attn.norm.key_norm",
    "ff.linear_in": "img_mlp.0",
    "ff.linear_out": "img_mlp.2",
    "attn.to_add_out": "txt_attn.proj",
    "attn.norm_added_q": "txt_attn.norm.query_norm",
    "attn.norm_added_k": "txt_attn.norm.key_norm",
    "ff_context.linear_in": "txt_mlp.0",
    "ff_context.linear_out": "txt_mlp.2",
}
KLEIN_SINGLE = {
    "attn.to_qkv_mlp_proj": "linear1",
    "attn.to_out": "linear2",
    "attn.norm_q": "norm.query_norm",
    "attn.norm_k": "norm.key_norm",
}


def write(folder: Path, file: Path, *, open_clip: bool = False, **said: str) -> Path:
    """Write a model's folder as one file.

    Args:
        open_clip: whether the text encoder of a Stable Diffusion is OpenCLIP's, as in 2.x.
        said: what the file says of itself.
    """
    if (folder / "unet").is_dir():
        state = u_net(folder / "unet") | autoencoder(folder)
        if (folder / "text_encoder_2").is_dir():
            state |= clip(folder / "text_encoder", "conditioner.embedders.0.transformer.text_model.")
            state |= openclip(folder / "text_encoder_2", "conditioner.embedders.1.model.")
        elif open_clip:
            state |= openclip(folder / "text_encoder", "cond_stage_model.model.")
        else:
            state |= clip(folder / "text_encoder", "cond_stage_model.transformer.text_model.")
    else:
        transformer = weights(folder / "transformer")
        state = klein(transformer) if "x_embedder.weight" in transformer else z_image(transformer)
    save_file({name: value.contiguous() for name, value in state.items()}, file, said or None)
    return file


def weights(part: Path) -> State:
    return {name: value for file in part.glob("*.safetensors") for name, value in load_file(file).items()}


def replaced(name: str, table: dict[str, str]) -> str:
    for old, new in table.items():
        if name.startswith(f"{old}."):
            return f"{new}{name.removeprefix(old)}"
    return name


def u_net_places(part: Path) -> dict[str, str]:
    """Return where the authors' network has the blocks of diffusers' one, a U-Net or a ControlNet."""
    config = json.loads((part / "config.json").read_text())
    layers, blocks = config["layers_per_block"], len(config["block_out_channels"])
    attentive = {name.split(".attentions")[0] for name in weights(part) if ".attentions." in name}
    places = {"mid_block.resnets.0": "middle_block.0", "mid_block.attentions.0": "middle_block.1"}
    places["mid_block.resnets.1"] = "middle_block.2"
    for block in range(blocks):
        for layer in range(layers + 1):
            number = block * (layers + 1) + layer
            for place, kind in enumerate(("resnets", "attentions")):
                places[f"down_blocks.{block}.{kind}.{layer}"] = f"input_blocks.{number + 1}.{place}"
                places[f"up_blocks.{block}.{kind}.{layer}"] = f"output_blocks.{number}.{place}"
        places[f"down_blocks.{block}.downsamplers.0.conv"] = f"input_blocks.{(block + 1) * (layers + 1)}.0.op"
        place = 2 if f"up_blocks.{block}" in attentive else 1
        last = block * (layers + 1) + layers
        places[f"up_blocks.{block}.upsamplers.0.conv"] = f"output_blocks.{last}.{place}.conv"
    return places


def write_controlnet(folder: Path, file: Path) -> Path:
    """Write the folder of a U-Net's ControlNet as one file."""
    ends = {
        "controlnet_cond_embedding.conv_in": "input_hint_block.0",
        "controlnet_cond_embedding.conv_out": "input_hint_block.14",
        "controlnet_mid_block": "middle_block_out.0",
    }
    state = {}
    for name, value in u_net(folder, "").items():
        new = re.sub(r"controlnet_down_blocks\.(\d+)", r"zero_convs.\1.0", replaced(name, ends))
        hint = re.sub(
            r"controlnet_cond_embedding\.blocks\.(\d+)",
            lambda found: f"input_hint_block.{2 * int(found[1]) + 2}",
            new,
        )
        state[f"control_model.{hint}"] = value.contiguous()
    save_file(state, file)
    return file


def u_net(part: Path, prefix: str = "model.diffusion_model.") -> State:
    places, made = u_net_places(part), {}
    for name, value in weights(part).items():
        new = replaced(replaced(name, U_NET_ENDS), places)
        if ".resnets." in name:
            place, _, rest = new.partition(".".join(new.split(".")[3:]))
            new = place + replaced(".".join(new.split(".")[3:]), RESNET) + rest
            if new.startswith("middle_block"):
                head, tail = ".".join(new.split(".")[:2]), ".".join(new.split(".")[2:])
                new = f"{head}.{replaced(tail, RESNET)}"
        made[f"{prefix}{new}"] = value
    return made


def autoencoder(folder: Path) -> State:
    state = weights(folder / "vae")
    last = max(int(found[1]) for name in state if (found := re.match(r"decoder\.up_blocks\.(\d+)", name)))
    made = {}
    for name, value in state.items():
        new = re.sub(r"down_blocks\.(\d+)\.resnets", r"down.\1.block", name)
        new = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample", new)
        new = re.sub(r"up_blocks\.(\d+)\.resnets", lambda found: f"up.{last - int(found[1])}.block", new)
        new = re.sub(
            r"up_blocks\.(\d+)\.upsamplers\.0", lambda found: f"up.{last - int(found[1])}.upsample", new
        )
        new = re.sub(r"mid_block\.resnets\.(\d)", lambda found: f"mid.block_{int(found[1]) + 1}", new)
        new = new.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
        if "mid_block.attentions.0" in new:
            for old, short in (("group_norm", "norm"), ("to_out.0", "proj_out"), ("to_", "")):
                new = new.replace(old, short)
            new = new.replace("mid_block.attentions.0", "mid.attn_1")
            if value.ndim == 2:
                value = value[:, :, None, None]
        made[f"first_stage_model.{new}"] = value
    return made


def clip(part: Path, prefix: str) -> State:
    return {f"{prefix}{name.removeprefix('text_model.')}": value for name, value in weights(part).items()}


def openclip(part: Path, prefix: str) -> State:
    state = {name.removeprefix("text_model."): value for name, value in weights(part).items()}
    made = {
        "positional_embedding": state["embeddings.position_embedding.weight"],
        "token_embedding.weight": state["embeddings.token_embedding.weight"],
        "ln_final.weight": state["final_layer_norm.weight"],
        "ln_final.bias": state["final_layer_norm.bias"],
    }
    if "text_projection.weight" in state:
        made["text_projection"] = state["text_projection.weight"].T
    names = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj"}
    names["self_attn.out_proj"] = "attn.out_proj"
    for name, value in state.items():
        if found := re.match(r"encoder\.layers\.(\d+)\.(.+)", name):
            block, rest = f"transformer.resblocks.{found[1]}", found[2]
            if "self_attn.q_proj" in rest:
                three = [state[name.replace("q_proj", f"{letter}_proj")] for letter in "qkv"]
                made[f"{block}.attn.in_proj_{rest.rpartition('.')[2]}"] = torch.cat(three)
            elif not re.search(r"self_attn\.[kv]_proj", rest):
                made[f"{block}.{replaced(rest, names)}"] = value
    return {f"{prefix}{name}": value for name, value in made.items()}


def z_image(state: State) -> State:
    names = {"all_final_layer.2-1": "final_layer", "all_x_embedder.2-1": "x_embedder"}
    made = {}
    for name, value in state.items():
        if ".attention.to_q." in name:
            three = [state[name.replace("to_q", f"to_{letter}")] for letter in "qkv"]
            made[name.replace("to_q", "qkv")] = torch.cat(three)
        elif not re.search(r"\.attention\.to_[kv]\.", name):
            new = replaced(name, names).replace("attention.to_out.0", "attention.out")
            made[new.replace("norm_q", "q_norm").replace("norm_k", "k_norm")] = value
    return made


def klein(state: State) -> State:
    made = {}
    for name, value in state.items():
        head, _, rest = name.partition("blocks.")
        number, _, inner = rest.partition(".")
        if head == "transformer_":
            new = f"double_blocks.{number}.{replaced(inner, KLEIN_DOUBLE)}"
            if found := re.fullmatch(r"attn\.(to_|add_)([qkv])(_proj)?\.weight", inner):
                if found[2] != "q":
                    continue
                others = [
                    name.replace(found[0], f"attn.{found[1]}{letter}{found[3] or ''}.weight")
                    for letter in "kv"
                ]
                value = torch.cat([value, *(state[other] for other in others)])
                new = f"double_blocks.{number}.{'img' if found[1] == 'to_' else 'txt'}_attn.qkv.weight"
        elif head == "single_transformer_":
            new = f"single_blocks.{number}.{replaced(inner, KLEIN_SINGLE)}"
        else:
            new = replaced(name, KLEIN)
            if name.startswith("norm_out.linear"):
                value = torch.cat(value.chunk(2)[::-1])  # the authors have the shift first
        if re.search(r"norm\.(query|key)_norm\.weight$", new):
            new = new.replace(".weight", ".scale")
        made[new] = value
    return made
