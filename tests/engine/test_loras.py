# SPDX-License-Identifier: GPL-3.0-or-later
"""LoRAs: the latents of diffusers' own pipeline, weights, mixtures, and files that do not fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sync_engine.backbones.loading import load
from sync_engine.canvas.plane import PlaneCanvas
from sync_engine.catalog import models
from sync_engine.common.errors import ModelNotAvailable
from sync_engine.common.progress import Reporter
from sync_engine.diffusion import solvers
from sync_engine.diffusion.joint_loop import sample
from sync_engine.interface.loras import Lora
from sync_engine.interface.messages import EXIT_STATUS, FailureCode
from sync_engine.interface.spec import EnvironmentSpec
from sync_engine.prompting.conditioning import Conditioning
from sync_engine.runtime.job import Engine
from tests.small_models import lora_files, tiny, tiny_flow, tiny_xl

CPU = torch.device("cpu")
BUILDERS = {
    "sd": tiny.build,
    "xl": tiny_xl.build,
    "z-image": tiny_flow.build_z_image,
    "klein": tiny_flow.build_klein,
}


class Case:
    """A model with random weights and two LoRAs for it."""

    def __init__(self, family: str, home: Path) -> None:
        self.family = family
        self.folder = BUILDERS[family](home / family)
        self.first = lora_files.write(home / f"{family}_1.safetensors", self.folder, 1)
        self.second = lora_files.write(home / f"{family}_2.safetensors", self.folder, 11)

    def ours(self, *loras: Lora) -> torch.Tensor:
        """Return the latents of our loop with one window over the canvas."""
        backbone = load(models.find(str(self.folder)), CPU, torch.float32, loras)
        side = 128 // backbone.scale
        canvas = PlaneCanvas(side, side, side, side)
        scheduler = backbone.scheduler("model", 3, (side, side))
        state = canvas.noise(backbone.channels, torch.Generator().manual_seed(5))
        words = Conditioning.one_prompt_each(
            backbone.encode(["a calm sea"]), backbone.encode([""]), [0], self.guidance
        )
        return sample(backbone, canvas, scheduler, state * solvers.initial_scale(scheduler), words)

    @property
    def guidance(self) -> float:
        return 2.0 if self.family in ("sd", "xl") else 1.0

    def theirs(self, *loras: Lora) -> torch.Tensor:
        """Return the latents of diffusers' pipeline, with its own handling of LoRAs."""
        from diffusers import DiffusionPipeline

        pipeline = DiffusionPipeline.from_pretrained(self.folder)
        pipeline.set_progress_bar_config(disable=True)
        for number, lora in enumerate(loras):
            file = Path(lora.file)
            pipeline.load_lora_weights(str(file.parent), weight_name=file.name, adapter_name=f"a{number}")
        pipeline.set_adapters([f"a{number}" for number in range(len(loras))], [lora.weight for lora in loras])
        backbone = load(models.find(str(self.folder)), CPU, torch.float32)
        side = 128 // backbone.scale
        if self.family in ("sd", "xl"):
            pipeline.scheduler = backbone.scheduler("model", 3)
        noise = torch.randn(1, backbone.channels, side, side, generator=torch.Generator().manual_seed(5))
        if self.family == "klein":
            noise = noise.flatten(2).transpose(1, 2)
        return pipeline(
            prompt="a calm sea",
            latents=noise,
            num_inference_steps=3,
            guidance_scale=self.guidance - (self.family == "z-image"),
            output_type="latent",
            height=128,
            width=128,
        ).images


@pytest.fixture(scope="module", params=["sd", "xl"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(request.param, tmp_path_factory.mktemp("case"))


@pytest.fixture(scope="module", params=["z-image", "klein"])
def flow(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(request.param, tmp_path_factory.mktemp("flow"))


@pytest.mark.slow
def test_weight_one_equals_the_pipeline_of_diffusers(case: Case) -> None:
    lora = Lora(str(case.first))
    torch.testing.assert_close(case.ours(lora), case.theirs(lora), rtol=0, atol=1e-4)
    assert (case.ours(lora) - case.ours()).abs().max() > 1e-2, "the LoRA changes nothing"


@pytest.mark.slow
def test_mixed_weights_equal_the_pipeline_of_diffusers(case: Case) -> None:
    both = Lora(str(case.first), 0.7), Lora(str(case.second), -0.4)
    torch.testing.assert_close(case.ours(*both), case.theirs(*both), rtol=0, atol=1e-4)


def test_weight_zero_is_no_lora(case: Case) -> None:
    torch.testing.assert_close(case.ours(Lora(str(case.first), 0.0)), case.ours(), rtol=0, atol=1e-6)


def test_on_a_flow_model_the_network_is_that_of_diffusers(flow: Case) -> None:
    """The network's weights with the changes added give what its layers beside it give in diffusers."""
    from diffusers import DiffusionPipeline

    pipeline = DiffusionPipeline.from_pretrained(flow.folder)
    for number, file in enumerate((flow.first, flow.second)):
        pipeline.load_lora_weights(str(file.parent), weight_name=file.name, adapter_name=f"a{number}")
    pipeline.set_adapters(["a0", "a1"], [0.7, -0.4])
    both = Lora(str(flow.first), 0.7), Lora(str(flow.second), -0.4)
    backbone = load(models.find(str(flow.folder)), CPU, torch.float32, both)
    plain = load(models.find(str(flow.folder)), CPU, torch.float32)
    noisy = torch.randn(1, backbone.channels, 8, 8, generator=torch.Generator().manual_seed(5))
    words = Conditioning.one_prompt_each(backbone.encode(["a calm sea"]), backbone.encode([""]), [0], 1.0)
    ours, without = (
        one.predict(noisy, torch.tensor(500.0), words, words.entries) for one in (backbone, plain)
    )
    backbone.transformer = pipeline.transformer.eval().requires_grad_(False)
    theirs = backbone.predict(noisy, torch.tensor(500.0), words, words.entries)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)
    assert (ours - without).abs().max() > 1e-3, "the LoRA changes nothing"


@pytest.mark.slow
@pytest.mark.parametrize("family", ["sd", "xl"])
def test_the_layout_of_kohya_is_read_with_its_own_scale(tmp_path: Path, family: str) -> None:
    case = Case(family, tmp_path)
    folder = case.folder if family == "xl" else None
    half = lora_files.as_kohya(case.first, tmp_path / "kohya.safetensors", lora_files.RANK / 2, folder)
    assert any("input_blocks" in name for name in load_file(half)) == (family == "xl")
    expected = case.ours(Lora(str(case.first), 0.5))
    torch.testing.assert_close(case.ours(Lora(str(half))), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("made_for", "used_with"),
    [
        ("sd", "xl"),
        ("xl", "sd"),
        ("klein", "sd"),
        ("sd", "klein"),
        ("z-image", "klein"),
        ("klein", "z-image"),
    ],
)
def test_a_lora_for_another_family_is_refused(tmp_path: Path, made_for: str, used_with: str) -> None:
    file = lora_files.write(tmp_path / "a.safetensors", BUILDERS[made_for](tmp_path / "from"))
    folder = BUILDERS[used_with](tmp_path / "onto")
    with pytest.raises(ModelNotAvailable, match=r"was made for .* and does not fit onto") as refused:
        load(models.find(str(folder)), CPU, torch.float32, [Lora(str(file))])
    assert str(file) in refused.value.message
    assert refused.value.hint


@pytest.mark.parametrize(
    ("width", "words"), [(1024, "Stable Diffusion 2.x"), (2048, "Stable Diffusion XL"), (500, "500 features")]
)
def test_the_family_of_a_u_net_is_told_by_its_text(
    tmp_path: Path, tiny_folder: Path, width: int, words: str
) -> None:
    file = tmp_path / "a.safetensors"
    name = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
    save_file({f"{name}.lora_down.weight": torch.zeros(4, width)}, file)
    with pytest.raises(ModelNotAvailable, match=f"made for .*{words}"):
        load(models.find(str(tiny_folder)), CPU, torch.float32, [Lora(str(file))])


def change(file: Path, path: Path, rename) -> Path:
    save_file({rename(name): value.contiguous() for name, value in load_file(file).items()}, path)
    return path


def test_a_lora_with_layers_that_the_model_lacks_is_refused(tmp_path: Path, tiny_folder: Path) -> None:
    good = lora_files.write(tmp_path / "good.safetensors", tiny_folder)
    more = change(good, tmp_path / "more.safetensors", lambda n: n.replace("up_blocks.1.", "up_blocks.7."))
    with pytest.raises(ModelNotAvailable, match=r"does not fit") as refused:
        load(models.find(str(tiny_folder)), CPU, torch.float32, [Lora(str(more))])
    assert str(more) in refused.value.message


def test_a_lora_with_layers_that_nobody_knows_is_refused(tmp_path: Path, tiny_folder: Path) -> None:
    """diffusers drops, without a word, what it cannot convert."""
    good = lora_files.write(tmp_path / "good.safetensors", tiny_folder)
    kohya = lora_files.as_kohya(good, tmp_path / "kohya.safetensors", 4.0)
    renamed = change(kohya, tmp_path / "odd.safetensors", lambda n: n.replace("lora_te_", "lora_te3_"))
    with pytest.raises(ModelNotAvailable, match="does not fit"):
        load(models.find(str(tiny_folder)), CPU, torch.float32, [Lora(str(renamed))])


def test_a_lora_of_other_sizes_is_refused(tmp_path: Path, tiny_folder: Path) -> None:
    good = lora_files.write(tmp_path / "good.safetensors", tiny_folder)
    state = {
        n: torch.zeros(v.shape[0], v.shape[1] + 8) if "attn1.to_q.lora_A" in n else v
        for n, v in load_file(good).items()
    }
    save_file(state, tmp_path / "other.safetensors")
    with pytest.raises(ModelNotAvailable, match="does not fit"):
        load(models.find(str(tiny_folder)), CPU, torch.float32, [Lora(str(tmp_path / "other.safetensors"))])


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"\x80\x04" + bytes(100), "a.safetensors", "is a pickle"),
        (b"PK\x03\x04" + bytes(100), "a.safetensors", "zip archive"),
        ((90 * 2**20).to_bytes(8, "little") + b"{" + bytes(100), "a.safetensors", "claims 90 MiB"),
        (None, "a.safetensors", "is no file"),
        ("cut", "a.safetensors", "cut off"),
        ("whole", "a.pt", "ends in .safetensors"),
        ("model", "a.safetensors", "is no LoRA"),
        ("loha", "a.safetensors", "is a LoHa"),
    ],
)
def test_a_bad_file_is_refused_before_the_model_is_loaded(
    tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, content, name: str, words: str
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("sync_engine.backbones.loading.load_parts", never)
    file = tmp_path / name
    if content == "cut":
        save_file({"a.lora_down.weight": torch.zeros(100, 4)}, file)
        file.write_bytes(file.read_bytes()[:-10])
    elif content == "whole":
        save_file({"a.lora_down.weight": torch.zeros(4, 4)}, file)
    elif content == "model":
        save_file({"conv_in.weight": torch.zeros(4, 4)}, file)
    elif content == "loha":
        save_file({"lora_unet_mid_block.hada_w1_a": torch.zeros(4, 4)}, file)
    elif content is not None:
        file.write_bytes(content)
    with pytest.raises(ModelNotAvailable, match=words) as refused:
        load(models.find(str(tiny_folder)), CPU, torch.float32, [Lora(str(file))])
    assert str(file) in refused.value.message
    assert EXIT_STATUS[FailureCode(refused.value.code)] == 3


def make(folder: Path, out: Path, engine: Engine, *loras: str) -> tuple[bytes, dict]:
    spec = tiny.plate_spec(folder, method="multidiffusion", loras=loras, steps=2, guidance=1.0)
    files, _ = engine.run(spec, out, Reporter("job", lambda event: None))
    return Path(files["image"]).read_bytes(), json.loads(Path(files["spec"]).read_text())["spec"]


@pytest.mark.slow
def test_a_job_keeps_name_and_weight_and_a_replaced_file_counts(tmp_path: Path, tiny_folder: Path) -> None:
    file, other = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    lora_files.write(file, tiny_folder, 1)
    lora_files.write(other, tiny_folder, 2)
    engine = Engine()
    first, record = make(tiny_folder, tmp_path / "o1", engine, str(file))
    assert record["loras"] == [f"{file}:1"]
    assert EnvironmentSpec.from_dict(record).loras == (f"{file}:1",)
    again, _ = make(tiny_folder, tmp_path / "o2", engine, f"{file}:1")
    plain, record = make(tiny_folder, tmp_path / "o3", engine)
    assert record["loras"] == []
    other.replace(file)
    replaced, _ = make(tiny_folder, tmp_path / "o4", engine, str(file))
    pictures = [first, plain, replaced]
    assert len({picture[-2000:] for picture in pictures}) == 3
    assert again[-2000:] == first[-2000:]


@pytest.mark.parametrize(
    ("text", "file", "weight"),
    [
        ("a.safetensors", "a.safetensors", 1.0),
        ("a.safetensors:0.5", "a.safetensors", 0.5),
        ("C:\\loras\\a.safetensors", "C:\\loras\\a.safetensors", 1.0),
        ("C:\\loras\\a.safetensors:-1", "C:\\loras\\a.safetensors", -1.0),
    ],
)
def test_a_lora_in_words(text: str, file: str, weight: float) -> None:
    lora = Lora.parse(text)
    assert (lora.file, lora.weight) == (file, weight)
    assert Lora.parse(str(lora)) == lora
