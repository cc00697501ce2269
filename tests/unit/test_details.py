# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy Details: everything that helps, and nothing that tells who one is."""

from __future__ import annotations

import getpass
import socket
from pathlib import Path

import pytest

from sync_engine.host.details import bug_report, without_names


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("File /home/alice/blender/x.py, line 3", "File /home/<user>/blender/x.py, line 3"),
        ("'/Users/Al Ice/Library'", "'/Users/<user>/Library'"),
        (r"C:\Users\alice\AppData\torch.dll not found", r"C:\Users\<user>\AppData\torch.dll not found"),
        (r'"C:\\Users\\alice\\x"', r'"C:\\Users\\<user>\\x"'),
        ("path=/home/bob:/home/carol", "path=/home/<user>:/home/<user>"),
        ("token hf_abcdefghijklmnop", "token <token>"),
        ("https://me:secret@proxy.example:80/", "https://<login>@proxy.example:80/"),
        ("/mnt/c/Users/alice/x", "/mnt/c/Users/<user>/x"),
        ("/media/alice/disk/x and /run/media/bob/y", "/media/<user>/disk/x and /run/media/<user>/y"),
        ("/var/home/alice/x", "/var/home/<user>/x"),
        ("key sk-proj-abcd_efgh-ijkl", "key <token>"),
        ("github_pat_11ABCDEFG0abcdefgh gho_16C7e42F292c6912E7", "<token> <token>"),
        ("AKIAIOSFODNN7EXAMPLE", "<token>"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer <token>"),
        ("https://h.example/f?token=abcdef&x=1", "https://h.example/f?token=<token>&x=1"),
        (
            "https://s3.example/f?X-Amz-Credential=A%2F2026&X-Amz-Signature=0f0f0f",
            "https://s3.example/f?X-Amz-Credential=<token>&X-Amz-Signature=<token>",
        ),
        ("HF_TOKEN=abcdef1234 and MY_API_KEY: 'abcd1234'", "HF_TOKEN=<token> and MY_API_KEY: '<token>'"),
        ('{"password": "pass word"}', '{"password": "<token> word"}'),
        ("http://me:p@ss/word@proxy:80/x", "http://<login>@proxy:80/x"),
        ("tokenizer=CLIPTokenizer, 77 tokens: too long", "tokenizer=CLIPTokenizer, 77 tokens: too long"),
        ("https://hub.example/owner/name@main", "https://hub.example/owner/name@main"),
        ("the users/models table and /at/home", "the users/models table and /at/home"),
    ],
)
def test_personal_things_are_hidden(text: str, shown: str) -> None:
    assert without_names(text) == shown


def test_own_home_user_and_machine(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Path, "home", lambda: Path("/srv/people/zoe"))
    monkeypatch.setattr(getpass, "getuser", lambda: "zoe")
    monkeypatch.setattr(socket, "gethostname", lambda: "zoes-tower")
    text = "/srv/people/zoe/pics and /srv/people/zoe/lib/a by zoe on zoes-tower: zoetrope"
    folders = {"library": "/srv/people/zoe/lib", "file": ""}
    assert without_names(text, folders) == "~/pics and <library>/a by <user> on <machine>: zoetrope"


def test_report_has_what_helps_and_no_prompt() -> None:
    text = bug_report(
        versions={"Syncscape": "0.1.0", "Blender": "4.3.2"},
        engine={
            "python": "3.11.7",
            "packages": {"torch": "2.13"},
            "device": "cuda",
            "device_name": "RTX",
            "free_memory_gb": 9.5,
            "models": {"draft": "here"},
            "problems": ["No disk."],
        },
        settings={
            "prompt": "my secret film",
            "negative": "x",
            "width": 1024,
            "model": "draft",
            "steps": None,
        },
        problem="The engine ended.",
        log=[f"line {number}" for number in range(100)],
    )
    for part in ("Syncscape 0.1.0", "Blender 4.3.2", "torch 2.13", "RTX (cuda, 9.5 GiB free)", "draft: here"):
        assert part in text
    for part in ("No disk.", "width 1024", "The engine ended.", "line 99"):
        assert part in text
    assert "secret" not in text
    assert "line 59" not in text
    assert "steps" not in text


def test_report_of_an_engine_that_never_ran() -> None:
    assert "it did not run" in bug_report({}, {}, {}, "", [])
