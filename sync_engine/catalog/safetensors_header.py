# SPDX-License-Identifier: GPL-3.0-or-later
"""What a weights file is, decided by its header and never by its name.

A safetensors file begins with the length of its header, 8 bytes little-endian, then the header, a JSON
object that gives each tensor's type, shape and place; the tensors follow and fill the file exactly.
"""

from __future__ import annotations

from pathlib import Path

from sync_engine.common.errors import ModelNotAvailable
from sync_engine.interface.wording import Message, as_message

MAX_FILE_BYTES = 50 * 10**9
MAX_HEADER_BYTES = 16 * 2**20
"""The largest header met in a public model has 0.6 MB; a larger one only costs memory."""
MAX_TENSORS = 50_000
LENGTH_BYTES = 8
AGAIN = "Delete the file and fetch the model again from a source that you trust."


class RefusedWeights(ModelNotAvailable):
    """A weights file is not what it has to be."""


def check_start(start: bytes, file_bytes: int, name: str) -> None:
    """Check what the first bytes of a file show, before the rest is there.

    Args:
        start: the first bytes, 9 or more if the file has so many.
        file_bytes: size of the whole file.
        name: what to call the file in an error.

    Raises:
        RefusedWeights: it is no safetensors file, or larger than the caps.
    """
    if file_bytes > MAX_FILE_BYTES:
        raise _refused(
            name,
            Message(
                "it has {size:.1f} GB, more than {most:.0f}", size=file_bytes / 1e9, most=MAX_FILE_BYTES / 1e9
            ),
        )
    if file_bytes < LENGTH_BYTES + 2 or len(start) <= LENGTH_BYTES:
        raise _refused(name, Message("it is cut off after {size} bytes", size=file_bytes))
    if start.startswith(b"GGUF"):
        raise RefusedWeights(
            Message(
                "The weights file {name} is no safetensors file: it is a GGUF file; only models can be.",
                name=name,
            ),
            "Use the same model as safetensors, in bfloat16, float16 or scaled fp8.",
        )
    if start[LENGTH_BYTES : LENGTH_BYTES + 1] != b"{":
        raise _refused(name, Message("it is {kind}", kind=_kind(start)))
    length = int.from_bytes(start[:LENGTH_BYTES], "little")
    if length > MAX_HEADER_BYTES:
        raise _refused(
            name,
            Message(
                "its header claims {size:.0f} MiB, more than {most}",
                size=length / 2**20,
                most=MAX_HEADER_BYTES // 2**20,
            ),
        )
    if LENGTH_BYTES + length > file_bytes:
        raise _refused(name, "it is cut off inside its header")


def check_weights_file(file: Path) -> list[str]:
    """Parse the header of a weights file and return the names of its tensors.

    Reads the header only; the tensors stay on the disk.

    Raises:
        RefusedWeights: it is no safetensors file, damaged, cut off, empty, or larger than the caps.
    """
    from safetensors import SafetensorError, safe_open

    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            check_start(stream.read(64), size, str(file))
        with safe_open(file, framework="pt") as weights:
            names = list(weights.keys())
    except SafetensorError as error:
        cut = "not fully covered" in str(error)
        problem = (
            "it is cut off, or has bytes that belong to no tensor"
            if cut
            else Message("its header: {reason}", reason=error)
        )
        raise _refused(str(file), problem) from error
    except OSError as error:
        raise ModelNotAvailable(
            Message("The weights file {file} cannot be read ({reason}).", file=file, reason=error),
            "Check the disk and its permissions.",
        ) from error
    if not names:
        raise _refused(str(file), "it has no tensors")
    if len(names) > MAX_TENSORS:
        raise _refused(
            str(file), Message("it has {count} tensors, more than {most}", count=len(names), most=MAX_TENSORS)
        )
    return names


def shapes(file: Path) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor of a weights file that ``check_weights_file`` found good."""
    from safetensors import safe_open

    with safe_open(file, framework="pt") as weights:
        return {name: tuple(weights.get_slice(name).get_shape()) for name in weights.keys()}  # noqa: SIM118


def metadata(file: Path) -> dict[str, str]:
    """Return what a weights file that ``check_weights_file`` found good says of itself."""
    from safetensors import safe_open

    with safe_open(file, framework="pt") as weights:
        return weights.metadata() or {}


def _kind(start: bytes) -> Message:
    """Name what the first bytes of a file that is no safetensors file look like."""
    if start.startswith(b"PK\x03\x04"):
        return Message("a zip archive, as PyTorch writes its pickles")
    if start[:1] == b"\x80" and start[1:2] <= b"\x05":
        return Message("a pickle")
    if start.startswith(b"version https://git-lfs"):
        return Message("a git-lfs pointer; the weights themselves were not fetched")
    if start.lstrip()[:1] == b"<":
        return Message("a web page")
    return Message("something else")


def _refused(name: str, problem: str) -> RefusedWeights:
    return RefusedWeights(
        Message(
            "The weights file {name} is no good safetensors file: {problem}.",
            name=name,
            problem=as_message(problem),
        ),
        AGAIN,
    )
