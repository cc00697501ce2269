# SPDX-License-Identifier: GPL-3.0-or-later
"""The pictures that are measured and shown: prompts, methods and seeds, made once and kept.

``prompts.json`` holds the prompts with what a picture of each must show: the classes of
``training/evaluator.py``, null where the prompt does not say; ``flat`` for open sea and plains, whose
horizon is level. The last twelve are the first twelve without their words of time, weather and colour: where
a prompt says no more than the place, windows left to themselves choose differently.
Pictures lie in ``OUT/pictures/MODEL-FINGERPRINT/KIND/METHOD/PROMPT-SEED``. The fingerprint changes with the
weights and with the code that samples, so that old pictures are never taken for new ones.
"""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sync_engine.catalog import models
from sync_engine.interface.spec import EnvironmentSpec

PROMPTS_FILE = Path(__file__).with_name("prompts.json")
PLACES = 24
"""Number of the first prompt that names a place only."""
SIZES = {"world": (1024, 512), "plate": (2048, 256)}
SAMPLING_CODE = ("diffusion", "prompting", "sync", "canvas")

if TYPE_CHECKING:
    from sync_engine.backbones.model import Model

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prompt:
    """A prompt, its number in the file, and what its picture must show."""

    number: int
    prompt: str
    scene: str
    time: str | None
    weather: str | None
    flat: bool


@dataclass(frozen=True)
class Case:
    """One picture."""

    kind: str
    method: str
    prompt: Prompt
    seed: int

    @property
    def name(self) -> str:
        """Folder of the picture below the gallery's."""
        return f"{self.kind}/{self.method}/{self.prompt.number:02d}-{self.seed}"


def read_prompts(count: int, first: int = 0) -> list[Prompt]:
    """Return ``count`` prompts, from number ``first`` on; ValueError where there are not so many."""
    rows = json.loads(PROMPTS_FILE.read_text(encoding="utf-8"))
    if first + count > len(rows):
        raise ValueError(f"{PROMPTS_FILE.name} has {len(rows)} prompts, not {first + count}")
    return [Prompt(number, **row) for number, row in enumerate(rows[first : first + count], first)]


def cases(kinds: list[str], methods: list[str], prompts: list[Prompt], seeds: int) -> Iterator[Case]:
    """Yield all pictures; the methods of one prompt and seed follow each other, so their times compare."""
    for kind in kinds:
        for seed in range(seeds):
            for prompt in prompts:
                for method in methods:
                    yield Case(kind, method, prompt, seed)


class Gallery:
    """Makes pictures in this process, with the model loaded once, and finds those already made.

    Args:
        out: folder of everything.
        model: a name of the table of models, or a folder.
        steps: denoising steps; None for the model's own.
    """

    def __init__(self, out: Path, model: str = "draft", steps: int | None = None) -> None:
        from sync_engine.runtime.job import Engine

        self.model, self.steps, self.engine = model, steps, Engine()
        self.name = f"{Path(model).name}-{fingerprint(model, steps)}"
        self.folder = out / "pictures" / self.name
        self._warm: set[tuple[str, str]] = set()

    def result(self, case: Case) -> Path:
        """Return the folder of a picture's result, made now if it is not there."""
        folder = self.folder / case.name
        if not (folder / "cost.json").is_file():
            self._warm_up(case)
            cost = self._run(self._spec(case, self.steps), folder)
            (folder / "cost.json").write_text(json.dumps(cost))
            log.info("%s: %s, %.1f s", case.name, case.prompt.prompt, cost["wall"])
        return folder

    def cost(self, case: Case) -> dict[str, float]:
        """Return the seconds that a picture took: ``wall`` and ``cpu`` without loading and writing."""
        return json.loads((self.result(case) / "cost.json").read_text())

    def backbone(self) -> Model:
        """Return the loaded model."""
        from sync_engine.runtime.plan import JobPlan

        spec = EnvironmentSpec("any", model=self.model)
        return self.engine.model(JobPlan.of(spec, models.find(self.model)))

    def _spec(self, case: Case, steps: int | None) -> EnvironmentSpec:
        width, height = SIZES[case.kind]
        prompt, kind, method = case.prompt.prompt, case.kind, case.method
        return EnvironmentSpec(
            prompt,
            kind=kind,
            width=width,
            height=height,
            method=method,
            seed=case.seed,
            model=self.model,
            steps=steps,
        )

    def _run(self, spec: EnvironmentSpec, folder: Path) -> dict[str, float]:
        from sync_engine.common.progress import Reporter

        cpu = time.process_time()
        _, timings = self.engine.run(spec, folder, Reporter("gallery", lambda event: None, False))
        spent = time.process_time() - cpu
        work = timings["total"] - timings["load"] - timings["write"]
        return {"wall": round(work, 3), "cpu": round(spent, 3), "denoise": timings["denoise"]}

    def _warm_up(self, case: Case) -> None:
        """Pay once for what only the first picture of a kind and method pays for."""
        if (case.kind, case.method) not in self._warm:
            with tempfile.TemporaryDirectory() as folder:
                self._run(self._spec(case, 2), Path(folder) / "warm")
            self._warm.add((case.kind, case.method))


def fingerprint(model: str, steps: int | None) -> str:
    """Return eight digits that change with weights, steps, guidance and the code that samples."""
    found = models.find(model)
    digest = hashlib.sha256(f"{steps or found.steps} {found.guidance}".encode())
    engine = Path(models.__file__).parents[1]
    files = [file for room in SAMPLING_CODE for file in sorted((engine / room).rglob("*.py"))]
    folder = Path(found.source)
    weights = sorted(folder.rglob("*.safetensors")) if folder.is_dir() else []
    for file in [*files, *weights]:
        digest.update(file.read_bytes())
    if not weights:
        digest.update(f"{found.source} {found.revision}".encode())
    return digest.hexdigest()[:8]
