# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job goes on from after its process has died: the state between two steps, in its partial folder.

Latents, the solver's memory and the generator's state, so that the rest gives the same pixels. A file of
safetensors: tensors and JSON, nothing that runs when it is read.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from sync_engine import VERSION
from sync_engine.interface.durable import written_beside
from sync_engine.interface.partial_folders import CHECKPOINT_NAME
from sync_engine.interface.spec import EnvironmentSpec

EVERY_S = 10.0
SHARE = 0.02
"""Of the time since the loop began, for all checkpoints together."""


class Checkpoint:
    """The one checkpoint of a job.

    Args:
        folder: the partial folder.
        spec: the job with its seed; a checkpoint of another spec, version or device is not used.
        device, dtype: what the job runs on and in.
        on_resume: told the step that the job goes on from.
    """

    def __init__(
        self,
        folder: Path,
        spec: EnvironmentSpec,
        device: torch.device,
        dtype: torch.dtype,
        on_resume: Callable[[int], object] = lambda step: None,
    ) -> None:
        self._path = folder / CHECKPOINT_NAME
        self._key = {
            "version": VERSION,
            "torch": torch.__version__,
            "spec": spec.to_json(),
            "device": str(device),
            "dtype": str(dtype),
        }
        self._on_resume = on_resume
        self._begun = self._last = time.perf_counter()
        self._cost = 0.0

    def restore(
        self, scheduler: Any, generator: torch.Generator | None, like: torch.Tensor
    ) -> tuple[int, torch.Tensor] | None:
        """Bring solver and generator to where the checkpoint left them; return the step and its state.

        None, with nothing changed, where there is no checkpoint of this job or it cannot be read.
        """
        found = _read(self._path, self._key)
        if found is None:
            return None
        tensors, about = found
        state = tensors["state"].to(like)
        if state.shape != like.shape:
            return None
        for name, value in about["solver"].items():
            setattr(scheduler, name, _unpacked(value, tensors, like.device))
        if generator is not None:
            generator.set_state(tensors["generator"])
        self._on_resume(about["step"])
        return about["step"], state

    def keep(
        self, step: int, steps: int, state: torch.Tensor, scheduler: Any, generator: torch.Generator | None
    ) -> None:
        """Write a checkpoint after ``step`` of ``steps``, if the last is old enough and they cost little."""
        now = time.perf_counter()
        due = now - self._last >= EVERY_S and self._cost <= SHARE * (now - self._begun)
        if not due or step == 0 or step > steps:
            return
        tensors = {"state": state.detach().cpu().contiguous().clone()}
        if generator is not None:
            tensors["generator"] = generator.get_state()
        solver = {}
        for name, value in vars(scheduler).items():
            packed = _packed(value, name, tensors)
            if packed is not None:
                solver[name] = packed
        about = json.dumps({"step": step, "solver": solver})
        from safetensors.torch import save_file

        try:
            with written_beside(self._path) as part:
                save_file(tensors, part, metadata={"key": json.dumps(self._key), "about": about})
        except OSError:  # a full disk: the job itself may still fit
            self._cost = float("inf")
            return
        self._last = time.perf_counter()
        self._cost += self._last - now

    def forget(self) -> None:
        """Remove the checkpoint: the job is done with it."""
        self._path.unlink(missing_ok=True)


def seed_to_resume(folders: list[Path], spec: EnvironmentSpec) -> int | None:
    """Return the seed that an interrupted job of a spec without one had drawn, from its partial folder."""
    for folder in folders:
        found = _read(folder / CHECKPOINT_NAME, None)
        if found is None:
            continue
        kept = json.loads(found[1]["key"]["spec"])
        if kept | {"seed": None} == spec.to_dict() | {"seed": None}:
            return kept["seed"]
    return None


def _read(path: Path, key: dict[str, str] | None) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
    """Return tensors and facts of a checkpoint that has this key (None: any); None if it cannot be used."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            theirs, about = json.loads(metadata["key"]), json.loads(metadata["about"])
            if key is not None and theirs != key:
                return None
            return {name: file.get_tensor(name) for name in file.keys()}, about | {"key": theirs}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError, KeyError):
        return None


def _packed(value: Any, name: str, tensors: dict[str, torch.Tensor]) -> Any:
    """Return JSON for a part of a solver's memory, its tensors put aside; None for what is no such part."""
    if value is None or isinstance(value, bool | int | float | str):
        return {"value": value}
    if isinstance(value, torch.Tensor):
        tensors[f"solver.{name}"] = value.detach().cpu().contiguous().clone()
        return {"tensor": f"solver.{name}", "device": value.device.type}
    if isinstance(value, list):
        items = [_packed(item, f"{name}.{number}", tensors) for number, item in enumerate(value)]
        return None if None in items else {"list": items}
    return None


def _unpacked(data: dict[str, Any], tensors: dict[str, torch.Tensor], device: torch.device) -> Any:
    if "list" in data:
        return [_unpacked(item, tensors, device) for item in data["list"]]
    if "tensor" in data:
        tensor = tensors[data["tensor"]]
        return tensor if data["device"] == "cpu" else tensor.to(device)
    return data["value"]
