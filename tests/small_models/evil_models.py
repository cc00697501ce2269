# SPDX-License-Identifier: GPL-3.0-or-later
"""Small models made to do harm: each kind is a small model's folder with one change."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SENTINEL = "code-has-run"


class Payload:
    """Writes the sentinel when it is unpickled."""

    def __init__(self, sentinel: Path) -> None:
        self.sentinel = sentinel

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self.sentinel), "w"))


class Evil:
    """A copy of a small model's folder that can be changed.

    Attributes:
        folder: the model.
        sentinel: appears when code of the model runs.
    """

    def __init__(self, source: Path, home: Path) -> None:
        self.folder, self.sentinel = home / "model", home / SENTINEL
        shutil.copytree(source, self.folder)

    def say(self, file: str, **values: Any) -> None:
        """Change what a JSON file says."""
        path = self.folder / file
        data = json.loads(path.read_text()) if path.is_file() else {}
        path.write_text(json.dumps(data | values))

    def only_pickle(self, part: str, name: str) -> None:
        """Replace a part's weights by a pickle."""
        for file in (self.folder / part).glob("*.safetensors"):
            file.unlink()
        self.pickle(f"{part}/{name}")

    def pickle(self, file: str) -> Path:
        """Write a pickle that writes the sentinel."""
        path = self.folder / file
        path.write_bytes(pickle.dumps(Payload(self.sentinel)))
        return path

    def code(self, file: str) -> None:
        """Write a module that writes the sentinel when it is imported, and has classes of usual names."""
        text = f"open({str(self.sentinel)!r}, 'w').close()\n"
        names = ("Evil", "Tokenizer", "Model", "Config")
        (self.folder / file).write_text(text + "".join(f"class {name}: pass\n" for name in names))

    def in_tokenizer(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Change ``tokenizer.json``."""
        path = self.folder / "tokenizer" / "tokenizer.json"
        data = json.loads(path.read_text())
        change(data)
        path.write_text(json.dumps(data))


TEXT, UNET, WORDS = "text_encoder/config.json", "unet/config.json", "tokenizer/tokenizer_config.json"
INDEX, STEPS = "model_index.json", "scheduler/scheduler_config.json"
MAP = {"AutoModel": "evil.Model", "AutoTokenizer": ["evil.Tokenizer", None], "AutoConfig": "evil.Config"}


def replace_rule(pattern: dict[str, str], content: str, times: int = 1) -> Callable[[dict[str, Any]], object]:
    rules = [{"type": "Replace", "pattern": pattern, "content": content}] * times
    return lambda data: data.update(normalizer={"type": "Sequence", "normalizers": rules})


def split_rule(pattern: str) -> Callable[[dict[str, Any]], object]:
    rule = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Removed", "invert": True}
    return lambda data: data.update(pre_tokenizer=rule)


def with_code(evil: Evil, part: str, file: str, **values: Any) -> None:
    evil.code(f"{part}/evil.py")
    evil.say(file, **values)


def fifo(evil: Evil) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("no named pipes here; it would check that a pipe in place of a configuration is refused")
    (evil.folder / UNET).unlink()
    os.mkfifo(evil.folder / UNET)


def nested(evil: Evil, file: str) -> None:
    (evil.folder / file).write_text('{"a":' * 900 + "1" + "}" * 900)


def sparse(evil: Evil, file: str, size: int) -> None:
    os.truncate(evil.folder / file, size)


def index_of(evil: Evil, part: str, name: str) -> None:
    """Have an index list a pickle as the one shard of a part, instead of its weights."""
    for file in (evil.folder / part).glob("*.safetensors"):
        file.rename(file.with_name("spare.safetensors"))
    stem = "model" if part == "text_encoder" else "diffusion_pytorch_model"
    if name.endswith(".bin"):
        evil.pickle(f"{part}/{name}")
    evil.say(
        f"{part}/{stem}.safetensors.index.json", metadata={"total_size": 9}, weight_map={"a.weight": name}
    )


def disguised(evil: Evil, part: str) -> None:
    """Give a pickle the name of the weights."""
    file = next((evil.folder / part).glob("*.safetensors"))
    evil.pickle(f"{part}/{file.name}")


KINDS: dict[str, tuple[Callable[[Evil], object], str]] = {
    "auto_map of the text encoder": (
        lambda e: with_code(e, "text_encoder", TEXT, auto_map=MAP),
        "no code of a model is run",
    ),
    "auto_map of the tokenizer": (lambda e: with_code(e, "tokenizer", WORDS, auto_map=MAP), "is run"),
    "auto_map without a file of code": (lambda e: e.say(TEXT, auto_map=MAP), r"names code to run \(auto_map"),
    "auto_map of the tokenizer alone": (lambda e: e.say(WORDS, auto_map=MAP), "auto_map"),
    "auto_map of the U-Net": (lambda e: e.say(UNET, auto_map={"AutoModel": "evil.Model"}), "auto_map"),
    "auto_map inside a list": (lambda e: e.say(TEXT, extra=[{"auto_map": MAP}]), "auto_map"),
    "auto_map in a hub's name": (lambda e: e.say(WORDS, auto_map={"AutoTokenizer": "a/b--c.D"}), "auto_map"),
    "trust_remote_code": (lambda e: e.say(TEXT, trust_remote_code=True), "trust_remote_code"),
    "custom_generate": (
        lambda e: e.say("text_encoder/generation_config.json", custom_generate="a/b"),
        "code",
    ),
    "custom_pipelines": (
        lambda e: e.say(INDEX, custom_pipelines={"a": {"impl": "evil"}}),
        "custom_pipelines",
    ),
    "a pipeline of its own": (
        lambda e: with_code(e, ".", INDEX, _class_name=["evil", "Evil"]),
        "does not describe a model",
    ),
    "a pipeline that is unknown": (
        lambda e: e.say(INDEX, _class_name="EvilPipeline"),
        "does not know",
    ),
    "a part of its own library": (
        lambda e: with_code(e, "unet", INDEX, unet=["evil", "UNet2DConditionModel"]),
        "code that a model brings is not run",
    ),
    "a library of the system": (lambda e: e.say(INDEX, unet=["os", "UNet2DConditionModel"]), "is of os"),
    "another class as U-Net": (
        lambda e: e.say(INDEX, unet=["diffusers", "DiffusionPipeline"]),
        "cannot load",
    ),
    "another class as tokenizer": (
        lambda e: (
            e.say(INDEX, tokenizer=["transformers", "BertModel"]),
            e.pickle("tokenizer/pytorch_model.bin"),
        ),
        "cannot load tokenizer of class BertModel",
    ),
    "a tokenizer_class with a pickle": (
        lambda e: (e.say(WORDS, tokenizer_class="BertModel"), e.pickle("tokenizer/pytorch_model.bin")),
        "tokenizer_class is BertModel",
    ),
    "a tokenizer_class that unpickles": (
        lambda e: (e.say(WORDS, tokenizer_class="TransfoXLTokenizer"), e.pickle("tokenizer/vocab.bin")),
        "tokenizer_class",
    ),
    "an automatic class": (lambda e: e.say(INDEX, text_encoder=["transformers", "AutoModel"]), "cannot load"),
    "a class that is no text": (lambda e: e.say(INDEX, unet=["diffusers", ["a"]]), "names no unet"),
    "weights as .bin": (lambda e: e.only_pickle("unet", "diffusion_pytorch_model.bin"), "may hold code"),
    "text encoder as .bin": (lambda e: e.only_pickle("text_encoder", "pytorch_model.bin"), "may hold code"),
    "autoencoder as .pt": (lambda e: e.only_pickle("vae", "diffusion_pytorch_model.pt"), "may hold code"),
    "autoencoder as .ckpt": (lambda e: e.only_pickle("vae", "model.ckpt"), "may hold code"),
    "text encoder as .msgpack": (lambda e: e.only_pickle("text_encoder", "flax_model.msgpack"), "may hold"),
    "a pickle with the name of weights": (lambda e: disguised(e, "unet"), "it is a pickle"),
    "a pickle as text encoder": (lambda e: disguised(e, "text_encoder"), "it is a pickle"),
    "an index that lists a pickle": (lambda e: index_of(e, "unet", "evil.bin"), "only safetensors files"),
    "an index of the text encoder": (lambda e: index_of(e, "text_encoder", "evil.bin"), "only safetensors"),
    "an index that leaves its folder": (
        lambda e: index_of(e, "unet", "../../other.safetensors"),
        "only safetensors files beside it",
    ),
    "code in the U-Net's folder": (lambda e: e.code("unet/modeling_evil.py"), "it is code"),
    "code in the tokenizer's folder": (lambda e: e.code("tokenizer/tokenization_evil.py"), "it is code"),
    "an adapter from elsewhere": (
        lambda e: e.say("text_encoder/adapter_config.json", base_model_name_or_path="a/b", peft_type="LORA"),
        "load weights from elsewhere",
    ),
    "a kernel of a hub": (lambda e: e.say(TEXT, attn_implementation="owner/kernel"), "names code of a hub"),
    "a kernel, said within": (lambda e: e.say(TEXT, _attn_implementation="a/b:c"), "names code of a hub"),
    "weights quantised elsewhere": (
        lambda e: e.say(UNET, quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": True}),
        "quantised",
    ),
    "a configuration of 30 MB": (lambda e: sparse(e, UNET, 30 * 2**20), "MiB"),
    "an index of 30 MB": (lambda e: sparse(e, INDEX, 30 * 2**20), "MiB"),
    "a tokenizer of 200 MB": (lambda e: sparse(e, "tokenizer/tokenizer.json", 200 * 2**20), "MiB"),
    "a configuration nested deep": (lambda e: nested(e, UNET), "nested|not JSON"),
    "an index nested deep": (lambda e: nested(e, INDEX), "nested|not JSON"),
    "a list for a configuration": (lambda e: (e.folder / TEXT).write_text("[1]"), "no JSON object"),
    "a pipe for a configuration": (fifo, "no regular file"),
    "a folder that is missing": (lambda e: shutil.rmtree(e.folder / "vae"), "no folder"),
    "a million layers": (lambda e: e.say(TEXT, num_hidden_layers=10**6), "num_hidden_layers = 1000000"),
    "features without end": (lambda e: e.say(TEXT, hidden_size=10**12), "beyond what a model needs"),
    "channels without end": (lambda e: e.say(UNET, block_out_channels=[10**6, 10**6]), "block_out_channels"),
    "a number that is none": (lambda e: e.say(UNET, norm_eps=float("nan")), "beyond what a model needs"),
    "a pattern that never ends": (lambda e: e.in_tokenizer(split_rule("(a+)+$")), "without end"),
    "a pattern of options": (lambda e: e.in_tokenizer(split_rule("a?" * 40 + "a" * 40)), "without end"),
    "a pattern with references": (lambda e: e.in_tokenizer(split_rule(r"(a*)*\1b")), "without end"),
    "a normalizer's pattern": (
        lambda e: e.in_tokenizer(replace_rule({"Regex": "(x|xx)+y"}, " ")),
        "without end",
    ),
    "replacements that double": (
        lambda e: e.in_tokenizer(replace_rule({"String": "a"}, "aa", 40)),
        "times longer",
    ),
    "a replacement of a megabyte": (
        lambda e: e.in_tokenizer(replace_rule({"String": "a"}, "a" * 2**20)),
        "times longer",
    ),
    "padding without end": (
        lambda e: e.in_tokenizer(
            lambda d: d.update(padding={"strategy": {"Fixed": 10**9}, "direction": "Right", "pad_id": 0})
        ),
        "fills every text",
    ),
    "a hundred thousand words more": (
        lambda e: e.say(WORDS, added_tokens_decoder={str(n): {"content": f"w{n}"} for n in range(30_000)}),
        "adds 30000 words",
    ),
    "a schedule of EDM": (
        lambda e: e.say(INDEX, scheduler=["diffusers", "EDMEulerScheduler"]),
        "cannot load scheduler of class EDMEulerScheduler",
    ),
    "a schedule of flows": (
        lambda e: e.say(INDEX, scheduler=["diffusers", "FlowMatchEulerDiscreteScheduler"]),
        "cannot load scheduler",
    ),
    "a scheduler that is another": (lambda e: e.say(STEPS, _class_name="EDMEulerScheduler"), "is of class"),
}

TEMPLATES = {
    "ranges": (
        "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
        "uses range",
    ),
    "a product": ("{{ 'a' * 1000000000 }}", "uses Mul"),
    "a power": ("{{ 10 ** 10000000 }}", "uses Pow"),
    "a width": ("{{ '%1000000000d' % 1 }}", "uses Mod"),
    "a method that fills": ("{{ 'a'.center(1000000000) }}", "uses center"),
    "a filter that fills": ("{{ 'a' | center(1000000000) }}", "uses center"),
    "doubling": ("{% set x = 'aa' %}" + "{% set x = x ~ x %}" * 40 + "{{ x }}", "uses x"),
    "doubling by a block": ("{% set x %}{{ x }}{{ x }}{% endset %}", "uses AssignBlock"),
    "loops in loops": ("{% for a in messages %}" * 5 + "x" + "{% endfor %}" * 5, "loops 5 deep"),
    "a macro": ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "uses Macro"),
    "length": ("x" * 100_000, "100000 characters"),
    "nonsense": ("{% for", "cannot be read"),
}
