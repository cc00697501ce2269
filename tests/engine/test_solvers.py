# SPDX-License-Identifier: GPL-3.0-or-later
"""Solvers: every one of them gives the latents of diffusers' own pipeline, distilled models included."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from sync_engine.backbones import schedulers
from sync_engine.backbones.loading import load
from sync_engine.canvas.plane import PlaneCanvas
from sync_engine.canvas.sphere import SphereCanvas
from sync_engine.catalog import models
from sync_engine.catalog.models import with_defaults
from sync_engine.common.errors import EngineError
from sync_engine.common.progress import Reporter
from sync_engine.diffusion import solvers
from sync_engine.diffusion.joint_loop import sample
from sync_engine.diffusion.prediction import levels
from sync_engine.interface.limits import SOLVERS as SPEC_SOLVERS
from sync_engine.interface.messages import FailureCode, Progress
from sync_engine.prompting.conditioning import Conditioning
from sync_engine.runtime.job import Engine
from tests.small_models import flow_jobs, tiny, tiny_flow, tiny_xl

CPU = torch.device("cpu")
BETAS = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "steps_offset": 1}
SOLVERS: dict[str, tuple[str, dict[str, Any], int]] = {
    "LCM": ("LCMScheduler", {}, 4),
    "Turbo": ("EulerAncestralDiscreteScheduler", {"timestep_spacing": "trailing"}, 4),
    "Turbo in one step": ("EulerAncestralDiscreteScheduler", {"timestep_spacing": "trailing"}, 1),
    "Lightning": ("EulerDiscreteScheduler", {"timestep_spacing": "trailing"}, 4),
    "Euler": ("EulerDiscreteScheduler", {"timestep_spacing": "leading"}, 6),
    "Euler, Karras": ("EulerDiscreteScheduler", {"use_karras_sigmas": True}, 6),
    "UniPC": ("UniPCMultistepScheduler", {}, 6),
    "DPM": ("DPMSolverMultistepScheduler", {}, 6),
    "DPM, Karras": ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}, 6),
    "DPM, stochastic": ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}, 6),
}
STOCHASTIC = ("LCM", "Turbo", "DPM, stochastic")


def name_solver(folder: Path, solver: str, prediction: str = "epsilon") -> None:
    """Write a solver into a model's folder, as its author would have."""
    import diffusers

    name, options, _ = SOLVERS[solver]
    scheduler = getattr(diffusers, name)(**BETAS, **options, prediction_type=prediction)
    scheduler.save_pretrained(folder / "scheduler")
    index = json.loads((folder / "model_index.json").read_text())
    index["scheduler"] = ["diffusers", name]
    (folder / "model_index.json").write_text(json.dumps(index))


def embed_guidance(folder: Path, size: int) -> None:
    """Give a model's network the input for the guidance that LCM has, with random weights."""
    from diffusers import UNet2DConditionModel

    config = dict(UNet2DConditionModel.load_config(folder / "unet"))
    torch.manual_seed(2)
    UNet2DConditionModel.from_config(config | {"time_cond_proj_dim": size}).save_pretrained(folder / "unet")


@pytest.fixture(
    scope="module", params=["SD, epsilon", "SD, v_prediction", "XL, epsilon", "LCM with guidance inside"]
)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with random weights and what its network predicts."""
    folder = tmp_path_factory.mktemp("family")
    if request.param.startswith("XL"):
        return tiny_xl.build(folder), "epsilon"
    prediction = "v_prediction" if "v_pred" in request.param else "epsilon"
    tiny.build(folder, prediction=prediction)
    if request.param.startswith("LCM"):
        embed_guidance(folder, 24)
    return folder, prediction


@pytest.mark.slow
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("guidance", [2.0, 1.0])
def test_one_window_equals_the_pipeline_of_diffusers(
    family: tuple[Path, str], solver: str, guidance: float
) -> None:
    """The guidance is small because float32 resolves no 1e-4 of larger latents: a random ε at the first
    level is some 14 times as large in x0, and guidance multiplies that."""
    from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline

    folder, prediction = family
    name_solver(folder, solver, prediction)
    steps = SOLVERS[solver][2]
    backbone = load(models.find(str(folder)), CPU, torch.float32)
    xl = (folder / "text_encoder_2").is_dir()
    if xl:
        pipeline = StableDiffusionXLPipeline.from_pretrained(folder)
    else:
        pipeline = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
    pipeline.set_progress_bar_config(disable=True)
    assert type(pipeline.scheduler).__name__ == SOLVERS[solver][0]
    canvas = PlaneCanvas(16, 16, 16, 8)
    noise = canvas.noise(4, torch.Generator().manual_seed(5))
    theirs = pipeline(
        "a calm sea",
        latents=noise,
        num_inference_steps=steps,
        guidance_scale=guidance,
        output_type="latent",
        height=128,
        width=128,
        generator=torch.Generator().manual_seed(6),
    ).images
    scheduler = backbone.scheduler("model", steps)
    ours = sample(
        backbone,
        canvas,
        scheduler,
        noise * solvers.initial_scale(scheduler),
        Conditioning.one_prompt_each(backbone.encode(["a calm sea"]), backbone.encode([""]), [0], guidance),
        generator=torch.Generator().manual_seed(6),
    )
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


@pytest.mark.parametrize("solver", SOLVERS)
def test_x0_and_prediction_are_inverse_at_every_level(tiny_folder: Path, solver: str) -> None:
    import diffusers

    name, options, steps = SOLVERS[solver]
    for prediction in ("epsilon", "v_prediction"):
        scheduler = getattr(diffusers, name)(**BETAS, **options, prediction_type=prediction)
        scheduler.set_timesteps(steps)
        clean, noise = torch.randn(2, 1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
        for level in levels(scheduler):
            noisy = level.alpha * clean + level.sigma * noise
            seen = level.input(noisy)
            assert abs(float(seen.square().mean()) - 1) < 0.35, "the network knows states of variance 1"
            signal, rest = level.alpha * level.scale, level.sigma * level.scale
            made = noise if prediction == "epsilon" else signal * noise - rest * clean
            torch.testing.assert_close(level.to_x0(made, noisy), clean, rtol=0, atol=1e-3)
            torch.testing.assert_close(level.from_x0(clean, noisy), made, rtol=0, atol=1e-3)


@pytest.mark.parametrize("solver", STOCHASTIC)
def test_the_noise_of_a_step_is_one_field_of_the_canvas(tiny_folder: Path, solver: str) -> None:
    """Cells of two views that share a point of the sphere begin alike; fresh noise must keep them alike."""
    import diffusers

    name, options, _ = SOLVERS[solver]
    scheduler = getattr(diffusers, name)(**BETAS, **options)
    scheduler.set_timesteps(4)
    canvas = SphereCanvas(16)

    class Dark:
        def predict(self, windows, timestep, conditioning, entries, residuals=None) -> torch.Tensor:
            return torch.zeros_like(windows)

    state = canvas.noise(4, torch.Generator().manual_seed(1)) * solvers.initial_scale(scheduler)
    seen: list[torch.Tensor] = []

    class Watched(Dark):
        def predict(self, windows, timestep, conditioning, entries, residuals=None) -> torch.Tensor:
            seen.append(windows.clone())
            return super().predict(windows, timestep, conditioning, entries, residuals)

    conditioning = Conditioning.one_prompt_each(torch.zeros(1), torch.zeros(1), [0] * len(canvas.views), 1.0)
    sample(Watched(), canvas, scheduler, state, conditioning, generator=torch.Generator().manual_seed(2))
    per_step = len(seen) // 4
    first, second = (torch.cat(seen[start : start + per_step]) for start in (0, per_step))
    cells = first.permute(0, 2, 3, 1).reshape(-1, 4)
    _, inverse, count = cells.unique(dim=0, return_inverse=True, return_counts=True)
    shared = (count[inverse] > 1).nonzero()[:, 0]
    assert len(shared) > 0.3 * len(cells), "most of the sphere is seen by two views"
    drawn = canvas.noise(4, torch.Generator().manual_seed(2)).permute(0, 2, 3, 1).reshape(-1, 4)
    again = inverse[shared]
    order = again.argsort(stable=True)
    pairs = drawn[shared][order]
    same = again[order][1:] == again[order][:-1]
    torch.testing.assert_close(pairs[1:][same], pairs[:-1][same], rtol=0, atol=0)
    correlation = torch.corrcoef(torch.stack([second.flatten(), _as_windows(drawn, second).flatten()]))[0, 1]
    assert correlation > 0.3, "the step adds the canvas's field and no other"


def _as_windows(cells: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    views, channels, height, width = like.shape
    return cells.reshape(views, height, width, channels).permute(0, 3, 1, 2)


def test_a_stochastic_solver_without_a_generator_is_an_error(tiny_folder: Path) -> None:
    backbone = load(models.find(str(tiny_folder)), CPU, torch.float32)
    canvas = PlaneCanvas(16, 16, 16, 8)
    conditioning = Conditioning.one_prompt_each(backbone.encode(["a"]), backbone.encode([""]), [0], 1.0)
    with pytest.raises(ValueError, match="needs a generator"):
        sample(backbone, canvas, backbone.scheduler("lcm", 2), torch.zeros(1, 4, 16, 16), conditioning)


def test_guidance_inside_costs_one_evaluation_and_matters(tmp_path: Path) -> None:
    folder = tiny.build(tmp_path / "m")
    embed_guidance(folder, 24)
    backbone = load(models.find(str(folder)), CPU, torch.float32)
    sizes: list[int] = []
    backbone.unet.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
    noisy = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    text, empty = backbone.encode(["a calm sea"]), backbone.encode([""])
    words = [Conditioning.one_prompt_each(text, empty, [0, 0], scale) for scale in (1.0, 8.0)]
    weak, strong = (backbone.predict(noisy, torch.tensor(500), each, each.entries) for each in words)
    assert sizes == [2, 2]
    assert (weak - strong).abs().max() > 1e-4


@pytest.mark.parametrize(
    ("solver", "name", "expected"),
    [
        ("LCM", "model", "LCMScheduler"),
        ("LCM", "published", "LCMScheduler"),
        ("LCM", "ddim", "DDIMScheduler"),
        ("Turbo", "published", "EulerAncestralDiscreteScheduler"),
        ("Euler", "model", "EulerDiscreteScheduler"),
        ("Euler", "published", "DDIMScheduler"),
        ("UniPC", "model", "UniPCMultistepScheduler"),
        ("UniPC", "euler-trailing", "EulerDiscreteScheduler"),
    ],
)
def test_the_folder_names_the_solver(tmp_path: Path, solver: str, name: str, expected: str) -> None:
    folder = tiny.build(tmp_path / "m")
    name_solver(folder, solver)
    scheduler = load(models.find(str(folder)), CPU, torch.float32).scheduler(name, 4)
    assert type(scheduler).__name__ == expected
    if name == "euler-trailing":
        assert scheduler.timesteps[0] == 999


@pytest.mark.slow
def test_a_spec_names_a_solver(tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[str] = []
    build = schedulers.build

    def watched(name: str, own: Any, steps: int) -> Any:
        made = build(name, own, steps)
        used.append(type(made).__name__)
        return made

    monkeypatch.setattr(schedulers, "build", watched)
    for solver in SPEC_SOLVERS:
        spec = tiny.plate_spec(tiny_folder, method="multidiffusion", steps=1, solver=solver, guidance=1.0)
        files, _ = Engine().run(spec, tmp_path / solver, Reporter("job", lambda event: None))
        assert json.loads(Path(files["spec"]).read_text())["spec"]["solver"] == solver
    dpm, ancestral = "DPMSolverMultistepScheduler", "EulerAncestralDiscreteScheduler"
    euler = ["EulerDiscreteScheduler"] * 2
    expected = [dpm, dpm, "UniPCMultistepScheduler", *euler, ancestral, "DDIMScheduler", "LCMScheduler"]
    assert list(dict.fromkeys(used)) == list(dict.fromkeys(expected))


def test_a_flow_model_says_that_it_has_one_solver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(models.TABLE, "small", flow_jobs.row(tiny_flow.build_z_image(tmp_path / "m"), 128))
    told: list[Any] = []
    spec = tiny.plate_spec("small", method="multidiffusion", steps=1, solver="lcm")
    Engine().run(spec, tmp_path / "out", Reporter("job", told.append))
    assert any("one solver" in event.note for event in told if isinstance(event, Progress) and event.note)


def test_a_solver_that_the_loop_does_not_know_becomes_dpm(tiny_folder: Path) -> None:
    from diffusers import PNDMScheduler

    assert (
        type(schedulers.build("model", PNDMScheduler(**BETAS), 4)).__name__ == "DPMSolverMultistepScheduler"
    )


def test_lcm_cannot_make_more_steps_than_it_was_distilled_for(tiny_folder: Path) -> None:
    from diffusers import LCMScheduler

    with pytest.raises(EngineError, match="steps = 60") as refused:
        schedulers.build("model", LCMScheduler(**BETAS), 60)
    assert refused.value.code is FailureCode.BAD_SPEC


@pytest.mark.parametrize(
    ("solver", "inside", "expected"),
    [
        ("LCM", True, (4, 8.0)),
        ("LCM", False, (4, 1.0)),
        ("Turbo", False, (4, 1.0)),
        ("Lightning", False, (4, 1.0)),
        ("Euler", False, (25, 7.5)),
        ("DPM", False, (25, 7.5)),
    ],
)
def test_a_distilled_folder_has_few_steps_and_no_guidance(
    tmp_path: Path, solver: str, inside: bool, expected: tuple[int, float]
) -> None:
    folder = tiny.build(tmp_path / "m")
    name_solver(folder, solver)
    if inside:
        embed_guidance(folder, 24)
    row = with_defaults(models.find(str(folder)), folder)
    assert (row.steps, row.guidance) == expected


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["LCM", "Turbo"])
@pytest.mark.parametrize(
    ("kind", "method"),
    [
        ("world", "sync"),
        ("world", "multidiffusion"),
        ("plate", "sync"),
        ("plate", "sync-paper"),
        ("plate", "blended"),
    ],
)
def test_every_method_makes_a_picture_and_the_same_again(
    tmp_path: Path, solver: str, kind: str, method: str
) -> None:
    folder = tiny.build(tmp_path / "m")
    name_solver(folder, solver)
    spec = tiny.plate_spec(folder, method=method)
    if kind == "world":
        spec = dataclasses.replace(spec, kind="world", width=512, height=None)
    made = []
    for number in (1, 2):
        files, _ = Engine().run(spec, tmp_path / f"out{number}", Reporter("job", lambda event: None))
        made.append(Path(files["image"]).read_bytes())
        record = json.loads(Path(files["spec"]).read_text())["spec"]
        assert (record["steps"], record["guidance"]) == (4, 1.0)
    assert made[0] == made[1]
