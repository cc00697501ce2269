# SPDX-License-Identifier: GPL-3.0-or-later
"""Every source file names its licence in its first line, the generator's files theirs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import spdx

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(
    not (ROOT / ".git").exists(), reason="no git: would have looked for a licence in every file"
)
def test_every_source_file_names_its_licence() -> None:
    assert [str(file.relative_to(ROOT)) for file in spdx.lacking()] == [], (
        "python -m tools.spdx puts it there"
    )


def test_the_line_stands_above_the_docstring_and_below_the_interpreter() -> None:
    line = spdx.header("scene/world.py")
    assert line == "# SPDX-License-Identifier: GPL-3.0-or-later"
    assert spdx.with_header('"""What it is for."""\n', line) == f'{line}\n"""What it is for."""\n'
    assert spdx.with_header("#!/bin/sh\nls\n", line) == f"#!/bin/sh\n{line}\nls\n"
    assert spdx.with_header(f"{line}\nx = 1\n", line) == f"{line}\nx = 1\n"
    assert spdx.with_header("", line) == ""
    assert spdx.with_header("#!/bin/sh\n", line) == f"#!/bin/sh\n{line}\n"


def test_the_generator_of_the_training_set_is_in_the_public_domain() -> None:
    assert spdx.header("training/generator/sky.py").endswith(" CC0-1.0")
    assert "CC0 1.0" in (ROOT / "training" / "generator" / "__init__.py").read_text(encoding="utf-8")
