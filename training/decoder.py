# SPDX-License-Identifier: GPL-3.0-or-later
"""Free the decoder of its weave: a new kernel for its last stage; latents and denoiser stay what they are.

The decoder enlarges by repeated pixels. Its last kernel has to take away the mirror images of what it
enlarges, and does not: a weave with a period of 2.7 pixels, which L1 and LPIPS hardly see. The new kernel is
the one with the least change of the pictures and the least power at the grid's periods, on true latents and
on latents that the denoiser made (``finished_views``); then a few steps on L1 and LPIPS, with that power as
a term of the loss. Takes about three minutes of one core.

    python -m training.finished_views --part training --count 128
    python -m training.finished_views --part choice --count 48
    python -m training.decoder --lpips alex.safetensors
"""

import copy
import logging
from pathlib import Path
from typing import Any

import lpips
import torch
from diffusers import AutoencoderTiny
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from sync_engine.evaluation.detail import gradient_energy
from sync_engine.evaluation.weave import HARMONICS, harmonics_over_neighbours, power_spectra
from training import checkpoints, last_stage
from training.autoencoder import VIEW_SIZE, build_lpips
from training.precision import working_dtype

ACROSS, DOWN = 3e-5, 6e-5
"""Weights of the power at a period of 2.7 pixels, which is 1 before, beside the mean square change."""
OTHER_PERIODS, TRUE_SHARE = 1.5e-5, 0.3
"""Weight of the power at 8 and 4 pixels, and of the power of true latents beside the denoiser's."""
POWER_WEIGHT = 30.0
"""How much more it weighs beside L1 and LPIPS."""
RIDGE = 1e-3
"""Keeps weights of features that hardly vary small, of the mean of all."""
STEPS, RATE, BATCH = 200, 1e-4, 4
BORDER = 8

log = logging.getLogger(__name__)
Part = dict[str, Tensor]


def weighted_power(finished: Tensor, true: Tensor, kernel: Tensor, draw: torch.Generator) -> Tensor:
    """The form [25 C, 25 C] of the weave's power, of hidden features of finished and true latents."""
    total = torch.zeros((), dtype=torch.float64)
    for share, hidden in ((1.0, finished), (TRUE_SHARE, true)):
        for (direction, peak), form in last_stage.harmonic_forms(hidden, draw).items():
            weight = OTHER_PERIODS if peak != HARMONICS[-1] else DOWN if direction == "down" else ACROSS
            total = total + share * weight * form / (kernel * (kernel @ form)).sum()
    return total


def fit(model: AutoencoderTiny, perceptual: lpips.LPIPS, part: Part, draw: torch.Generator) -> None:
    """Put the new kernel into the last stage of ``model``."""
    convolutions = last_stage.last_convolutions(model)
    bias = convolutions[1].bias
    dtype = working_dtype(torch.device("cpu"))
    halved, half_perceptual = copy.deepcopy(model).to(dtype), copy.deepcopy(perceptual).to(dtype)
    true, finished = (last_stage.hidden_features(halved, part[name], dtype) for name in ("true", "latents"))
    old = last_stage.joined_kernel(*convolutions)
    shape, flat = old.shape, old.flatten(1).double()
    squares = last_stage.square_form(true[::4], draw)
    squares += RIDGE * squares.diagonal().mean() * torch.eye(len(squares), dtype=torch.float64)
    power = weighted_power(finished[::2], true[::4], flat, draw)
    log.info("forms of %d and %d views", len(finished), len(true))
    start = -torch.linalg.solve(squares + power, power @ flat.T).T
    values, vectors = torch.linalg.eigh(squares)
    even = (vectors * values.rsqrt()) @ vectors.T  # in these coordinates every step changes pictures alike
    place = torch.nn.Parameter((start @ torch.linalg.inv(even)).float())
    optimizer = torch.optim.Adam([place], lr=RATE, betas=(0.8, 0.95))
    draw.manual_seed(draw.initial_seed())
    even, power, flat = even.float(), power.float(), flat.float()
    for step in range(STEPS):
        checkpoints.set_learning_rate(optimizer, RATE * min(1, (step + 1) / 5, 2 * (1 - step / STEPS)))
        rows = torch.randint(len(true), (BATCH,), generator=draw)
        views = part["views"][rows].float() / 127.5 - 1
        kernel = flat + place @ even
        output = last_stage.paint(true[rows], kernel.reshape(shape), bias) + last_stage.rim(
            halved, true[rows], old, bias
        )
        terms = {
            "l1": functional.l1_loss(output, views),
            "lpips": half_perceptual(output.to(dtype), views.to(dtype)).float().mean(),
            "power": POWER_WEIGHT * (kernel * (kernel @ power)).sum(),
        }
        optimizer.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        optimizer.step()
        if step % 10 == 0 or step == STEPS - 1:
            log.info("step %d: %s", step, {name: round(value.item(), 4) for name, value in terms.items()})
    last_stage.put_kernel(*convolutions, (flat + place.detach() @ even).reshape(shape))


@torch.no_grad()
def measure(model: AutoencoderTiny, perceptual: lpips.LPIPS, part: Part) -> dict[str, Any]:
    """PSNR (dB), that of the border of 8 pixels, LPIPS-alex, weave and detail of a part's views."""
    views = part["views"].float() / 127.5 - 1
    again, painted = (
        torch.cat([model.decode(z.float()).sample.clamp(-1, 1) for z in part[name].split(8)])
        for name in ("true", "latents")
    )
    error = ((again - views) / 2).square().mean(1)
    border = torch.ones(VIEW_SIZE, VIEW_SIZE, dtype=torch.bool)
    border[BORDER:-BORDER, BORDER:-BORDER] = False
    distance = [perceptual(a, b).flatten() for a, b in zip(again.split(8), views.split(8), strict=True)]

    def decibels(values: Tensor) -> float:
        return round(float((-10 * values.clamp_min(1e-10).log10()).mean()), 2)

    def weave(pictures: Tensor) -> list[list[float]]:
        ratios = harmonics_over_neighbours(power_spectra(pictures / 2 + 0.5).mean(dim=0))
        return [[round(value, 2) for value in row] for row in ratios.tolist()]

    pictures = {"views": views, "again": again, "painted": painted}
    return {
        "psnr": decibels(error.mean((1, 2))),
        "psnr_border": decibels(error[:, border].mean(1)),
        "lpips": round(torch.cat(distance).mean().item(), 4),
        "weave": {name: weave(found) for name, found in pictures.items()},
        "detail": {
            name: round(sum(gradient_energy(picture / 2 + 0.5) for picture in found) / len(found), 3)
            for name, found in pictures.items()
        },
    }


def write(model: AutoencoderTiny, folder: Path) -> None:
    """Put the weights of ``model`` into an exported autoencoder's folder, in half precision."""
    weights = {name: value.half().contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / "diffusion_pytorch_model.safetensors", {"format": "pt"})


def main() -> None:
    """Command line."""
    parser = checkpoints.base_parser(__doc__.splitlines()[0])
    parser.add_argument("--lpips", type=Path, help="LPIPS-alex weights (safetensors)")
    parser.add_argument("--part", default="choice", help="whose figures are printed: choice or held-out")
    parser.add_argument("--measure", action="store_true", help="only print the figures of what is there")
    parser.add_argument("--write", action="store_true", help="put what runs/decoder.pt holds into --export")
    args = parser.parse_args()
    checkpoints.start(args)
    model = AutoencoderTiny.from_pretrained(args.export / "vae").float().eval().requires_grad_(False)
    path = args.runs / "decoder.pt"
    state = checkpoints.load(path, torch.device("cpu"))
    if state is not None and (args.write or args.measure):  # a fit begins at the exported weights
        log.info("weights of %s", path)
        model.load_state_dict(state["average"])
    if args.write:
        if state is None:
            raise FileNotFoundError(f"{path} is missing: run python -m training.decoder first")
        write(model, args.export / "vae")
        return
    perceptual = build_lpips(args.lpips)
    judged = torch.load(args.runs / f"finished_{args.part}.pt", weights_only=True)
    if args.measure:
        log.info("%s: %s", args.part, measure(model, perceptual, judged))
        return
    draw = torch.Generator().manual_seed(args.seed)
    fit(model, perceptual, torch.load(args.runs / "finished_training.pt", weights_only=True), draw)
    checkpoints.save(path, {"average": model.state_dict()})
    log.info("%s: %s", args.part, measure(model, perceptual, judged))


if __name__ == "__main__":
    main()
