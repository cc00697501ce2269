# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers that no honest hub gives, and network settings that no client can be made with: words, at once."""

from __future__ import annotations

import ssl
import time
from types import SimpleNamespace

import huggingface_hub
import pytest

from sync_engine.common.errors import ModelNotAvailable
from sync_engine.downloads import hub

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SOURCE = hub.Source("owner/name", "owner/name", "", "http://127.0.0.1:9")


def entry(**fields: object) -> SimpleNamespace:
    return SimpleNamespace(
        **({"rfilename": "a.safetensors", "size": 9, "lfs": None, "blob_id": "b"} | fields)
    )


def ask(monkeypatch: pytest.MonkeyPatch, answer: object) -> object:
    def model_info(*_: object, **__: object) -> object:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    return hub.with_patience(lambda: hub._list(SOURCE), SOURCE, lambda: None)


@pytest.mark.parametrize("sha", ["/../../../X", "..", "main", COMMIT + "/..", COMMIT.upper(), "0" * 39])
def test_a_commit_that_is_none_goes_no_further(monkeypatch: pytest.MonkeyPatch, sha: str) -> None:
    with pytest.raises(ModelNotAvailable, match="does not answer as a hub does"):
        ask(monkeypatch, SimpleNamespace(sha=sha, siblings=[]))


def test_a_file_without_a_hash_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelNotAvailable, match=r"hash of a\.safetensors"):
        ask(monkeypatch, SimpleNamespace(sha=COMMIT, siblings=[entry(blob_id=None)]))
    assert ask(monkeypatch, SimpleNamespace(sha=COMMIT, siblings=[entry()])) == (
        COMMIT,
        [hub.File("a.safetensors", 9, blob="b")],
    )


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            ImportError("Using SOCKS proxy, but the 'socksio' package is not installed."),
            "a SOCKS proxy is set",
        ),
        (FileNotFoundError(2, "No such file or directory"), "network settings"),
        (ssl.SSLError("NO_CERTIFICATE_OR_CRL_FOUND"), "network settings"),
        (UnicodeEncodeError("ascii", "ü", 0, 1, "ordinal not in range"), "network settings"),
    ],
    ids=["socks", "certificates that are not there", "certificates that are none", "token"],
)
def test_settings_that_allow_no_client(monkeypatch: pytest.MonkeyPatch, error: Exception, words: str) -> None:
    monkeypatch.setattr(hub, "_wait", lambda *_: pytest.fail("it will not pass by waiting"))
    with pytest.raises(ModelNotAvailable, match=words):
        ask(monkeypatch, error)


def test_an_untrusted_certificate_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    import httpx2

    monkeypatch.setattr(hub, "_wait", lambda *_: pytest.fail("it will not pass by waiting"))
    with pytest.raises(ModelNotAvailable, match="is not trusted"):
        ask(monkeypatch, httpx2.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate"))


def test_a_real_client_with_a_socks_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("httpx2")
    try:
        import socksio  # noqa: F401
    except ImportError:
        pass
    else:
        pytest.skip("socksio is here; without it this checks the words")
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    huggingface_hub.utils.close_session()
    try:
        started = time.monotonic()
        with pytest.raises(ModelNotAvailable, match="SOCKS"):
            hub.with_patience(lambda: hub._list(SOURCE), SOURCE, lambda: None)
        assert time.monotonic() - started < 60
    finally:
        huggingface_hub.utils.close_session()
