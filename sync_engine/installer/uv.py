# SPDX-License-Identifier: GPL-3.0-or-later
"""The bundled uv: where Blender has put it, and how it is to be run."""

from __future__ import annotations

import importlib.util
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from .problems import SetupFailed

PROGRAM = "uv.exe" if os.name == "nt" else "uv"


@dataclass(frozen=True)
class Network:
    """Where the packages come from.

    Attributes:
        online: whether Blender allows access to the network.
        proxy: address of a proxy, or empty.
        index: address of an index instead of PyPI and PyTorch's; more, separated by spaces.
        wheels: folder that holds all wheels: then nothing is downloaded.
    """

    online: bool = True
    proxy: str = ""
    index: str = ""
    wheels: str = ""


def find_bundled() -> Path:
    """Return the uv that Blender has unpacked from the bundled wheel, else one on the PATH.

    Blender unpacks a wheel without moving its scripts to where programs belong and without their
    run bit, so that uv's own way to find itself fails there.

    Raises:
        SetupFailed: there is none.
    """
    spec = importlib.util.find_spec("uv")
    for folder in spec.submodule_search_locations or () if spec else ():
        found = sorted(Path(folder).parent.glob(f"uv-*.data/scripts/{PROGRAM}"))
        if found:
            return found[-1]
    on_path = shutil.which("uv")
    if on_path is None:
        raise SetupFailed(
            "uv, which builds the environment, is not here.",
            "Install the Syncscape zip for your platform, then restart Blender.",
        )
    return Path(on_path)


def copy_program(source: Path, folder: Path) -> Path:
    """Copy uv to a folder of our own, with its run bit; a half copy never gets the final name."""
    target = folder / source.name
    if target.exists() and target.stat().st_size == source.stat().st_size:
        return target
    folder.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    shutil.copyfile(source, part)
    part.chmod(0o755)
    os.replace(part, target)
    return target


def environment(cache: Path, network: Network) -> dict[str, str]:
    """Return uv's environment: nothing that belongs to another Python or another uv."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(("PYTHON", "UV_", "VIRTUAL_ENV", "CONDA_"))
    }
    kept |= {
        "UV_CACHE_DIR": str(cache),
        "UV_NO_CONFIG": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_SYSTEM_CERTS": "1",  # companies have certificates of their own
        "UV_NO_PROGRESS": "1",
        "UV_HTTP_TIMEOUT": "60",
        "NO_COLOR": "1",
    }
    if network.proxy:
        kept |= dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), network.proxy)
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            kept.pop(name, None)
    return kept


def venv_command(uv: Path, base_python: str, folder: Path) -> list[str]:
    """Return the command that makes an empty virtual environment in a new folder."""
    return [str(uv), "venv", "--no-project", "--python", base_python, str(folder)]


def install_command(uv: Path, python: Path, lock: Path, torch_index: str, network: Network) -> list[str]:
    """Return the command that installs a lock file's packages: by hash, and nothing built from source."""
    command = [str(uv), "pip", "install", "--python", str(python), "--require-hashes"]
    command += ["--only-binary", ":all:", "--requirements", str(lock)]
    if network.wheels:
        # as an address: uv takes a comma in a path for the next one, and what follows a # for a fragment
        wheels = Path(network.wheels).expanduser().absolute().as_uri()
        return [*command, "--offline", "--no-index", "--find-links", wheels]
    first, *more = network.index.split() or ["", *([torch_index] if torch_index else [])]
    if first:
        command += ["--default-index", first]
    for address in more:
        command += ["--index", address]
    # The lock names every file by its hash, so it does not matter which index has it.
    return [*command, "--index-strategy", "unsafe-best-match"]


def program_of(folder: Path) -> Path:
    """Return the Python of a virtual environment."""
    return folder / "Scripts" / "python.exe" if os.name == "nt" else folder / "bin" / "python"
