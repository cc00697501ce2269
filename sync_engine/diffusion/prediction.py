# SPDX-License-Identifier: GPL-3.0-or-later
"""Conversions between what a network predicts (ε, v, x0 or flow velocity) and the clean x0.

A noisy latent is ``x = α·x0 + σ·ε``. With that, ε-prediction, v-prediction (Salimans and Ho
2022, ``v = α·ε − σ·x0``) and flow matching (``α = 1 − σ``, ``v = ε − x0``) all give x0, and an
edited x0 gives back the prediction that a diffusers scheduler expects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sync_engine.common.late import torch


@dataclass(frozen=True)
class NoiseLevel:
    """The noise of one timestep.

    Attributes:
        alpha, sigma: the state is ``alpha`` of the signal and ``sigma`` of the noise.
        kind: what the network predicts.
        scale: the network sees the state times this: 1, but for Euler's schedulers, whose state grows with
            the noise (``alpha`` is 1) while the network knows states of variance 1.
    """

    alpha: float
    sigma: float
    kind: str
    scale: float = 1.0

    def input(self, noisy: torch.Tensor) -> torch.Tensor:
        """Return what the network sees of a noisy state."""
        return noisy if self.scale == 1.0 else noisy * self.scale

    def noised(self, clean: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Return clean latents made noisy to this level."""
        return self.alpha * clean + self.sigma * noise

    def to_x0(self, prediction: torch.Tensor, noisy: torch.Tensor) -> torch.Tensor:
        """Return the clean latents that a prediction means."""
        if self.kind == "sample":
            return prediction
        if self.kind == "v_prediction":
            return self.scale * (self.alpha * self.scale * noisy - self.sigma * prediction)
        if self.kind == "flow_prediction":
            return noisy - self.sigma * prediction
        return (noisy - self.sigma * prediction) / self.alpha

    def from_x0(self, x0: torch.Tensor, noisy: torch.Tensor) -> torch.Tensor:
        """Return the prediction that means these clean latents."""
        if self.kind == "sample":
            return x0
        if self.kind == "v_prediction":
            return (self.alpha * self.scale * noisy - x0 / self.scale) / self.sigma
        if self.kind == "flow_prediction":
            return (noisy - x0) / self.sigma
        return (noisy - self.alpha * x0) / self.sigma


def levels(scheduler: Any) -> list[NoiseLevel]:
    """Return the noise level of every timestep of a diffusers scheduler, in order.

    Supports DDIM, DPM-Solver, UniPC and LCM, whose samples keep their variance, Euler and ancestral Euler,
    whose samples do not, and the flow-matching ones. Raises ValueError for another.
    """
    name = scheduler.__class__.__name__
    kind = scheduler.config.get("prediction_type", "epsilon")
    if name.startswith("FlowMatch"):
        return [NoiseLevel(1 - s, s, "flow_prediction") for s in scheduler.sigmas[:-1].tolist()]
    if name.startswith("Euler"):
        ratios = scheduler.sigmas[:-1].double()
        pairs = zip(ratios.tolist(), (ratios.square() + 1).rsqrt().tolist(), strict=True)
        return [NoiseLevel(1.0, sigma, kind, scale) for sigma, scale in pairs]
    if scheduler.init_noise_sigma != 1.0 or not hasattr(scheduler, "alphas_cumprod"):
        raise ValueError(f"{name} does not keep the variance; use DDIM or DPM-Solver")
    if hasattr(scheduler, "sigmas") and len(scheduler.sigmas) == len(scheduler.timesteps) + 1:
        # noise over signal; between whole timesteps where the schedule is Karras's
        ratios = scheduler.sigmas[:-1].double()
        alphas = (ratios.square() + 1).rsqrt()
        pairs = zip(alphas.tolist(), (ratios * alphas).tolist(), strict=True)
        return [NoiseLevel(alpha, sigma, kind) for alpha, sigma in pairs]
    signal = scheduler.alphas_cumprod[scheduler.timesteps.cpu()].double()
    pairs = zip(signal.sqrt().tolist(), (1 - signal).sqrt().tolist(), strict=True)
    return [NoiseLevel(alpha, sigma, kind) for alpha, sigma in pairs]
