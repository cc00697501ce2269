# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job goes on from after its process has died or was cancelled: files in its partial folder.

The state between two steps of the pass that runs, the parts of a picture that are decoded, and the picture
that a detail pass began with; latents, the solver's memory and the generator's state, so that the rest gives
the same pixels. Files of safetensors: tensors and JSON, nothing that runs when it is read.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch

from sync_engine import VERSION
from sync_engine.interface.durable import written_beside
from sync_engine.interface.partial_folders import CHECKPOINT_NAME, checkpoint_files
from sync_engine.interface.spec import EnvironmentSpec
from sync_engine.interface.wording import Message

EVERY_S = 10.0
SHARE = 0.02
"""Of the time since the job began, for all checkpoints together."""
FIRST_GUESS = 200e6
"""Bytes a second that a disk is believed to take before one was written to."""
PARTS_BYTES = 512 * 2**20
"""So much of decoded parts waits in memory for its turn; beyond it the rest of the picture is not kept."""
PICTURE_NAME, PARTS_NAME = "checkpoint.picture.safetensors", "checkpoint.parts-{height}-{first}.safetensors"


class Checkpoint:
    """The checkpoints of a job, of one pass at a time: its steps, then the decoding of its picture.

    Args:
        folder: the partial folder.
        spec: the job with its seed; a checkpoint of another spec, version or device is not used.
        place: what the job runs on, in which precision, and how the weights are kept.
        note: told once what the job goes on from.
        files: what the job reads beside its spec: with other files in their places it is another job.
    """

    def __init__(
        self,
        folder: Path,
        spec: EnvironmentSpec,
        place: tuple[torch.device, torch.dtype, str],
        note: Callable[[Message], object] = lambda text: None,
        files: Iterable[Path] = (),
    ) -> None:
        self._folder, self._path = folder, folder / CHECKPOINT_NAME
        self._key = {
            "version": VERSION,
            "torch": torch.__version__,
            "spec": spec.to_json(),
            "place": " ".join(map(str, place)),
            "files": [_look_of(path) for path in sorted(files)],
        }
        self._note: Callable[[Message], object] | None = note
        self._height = 0
        self._picture: torch.Tensor | None = None
        self._begun = self._last = time.perf_counter()
        self._cost, self._last_cost, self._speed = 0.0, 0.0, FIRST_GUESS

    # --- passes -------------------------------------------------------------------------------

    def picture(self) -> tuple[int, torch.Tensor] | None:
        """Return the height of the last pass whose picture was kept, and that picture; None without one."""
        found = _read(self._folder / PICTURE_NAME, self._key)
        if found is None:
            return None
        self._tell(Message("An earlier run of this job was interrupted; this one goes on from its picture."))
        return found[1]["height"], found[0]["picture"]

    def begin(self, height: int) -> None:
        """Begin the pass that makes a picture of this height."""
        self._height = height

    def passed(self, picture: torch.Tensor) -> None:
        """Take the picture ``(3, H, W)`` that the pass has made; it is written when a checkpoint is due."""
        self._picture = picture
        if self._due(picture.nbytes):
            self._write_picture()

    def _write_picture(self) -> bool:
        if self._picture is None:
            return True
        about = {"height": int(self._picture.shape[1])}
        tensors = {"picture": self._picture.contiguous()}
        if not self._write(self._folder / PICTURE_NAME, tensors, about):
            return False
        self._picture = None
        self._path.unlink(missing_ok=True)
        for path in self._folder.glob(PARTS_NAME.format(height="*", first="*")):
            if int(path.name.split("-")[1]) <= about["height"]:  # of this pass and those before
                path.unlink(missing_ok=True)
        return True

    # --- the steps of a pass ------------------------------------------------------------------

    def restore(
        self, scheduler: Any, generator: torch.Generator | None, like: dict[str, torch.Tensor]
    ) -> tuple[int, dict[str, torch.Tensor]] | None:
        """Bring solver and generator to where the checkpoint left them; return the step and its tensors.

        None, with nothing changed, where there is no checkpoint of this pass or it cannot be read.
        """
        found = _read(self._path, self._key)
        if found is None or found[1]["height"] != self._height:
            return None
        tensors, about = found
        if any(name not in tensors or tensors[name].shape != value.shape for name, value in like.items()):
            return None
        for name, value in about["solver"].items():
            setattr(scheduler, name, _unpacked(value, tensors, next(iter(like.values())).device))
        if generator is not None:
            generator.set_state(tensors["generator"])
        self._tell(
            Message(
                "An earlier run of this job was interrupted; this one goes on after step {step}.",
                step=about["step"] - about["begun"],
            )
        )
        return about["step"], {name: tensors[name].to(value) for name, value in like.items()}

    def keep(
        self,
        step: int,
        tensors: dict[str, torch.Tensor],
        scheduler: Any,
        generator: torch.Generator | None,
        begun: int = 0,
    ) -> None:
        """Write a checkpoint after ``step`` steps, if the last is old enough and they cost little.

        Args:
            step: number of the next step.
            tensors: what the loop goes on from.
            scheduler, generator: whose memory is kept too.
            begun: number of the pass's first step, for what people are told.
        """
        picture = 0 if self._picture is None else self._picture.nbytes
        if not self._due(picture + sum(tensor.nbytes for tensor in tensors.values())):
            return
        if not self._write_picture():
            return
        kept = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
        if generator is not None:
            kept["generator"] = generator.get_state()
        solver = {}
        for name, value in vars(scheduler).items():
            packed = _packed(value, name, kept)
            if packed is not None:
                solver[name] = packed
        about = {"height": self._height, "step": step, "begun": begun, "solver": solver}
        self._write(self._path, kept, about)

    # --- the parts of a picture ---------------------------------------------------------------

    def decoder(
        self, decode: Callable[[torch.Tensor], torch.Tensor]
    ) -> Callable[[torch.Tensor], torch.Tensor]:
        """Return a decoder for this pass, whose parts of the picture outlive the process."""
        return _KeptDecoder(self, decode)

    def kept_parts(self) -> dict[int, torch.Tensor]:
        """Return the decoded parts of this pass that were kept, by their numbers from 0."""
        parts: dict[int, torch.Tensor] = {}
        for path in self._folder.glob(PARTS_NAME.format(height=self._height, first="*")):
            found = _read(path, self._key)
            if found is not None:
                parts |= {int(number): tensor for number, tensor in found[0].items()}
        if parts:
            self._tell(
                Message(
                    "An earlier run of this job was interrupted; {count} parts of the picture are there.",
                    count=len(parts),
                )
            )
        return parts

    def keep_parts(self, first: int, parts: list[torch.Tensor]) -> bool:
        """Write decoded parts from number ``first`` on, if it is time; tell whether they are written."""
        if not self._due(sum(part.nbytes for part in parts)):
            return False
        tensors = {str(first + number): part.contiguous().clone() for number, part in enumerate(parts)}
        path = self._folder / PARTS_NAME.format(height=self._height, first=first)
        return self._write(path, tensors, {"height": self._height})

    # --- writing ------------------------------------------------------------------------------

    def _tell(self, text: Message) -> None:
        if self._note is not None:
            self._note(text)
            self._note = None

    def _due(self, size: int) -> bool:
        """Tell whether the last checkpoint is old enough, and one of so many bytes within its share."""
        now = time.perf_counter()
        expected = max(size / self._speed, self._last_cost)
        return now - self._last >= EVERY_S and self._cost + expected <= SHARE * (now - self._begun)

    def _write(self, path: Path, tensors: dict[str, torch.Tensor], about: dict[str, Any]) -> bool:
        from safetensors.torch import save_file

        begun = time.perf_counter()
        metadata = {"key": json.dumps(self._key), "about": json.dumps(about)}
        try:
            with written_beside(path) as part:
                save_file(tensors, part, metadata=metadata)
        except OSError:  # a full disk: the job itself may still fit
            self._cost = float("inf")
            return False
        self._last = time.perf_counter()
        self._last_cost = self._last - begun
        self._cost += self._last_cost
        self._speed = sum(tensor.nbytes for tensor in tensors.values()) / max(self._last_cost, 1e-3)
        return True


class NoCheckpoint(Checkpoint):
    """Of a job on several devices, where no process has the whole state: keeps nothing, finds nothing."""

    def picture(self) -> None:
        """Return None."""

    def passed(self, picture: torch.Tensor) -> None:
        """Keep nothing."""

    def restore(
        self, scheduler: Any, generator: torch.Generator | None, like: dict[str, torch.Tensor]
    ) -> None:
        """Return None."""

    def keep(self, *_: object, **__: object) -> None:
        """Keep nothing."""

    def decoder(
        self, decode: Callable[[torch.Tensor], torch.Tensor]
    ) -> Callable[[torch.Tensor], torch.Tensor]:
        """Return the decoder as it is."""
        return decode


class _KeptDecoder:
    """Decodes as a model does, in the order of a canvas; what an earlier run decoded is not done again."""

    def __init__(self, checkpoint: Checkpoint, decode: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self._checkpoint, self._decode = checkpoint, decode
        self._kept = checkpoint.kept_parts()
        self._number = 0
        self._fresh: list[torch.Tensor] | None = []

    def __call__(self, latents: torch.Tensor) -> torch.Tensor:
        """Return the picture of latents, the next part."""
        number = self._number
        self._number += 1
        if number in self._kept:
            return self._kept.pop(number).to(latents.device)
        picture = self._decode(latents)
        if self._fresh is not None:
            self._fresh.append(picture.detach().cpu())
            if self._checkpoint.keep_parts(self._number - len(self._fresh), self._fresh):
                self._fresh = []
            elif sum(part.nbytes for part in self._fresh) > PARTS_BYTES:
                self._fresh = None
        return picture


def seed_to_resume(folders: list[Path], spec: EnvironmentSpec) -> int | None:
    """Return the seed that an interrupted job of a spec without one had drawn, from its partial folder."""
    for path in [path for folder in folders for path in checkpoint_files(folder)]:
        found = _read(path, None)
        if found is None:
            continue
        kept = json.loads(found[1]["key"]["spec"])
        if kept | {"seed": None} == spec.to_dict() | {"seed": None}:
            return kept["seed"]
    return None


def _look_of(path: Path) -> list[str | int]:
    """Return what tells one file from another without reading it."""
    try:
        about = path.stat()
    except OSError:
        return [str(path)]
    return [str(path), about.st_size, about.st_mtime_ns]


def _read(path: Path, key: dict[str, Any] | None) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
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
