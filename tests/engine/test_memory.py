# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory: how many windows to begin with, what a shortage leaves behind, and that release frees."""

from __future__ import annotations

import subprocess
import sys
import weakref
from pathlib import Path

import pytest
import torch

from sync_engine.common import device
from sync_engine.diffusion import joint_loop
from sync_engine.diffusion.joint_loop import WindowBatch

ROOT = Path(__file__).parents[2]
RELEASE = """
import sys, torch
from sync_engine.backbones.loading import load
from sync_engine.runtime.job import Engine
from sync_engine.catalog.models import find

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

engine = Engine()
load(find("draft"), torch.device("cpu"), torch.float32)  # so that libraries are loaded before
engine.release()
before = resident()
backbone = load(find("draft"), torch.device("cpu"), torch.float32)
parts = (backbone.unet, backbone.vae, backbone.text_encoder)
weights = sum(p.numel() * p.element_size() for part in parts for p in part.parameters())
ballast = [torch.ones(2**18) for _ in range(200)]  # 200 MiB in pieces, as activations are
engine._loaded = (("draft", "cpu", "fp32"), (backbone, ballast))
del backbone, parts, ballast
loaded = resident()
engine.release()
sys.stdout.write(f"{weights} {before} {loaded} {resident()}")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc; it checks that release frees memory")
def test_release_gives_the_memory_back_to_the_system() -> None:
    run = subprocess.run(
        [sys.executable, "-c", RELEASE], cwd=ROOT, capture_output=True, text=True, check=True
    )
    weights, before, loaded, after = map(int, run.stdout.split())
    assert loaded - before > 200 * 2**20, "the model was never there"
    assert after - before < 0.2 * (weights + 200 * 2**20)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device; it would check the allocator")
def test_release_empties_the_allocator_of_the_gpu() -> None:
    from sync_engine.runtime.job import Engine

    engine = Engine()
    engine._loaded = (("", "", ""), torch.ones(2**26, device="cuda"))
    assert torch.cuda.memory_reserved() >= 2**28
    engine.release()
    assert torch.cuda.memory_reserved() < 2**28


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device; it would run one out of memory")
def test_a_gpu_that_runs_out_of_memory_goes_on_with_fewer_windows() -> None:
    """The allocator is held to 64 MiB more than it has; a window's layer takes 16."""
    weight = torch.ones(2**22, device="cuda")

    def function(windows: torch.Tensor, index: list[int]) -> torch.Tensor:
        return (windows[:, None] * weight).amax(dim=1)

    windows, index = torch.arange(16.0, device="cuda"), list(range(16))
    joint_loop.give_memory_back()
    total = torch.cuda.get_device_properties(0).total_memory
    notes: list[str] = []
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 2**26) / total)
    try:
        batch = WindowBatch(16, notes.append)
        assert torch.equal(batch.map(function, windows, index), windows)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert batch.size < 16
    assert notes[-1] == f"Memory is short: {batch.size} windows at a time."


def test_a_shortage_does_not_keep_what_took_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error's traceback holds the tensors of the failed try."""
    taken: list[weakref.ref] = []
    alive: list[bool] = []

    def give_back() -> None:
        alive.extend(reference() is not None for reference in taken)

    def function(windows: torch.Tensor, index: list[int]) -> torch.Tensor:
        large = torch.ones(1000)
        taken.append(weakref.ref(large))
        if len(index) > 1:
            raise RuntimeError("CUDA out of memory")
        return windows * large[0]

    monkeypatch.setattr(joint_loop, "give_memory_back", give_back)
    WindowBatch(2).map(function, torch.ones(2, 1, 2, 2), [0, 1])
    assert alive == [False]


@pytest.mark.parametrize(("free", "kind", "expected"), [(80, "cuda", 32), (8, "cuda", 4), (0.5, "cuda", 1)])
def test_the_batch_follows_the_free_memory(monkeypatch, free: float, kind: str, expected: int) -> None:
    monkeypatch.setattr(device, "free_memory_gb", lambda _: free)
    assert device.window_batch(torch.device(kind), 64) == expected


def test_the_batch_on_a_cpu_follows_the_free_memory(monkeypatch) -> None:
    sizes = []
    for free, window in ((64, 64), (0.2, 64), (64, 32), (1, 32)):
        monkeypatch.setattr(device, "free_memory_gb", lambda _, free=free: free)
        sizes.append(device.window_batch(torch.device("cpu"), window))
    assert sizes[:3] == [2, 1, 16]
    assert 1 <= sizes[3] < 16
    monkeypatch.setattr(device, "free_memory_gb", lambda _: 64)
    assert device.window_batch(torch.device("mps"), 64) == 4, "two was measured on CPUs only"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what a CPU can: would read it")
@pytest.mark.parametrize(
    ("vendor", "flags", "expected"),
    [
        ("GenuineIntel", "avx512f avx512_bf16 amx_bf16", torch.bfloat16),
        ("AuthenticAMD", "avx512f avx512_bf16", torch.bfloat16),
        ("GenuineIntel", "avx512f avx512_bf16", torch.float32),  # AMX hidden: slower than float32
        ("GenuineIntel", "avx2", torch.float32),
    ],
)
def test_a_processor_computes_in_what_it_is_faster_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, vendor: str, flags: str, expected: torch.dtype
) -> None:
    about = tmp_path / "cpuinfo"
    about.write_text(f"processor\t: 0\nvendor_id\t: {vendor}\nflags\t\t: fpu {flags}\nbugs\t\t:\n")
    monkeypatch.setattr(device, "PROCESSOR", str(about))
    assert device.choose_dtype("auto", torch.device("cpu")) == expected
    assert device.choose_dtype("bf16", torch.device("cpu")) == torch.bfloat16
