# SPDX-License-Identifier: GPL-3.0-or-later
"""A small engine to set up: one wheel of our own, a lock file with its hash, a doctor that imports it."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import zipfile
from pathlib import Path

from sync_engine.installer.locks import MARK
from sync_engine.installer.platforms import this_platform
from sync_engine.installer.setup import Options, Setup
from sync_engine.installer.uv import Network

HERE = "{}.{}".format(*sys.version_info)
DOCTOR = """
import json, sys
sys.stderr.write("a warning that {is} no JSON\\n")
problems = []
try:
    import syncscape_probe
except ImportError:
    problems = ["Missing packages: syncscape_probe."]
print(json.dumps({"problems": problems, "executable": sys.executable}, indent=2))
"""


class SmallEngine:
    """An extension's root with that engine, a folder of wheels, and the environment's folder."""

    def __init__(self, home: Path, uv: Path, python: str = HERE) -> None:
        self.root, self.wheels, self.folder = home / "root", home / "wheels, #1", home / "user" / "engine"
        self.uv, self.python = uv, python
        self.wheels.mkdir()
        requirements = self.root / "sync_engine" / "requirements"
        requirements.mkdir(parents=True)
        (self.root / "sync_engine" / "__main__.py").write_text(DOCTOR)
        self.lock = requirements / f"{this_platform()}-cpu.txt"
        self.set_version("1.0")

    def set_version(self, version: str, package: str = "syncscape_probe") -> Path:
        """Make the wheel of a version and the lock file that wants it."""
        wheel = make_wheel(self.wheels, package, version)
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        self.write_lock(f"{package}=={version} --hash=sha256:{digest}\n")
        return wheel

    def write_lock(self, body: str, **values: object) -> None:
        """Write the lock file."""
        told = {"platform": this_platform(), "accelerator": "cpu", "torch": "0", "index": ""}
        told |= {"pythons": [self.python], "download_mb": 1, "disk_mb": 1, **values}
        self.lock.write_text(f"{MARK}{json.dumps(told)}\n{body}")

    def setup(self) -> Setup:
        """Return the set-up as a newly started Blender sees it."""
        environment = {"PYTHONPATH": str(self.root), "PYTHONDONTWRITEBYTECODE": "1"}
        return Setup(self.folder, self.root, environment, find_uv=lambda: self.uv)

    def options(self, **values: object) -> Options:
        """Return options that take the wheels from the folder."""
        network = {"online": False, "wheels": str(self.wheels), **values}
        return Options(sys.executable, "auto", Network(**network))  # type: ignore[arg-type]


def make_wheel(folder: Path, package: str, version: str, megabytes: int = 0) -> Path:
    """Write the wheel of a package with one module, and return its path."""
    info = f"{package}-{version}.dist-info"
    files = {
        f"{package}.py": f"VERSION = {version!r}\n".encode() + b"#" * megabytes * 10**6,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},"
        f"{len(data)}\n"
        for name, data in files.items()
    )
    path = folder / f"{package}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        archive.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")
    return path
