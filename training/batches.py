# SPDX-License-Identifier: GPL-3.0-or-later
"""What the denoiser learns from: batches of cached views with fresh captions, drawn while it trains.

On a GPU all latents lie in its memory and other processes draw the captions, which takes Python longer than
the step itself.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info
from transformers import PreTrainedTokenizerFast

from training import parts
from training.captions import view_caption
from training.encode_views import LatentCache, cached_view
from training.panoramas import Record, is_held_out

COMMON = {"weather": 0.1, "scene": 0.06}
"""A weather or a kind of scene with a smaller share of the panoramas is rare."""
CPU = torch.device("cpu")


class Batch(NamedTuple):
    """Scaled latents [N, C, 32, 32] and token ids [N, 48]."""

    latents: torch.Tensor
    tokens: torch.Tensor


def rare_chances(records: list[Record]) -> np.ndarray:
    """How often each panorama is drawn [panoramas], relative.

    Those in rare weather are drawn up to twice as often, and those of a rare kind of scene too.
    """
    chances = np.ones(len(records))
    for field, share in COMMON.items():
        counts, common = Counter(record[field] for record in records), share * len(records)
        chances *= [np.clip(common / counts[record[field]], 1.0, 4.0) ** 0.5 for record in records]
    return chances


class LatentSource:
    """Random batches of cached views of the given records, with fresh captions every time."""

    def __init__(
        self,
        cache: LatentCache,
        records: list[Record],
        tokenizer: PreTrainedTokenizerFast,
        seed: int,
        held_out: bool = False,
        device: torch.device = CPU,
    ) -> None:
        self.cache, self.records, self.tokenizer, self.device = cache, records, tokenizer, device
        self.rows = [i for i, record in enumerate(records) if is_held_out(record) == held_out]
        self.rng = np.random.default_rng(seed)
        rarity = np.ones(len(self.rows)) if held_out else rare_chances([records[row] for row in self.rows])
        self.row_chances = rarity / rarity.sum()
        self._resident: torch.Tensor | None = None
        self.renew(cache)

    def renew(self, cache: LatentCache) -> None:
        """Take up a cache that has grown; a GPU gets a copy. Other processes draw from what was ready."""
        if self.device.type != "cpu" and (self._resident is None or cache.ready > self.cache.ready):
            self._resident = torch.from_numpy(np.array(cache.latents)).to(self.device)
        self.cache = cache

    def batch(self, size: int) -> Batch:
        """``size`` random views."""
        return self.gather(*self.draw(size))

    def batches(self, size: int, workers: int = 0) -> Iterator[Batch]:
        """Batches of ``size`` random views without end, drawn by ``workers`` other processes, if any."""
        drawn = DataLoader(
            _Draws(self, size), batch_size=None, num_workers=workers, prefetch_factor=4 if workers else None
        )
        for pairs, tokens in drawn:
            yield self.gather(pairs.tolist(), tokens)

    def draw(self, size: int) -> tuple[list[tuple[int, int]], torch.Tensor]:
        """Random views as (number of the view, row of the record), and token ids [N, 48] of captions."""
        rows = self.rng.choice(self.rows, size, p=self.row_chances)
        pairs = list(zip(self.rng.integers(self.cache.ready, size=size).tolist(), rows.tolist(), strict=True))
        records = [(self.records[row], number) for number, row in pairs]
        texts = [view_caption(record, cached_view(record, number), self.rng) for record, number in records]
        return pairs, parts.tokenize(self.tokenizer, texts)

    def gather(self, pairs: Iterable[tuple[int, int]], tokens: torch.Tensor) -> Batch:
        """The latents of drawn views, scaled, on the source's device."""
        if self._resident is None:
            latents = torch.from_numpy(np.stack([self.cache.latents[number, row] for number, row in pairs]))
        else:
            numbers, rows = torch.tensor(list(pairs), device=self.device).T
            latents = self._resident[numbers, rows]
        scaled = latents.float() * self.cache.scaling_factor
        return Batch(scaled.contiguous(memory_format=torch.channels_last), tokens.to(self.device))


class _Draws(IterableDataset):
    """A source's draws without end; every process that draws has random numbers of its own."""

    def __init__(self, source: LatentSource, size: int) -> None:
        self.source, self.size = source, size

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        if (worker := get_worker_info()) is not None:
            self.source.rng = np.random.default_rng(worker.seed)
        while True:
            pairs, tokens = self.source.draw(self.size)
            yield torch.tensor(pairs), tokens
