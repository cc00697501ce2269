# SPDX-License-Identifier: GPL-3.0-or-later
"""``sync_engine evaluate``: its report, and what it says where weights or sense are missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from sync_engine.__main__ import main
from sync_engine.common.errors import ModelNotAvailable
from sync_engine.evaluation import features
from sync_engine.evaluation.intra_lpips import IntraLpips
from tests.small_models.pictures import smooth_noise

CPU = torch.device("cpu")

# --- what is missing -----------------------------------------------------------------------


def test_missing_weights_are_explained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(features.WEIGHTS_VARIABLE, raising=False)
    features.lpips_net.cache_clear()
    with pytest.raises(ModelNotAvailable, match=r"LPIPS-vgg.*SYNCSCAPE_LPIPS"):
        IntraLpips(CPU)
    pytest.importorskip("torch_fidelity", reason="the Inception net comes from torch-fidelity")
    monkeypatch.delenv(features.INCEPTION_VARIABLE, raising=False)
    with pytest.raises(ModelNotAvailable, match=r"Inception.*torch-fidelity's releases"):
        features.InceptionFeatures(CPU)


def test_inception_weights_that_are_a_program_are_not_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import pickle

    pytest.importorskip("torch_fidelity", reason="the Inception net comes from torch-fidelity")
    ran = tmp_path / "ran"

    class Program:
        def __reduce__(self):
            return Path.touch, (ran,)

    file = tmp_path / "weights.pth"
    torch.save({"Mixed_7c.branch_pool.conv.weight": Program()}, file, pickle_module=pickle)
    monkeypatch.setenv(features.INCEPTION_VARIABLE, str(file))
    with pytest.raises(ModelNotAvailable, match="cannot be read as weights"):
        features.InceptionFeatures(CPU)
    assert not ran.exists()


# --- the command ---------------------------------------------------------------------------


@pytest.fixture
def plates(tmp_path: Path) -> list[str]:
    files = [tmp_path / f"{number}.png" for number in (1, 2)]
    for number, file in enumerate(files):
        pixels = (smooth_noise(64, 192, 8, number) * 255).byte().permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(file)
    return [str(file) for file in files]


def test_json_holds_every_figure_and_their_means(plates: list[str], capsys: pytest.CaptureFixture) -> None:
    assert main(["evaluate", *plates, "--metrics", "detail,repetition,discontinuity", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    details = [row["detail"] for row in report["pictures"]]
    assert [row["file"] for row in report["pictures"]] == plates
    assert report["mean"]["detail"]["mean"] == pytest.approx(sum(details) / 2)
    assert report["mean"]["detail"]["pictures"] == 2
    assert "discontinuity" not in report["mean"], "a plate has no wrap"


def test_without_weights_the_rest_is_measured_and_told(
    plates: list[str], capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(features.WEIGHTS_VARIABLE, raising=False)
    features.lpips_net.cache_clear()
    assert main(["evaluate", *plates]) == 0
    words = capsys.readouterr().out
    assert "intra-lpips: left out. The weights of LPIPS-vgg are missing" in words
    assert "repetition" in words


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (["--metrics", "repetitoin"], 2, "Did you mean repetition?"),
        (["--metrics", ","], 2, "none was named"),
        (["--metrics", "intra-lpips"], 3, "SYNCSCAPE_LPIPS"),
        (["--metrics", "kid-vgg"], 2, "--reference"),
        (["--metrics", "clip", "--clip", "no/such-model"], 3, "--clip"),
        (["--metrics", "detail", "--kind", "world"], 2, "not twice as wide"),
        (["--metrics", "detail", "--prompts", "no.txt"], 2, "no.txt"),
    ],
)
def test_what_is_wrong_is_said_with_its_exit_status(
    options: list[str],
    status: int,
    words: str,
    plates: list[str],
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(features.WEIGHTS_VARIABLE, raising=False)
    features.lpips_net.cache_clear()
    assert main(["evaluate", *plates, *options]) == status
    assert words in capsys.readouterr().err


def test_prompts_must_be_one_a_picture(
    plates: list[str], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a sea\n\na desert\n", encoding="utf-8")
    assert main(["evaluate", *plates, "--metrics", "detail", "--prompts", str(prompts), "--json"]) == 0
    assert [row["prompt"] for row in json.loads(capsys.readouterr().out)["pictures"]] == ["a sea", "a desert"]
    prompts.write_text("a sea\n", encoding="utf-8")
    assert main(["evaluate", *plates, "--metrics", "detail", "--prompts", str(prompts)]) == 2
    assert "1 lines for 2 pictures" in capsys.readouterr().err
