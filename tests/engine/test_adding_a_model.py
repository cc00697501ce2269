# SPDX-License-Identifier: GPL-3.0-or-later
"""A new family is one new file: the toy of ``docs/dev/adding-a-model.md`` loads and paints."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from sync_engine import backbones
from sync_engine.catalog import families, models
from sync_engine.common.errors import ModelNotAvailable
from sync_engine.common.progress import Reporter
from sync_engine.runtime.job import Engine
from tests.engine.pixel_jobs import read
from tests.small_models import tiny

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "dev" / "adding-a-model.md"


def build(folder: Path) -> Path:
    """Write a random model of the toy family: a small Stable Diffusion with another U-Net."""
    from diffusers import UNet2DModel

    tiny.build(folder)
    torch.manual_seed(4)
    UNet2DModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        block_out_channels=(4, 8),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
        norm_num_groups=4,
        class_embed_type="identity",
    ).save_pretrained(folder / "unet")
    index = json.loads((folder / "model_index.json").read_text())
    index |= {"_class_name": "ToyPipeline", "unet": ["diffusers", "UNet2DModel"]}
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put the page's file beside the other families."""
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    home = tmp_path / "backbones"
    home.mkdir()
    (home / "toy.py").write_text(found[1], encoding="utf-8")
    monkeypatch.setattr(backbones, "__path__", [*backbones.__path__, str(home)])
    families.known.cache_clear()
    yield
    families.known.cache_clear()
    sys.modules.pop("sync_engine.backbones.toy", None)


@pytest.mark.slow
def test_the_toy_loads_and_paints(toy: None, tmp_path: Path) -> None:
    folder = build(tmp_path / "model")
    pictures = []
    for prompt in ("a calm sea", "desert sky"):
        spec = tiny.plate_spec(folder, steps=3)
        spec = type(spec).from_dict(spec.to_dict() | {"prompt": prompt})
        out = tmp_path / prompt
        Engine().run(spec, out, Reporter("job", lambda event: None))
        pictures.append(read(out, "plate"))
    assert pictures[0].std() > 1
    assert np.abs(pictures[0] - pictures[1]).max() > 0, "the prompt is heard"


def test_the_toy_is_named_among_the_families(toy: None) -> None:
    assert "Toy" in families.remedy()


def test_without_its_file_the_toy_is_unknown(tmp_path: Path) -> None:
    from sync_engine.backbones.loading import load

    with pytest.raises(ModelNotAvailable, match="does not know models of the family ToyPipeline"):
        load(models.find(str(build(tmp_path / "model"))), torch.device("cpu"), torch.float32)


def test_the_families_are_known_without_loading_torch() -> None:
    code = (
        "import sys; from sync_engine.catalog import families;"
        "from sync_engine.downloads.inventory import overview;"
        "overview(); assert families.known(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
