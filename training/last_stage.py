# SPDX-License-Identifier: GPL-3.0-or-later
"""The decoder's last stage as one linear map: repeated pixels and two convolutions are a 5x5 kernel.

Nothing but the enlargement lies between hidden features [N, C, h, w] and the picture [N, 3, 2h, 2w]: each of
the 2x2 pixels of a feature (a phase) is a 3x3 kernel over the features. So whatever is quadratic in the
picture, as the power at one frequency, is a quadratic form of the kernel's 25 C weights a colour, and is
known from the features once.
"""

import torch
from diffusers import AutoencoderTiny
from torch import Tensor, nn
from torch.nn import functional

from sync_engine.evaluation.weave import HARMONICS, LINE

PHASES = torch.tensor(
    [
        [[1.0, 1, 0, 0, 0], [0, 0, 1, 1, 0], [0, 0, 0, 0, 1]],
        [[1.0, 0, 0, 0, 0], [0, 1, 1, 0, 0], [0, 0, 0, 1, 1]],
    ]
)
"""[phase, feature, tap]: which taps of 5 fall on which of 3 features, where each is repeated twice."""
BOTH = (0, 1)
LINES_A_PICTURE, PIXELS_A_PICTURE = 24, 5000
"""How many are looked at; all of them tell little more."""


def last_convolutions(model: AutoencoderTiny) -> tuple[nn.Conv2d, nn.Conv2d]:
    """The two convolutions behind the last enlargement; raises TypeError when the decoder ends otherwise."""
    enlarge, first, second = list(model.decoder.layers)[-3:]
    if not (
        isinstance(enlarge, nn.Upsample) and isinstance(first, nn.Conv2d) and isinstance(second, nn.Conv2d)
    ):
        raise TypeError("the decoder does not end in an enlargement and two convolutions")
    return first, second


@torch.no_grad()
def hidden_features(model: AutoencoderTiny, latents: Tensor, dtype: torch.dtype) -> Tensor:
    """What the last enlargement gets [N, C, h, w], of latents [N, c, h / 4, w / 4], in ``dtype``."""
    found = []
    for part in latents.split(4):
        features = (torch.tanh(part.float() / 3) * 3).to(dtype).contiguous(memory_format=torch.channels_last)
        for layer in list(model.decoder.layers)[:-3]:
            features = layer(features)
        found.append(features)
    return torch.cat(found)


def joined_kernel(first: nn.Conv2d, second: nn.Conv2d) -> Tensor:
    """The kernel [3, C, 5, 5] of two 3x3 convolutions, one after the other."""
    weights = first.weight.float().permute(1, 0, 2, 3)
    return functional.conv2d(weights, second.weight.float().flip(2, 3), padding=2).permute(1, 0, 2, 3)


def paint(hidden: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    """Pictures [N, 3, 2h, 2w] in [-1, 1], as the decoder's but for the outermost two pixels."""
    by_phase = torch.einsum("apr,bqs,oirs->oabipq", PHASES, PHASES, kernel).reshape(-1, hidden.shape[1], 3, 3)
    output = functional.conv2d(hidden, by_phase.to(hidden.dtype), padding=1).float()
    return (functional.pixel_shuffle(output, 2) + bias[:, None, None]) * 2 - 1


@torch.no_grad()
def rim(model: AutoencoderTiny, hidden: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    """What a decoder paints beside ``paint`` in the outermost two pixels; ``put_kernel`` keeps it."""
    output = hidden
    for layer in list(model.decoder.layers)[-3:]:
        output = layer(output)
    beside = output.float() * 2 - 1 - paint(hidden, kernel, bias)
    beside[..., 2:-2, 2:-2] = 0
    return beside


@torch.no_grad()
def put_kernel(first: nn.Conv2d, second: nn.Conv2d, kernel: Tensor) -> None:
    """Change ``first`` by as little as gives the two convolutions together ``kernel``; ``second`` stays.

    At a border ``second`` sees nothing beyond, where ``first`` would see the outermost pixels: what this part
    of both together gives stays as it is.
    """
    change = (kernel - joined_kernel(first, second)).permute(1, 0, 2, 3).flatten(1).double()
    weight, middle = second.weight.double(), second.weight.shape[1]
    units = torch.eye(middle * 9, dtype=torch.float64).reshape(middle * 9, middle, 3, 3)
    rows = [functional.conv2d(units, weight.flip(2, 3), padding=2).flatten(1)]
    for axis in (2, 3):
        for beyond, inside in ((0, 2), (2, 0)):
            over, under = weight.select(axis, beyond), units.select(axis, inside)
            rows.append(functional.conv1d(under, over.flip(2), padding=2).flatten(1))
    joined = torch.cat(rows, dim=1)
    wanted = functional.pad(change, (0, joined.shape[1] - change.shape[1]))
    solution = torch.linalg.lstsq(joined.T, wanted.T, rcond=1e-6, driver="gelsd").solution
    first.weight += solution.reshape(middle, 3, 3, -1).permute(0, 3, 1, 2).to(first.weight)


def _between(gram: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """A form over kernels [25 C, 25 C] from one over 3x3 neighbourhoods [9 C, 9 C] of two phases."""
    channels = len(gram) // 9
    blocks = gram.reshape(channels, 9, channels, 9)
    return torch.einsum("ipjq,pr,qs->irjs", blocks, left, right).reshape(25 * channels, 25 * channels)


def _phase(down: int, across: int) -> Tensor:
    return torch.kron(PHASES[down], PHASES[across]).double()


def square_form(hidden: Tensor, draw: torch.Generator) -> Tensor:
    """The form of a colour's mean square, summed over the four phases, float64 [25 C, 25 C]."""
    size = hidden.shape[1] * 9
    gram, count = torch.zeros(size, size, dtype=torch.float64), 0
    for features in hidden:
        columns = functional.unfold(features[None].float(), 3, padding=1)[0]
        border = torch.ones(features.shape[1:], dtype=torch.bool)
        border[1:-1, 1:-1] = False  # zeros beyond it are unlike what is within: all of it counts
        drawn = torch.randperm(columns.shape[1], generator=draw)[:PIXELS_A_PICTURE]
        columns = torch.cat([columns[:, drawn], columns[:, border.flatten()]], dim=1)
        gram += (columns @ columns.T).double()
        count += columns.shape[1]
    return sum(_between(gram / count, _phase(a, b), _phase(a, b)) for a in BOTH for b in BOTH)  # type: ignore[return-value]


def harmonic_forms(hidden: Tensor, draw: torch.Generator) -> dict[tuple[str, int], Tensor]:
    """The forms of a colour's power at each of ``HARMONICS``, ``("across", bin)`` and ``("down", bin)``."""
    waves = torch.stack([_wave(peak) for peak in HARMONICS])
    size = hidden.shape[1] * 9
    forms = {}
    for direction in ("across", "down"):
        gram = torch.zeros(len(HARMONICS), 2 * size, 2 * size, dtype=torch.float64)
        for features in hidden:
            projected = _projected(features.float(), direction, waves, draw).reshape(
                len(HARMONICS), -1, 2 * size
            )
            gram += torch.einsum("kli,klj->kij", projected.conj(), projected).real.double()
        gram = (gram / (len(hidden) * LINES_A_PICTURE)).reshape(-1, 2, size, 2, size)
        for index, peak in enumerate(HARMONICS):
            form = torch.zeros(25 * hidden.shape[1], 25 * hidden.shape[1], dtype=torch.float64)
            for other in BOTH:
                for one in BOTH:
                    for two in BOTH:
                        pairs = (
                            ((other, one), (other, two))
                            if direction == "across"
                            else ((one, other), (two, other))
                        )
                        form += _between(gram[index, one, :, two], *(_phase(*pair) for pair in pairs))
            forms[direction, peak] = (form + form.T) / 2
    return forms


def _wave(peak: int) -> Tensor:
    """A windowed wave of ``LINE`` pixels, complex [LINE / 2, 2]: by feature and phase."""
    angle = 2 * torch.pi * peak / LINE * torch.arange(LINE)
    return torch.polar(torch.hann_window(LINE), -angle).reshape(-1, 2)


def _projected(features: Tensor, direction: str, waves: Tensor, draw: torch.Generator) -> Tensor:
    """Each line's part of each wave, complex [harmonics, lines, 2, C, 3, 3] of features [C, h, w]."""
    turned = features if direction == "across" else features.transpose(1, 2)
    length = LINE // 2
    rows = torch.randint(1, turned.shape[1] - 1, (LINES_A_PICTURE,), generator=draw).tolist()
    starts = torch.randint(1, turned.shape[2] - length, (LINES_A_PICTURE,), generator=draw).tolist()
    lines = torch.stack(
        [
            turned[:, row - 1 : row + 2, start - 1 : start + length + 1]
            for row, start in zip(rows, starts, strict=True)
        ]
    )
    near = torch.stack([lines[..., shift : shift + length] for shift in range(3)], dim=-1)
    projected = torch.einsum("kxb,lcpxq->klbcpq", waves, near.to(waves.dtype))
    return projected if direction == "across" else projected.transpose(-1, -2)
