# SPDX-License-Identifier: GPL-3.0-or-later
"""Speaks with the hub: lists a repository, streams its files, tries again when the network fails."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sync_engine.catalog import model_index
from sync_engine.catalog.safetensors_header import check_start
from sync_engine.common.errors import ModelNotAvailable
from sync_engine.downloads import store
from sync_engine.downloads.listing import of_part, wanted
from sync_engine.downloads.problems import Interrupted, NotTheHub, explain, network_errors, unusable_settings
from sync_engine.downloads.store import File
from sync_engine.interface.wording import Message

DEFAULT_ENDPOINT = "https://huggingface.co"
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
CHUNK_BYTES = 2**18
TIMEOUT_S = 20.0
MAX_INDEX_BYTES = 2**20
WAITS_S = (1.0, 2.0, 4.0, 8.0)
"""Pauses after failures in a row that brought no new byte; then it gives up."""


@dataclass(frozen=True)
class Source:
    """A repository at one revision (empty: its newest), and how to reach it.

    ``model`` is what the user called it.
    """

    model: str
    repository: str
    revision: str
    endpoint: str

    @property
    def token(self) -> bool | None:
        """None for the user's own token: it goes to the hub itself and never to a mirror."""
        return None if self.endpoint == DEFAULT_ENDPOINT else False

    @property
    def headers(self) -> dict[str, str]:
        """The request headers."""
        from huggingface_hub.utils import build_hf_headers

        return {**build_hf_headers(token=self.token), "Accept-Encoding": "identity"}

    def url(self, path: str) -> str:
        """Return the address of a file."""
        from huggingface_hub import hf_hub_url

        return hf_hub_url(self.repository, path, revision=self.revision, endpoint=self.endpoint)


def offline() -> bool:
    """Whether the environment forbids to use the network, as Blender's *Allow Online Access* does."""
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    return any(os.environ.get(name, "").upper() in ("1", "TRUE", "YES", "ON") for name in names)


def endpoint_in_use(given: str | None = None) -> str:
    """Return the hub's address: what is given, else ``HF_ENDPOINT``, else the public hub."""
    address = (given or os.environ.get("HF_ENDPOINT", "").strip() or DEFAULT_ENDPOINT).rstrip("/")
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ModelNotAvailable(
            Message("endpoint = {address} is no web address.", address=repr(address)),
            Message(
                "Use one such as {endpoint}, or leave it (and HF_ENDPOINT) empty.", endpoint=DEFAULT_ENDPOINT
            ),
        )
    return address


def ask(source: Source, check: Callable[[], None], part: str = "") -> tuple[Source, list[File]]:
    """Return the source with its commit, and the files to fetch; raise ModelNotAvailable.

    Args:
        part: class of the one part that the repository holds, where it is no whole model.
    """
    revision, files = with_patience(lambda: _list(source), source, check)
    if source.revision and revision != source.revision:
        raise ModelNotAvailable(
            Message(
                "{endpoint} answered with revision {given} of {repository} instead of {revision}.",
                endpoint=source.endpoint,
                given=revision or "none",
                repository=source.repository,
                revision=source.revision,
            ),
            "Use another endpoint.",
        )
    source = replace(source, revision=revision)
    if part:
        return source, of_part(files, source.repository)
    index = next((file for file in files if file.path == "model_index.json"), None)
    if index is None or index.size > MAX_INDEX_BYTES:
        raise ModelNotAvailable(
            Message(
                "{repository} is not a model in diffusers' format: it has no model_index.json.",
                repository=source.repository,
            ),
            "Use a repository of a whole pipeline, or name a local folder or file.",
        )
    content = with_patience(lambda: _read(source, index), source, check)
    try:
        data = json.loads(content)
        parts = store.parts_of(data)
    except (ValueError, RecursionError) as error:
        raise ModelNotAvailable(
            Message(
                "{repository}: its model_index.json cannot be used ({reason}).",
                repository=source.repository,
                reason=error,
            ),
            "Use another model.",
        ) from error
    model_index.read(data, source.repository)
    return source, wanted(files, parts, source.repository)


def _list(source: Source) -> tuple[str, list[File]]:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError

    api = HfApi(endpoint=source.endpoint, token=source.token)
    try:
        info = api.model_info(
            source.repository, revision=source.revision or None, files_metadata=True, timeout=TIMEOUT_S
        )
        if info.sha and not _COMMIT.fullmatch(info.sha):
            raise NotTheHub(f"its commit is {info.sha[:60]!r}")
        return info.sha or "", [_file(entry) for entry in info.siblings or []]
    except network_errors():
        raise
    except (OSError, UnicodeError) as error:  # no client can be made: SSL_CERT_FILE names no file, say
        raise unusable_settings(error, source.endpoint) from error
    except HFValidationError as error:
        raise ModelNotAvailable(
            Message("model = {model} is no hub id.", model=repr(source.model)),
            "A hub id has the form OWNER/NAME.",
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise NotTheHub(repr(error)) from error


def _file(entry: Any) -> File:
    size = entry.lfs.size if entry.lfs else entry.size
    if not isinstance(size, int) or size < 0:
        raise ValueError(Message("the size of {file} is not told", file=entry.rfilename))
    if entry.lfs:
        return File(entry.rfilename, size, sha256=entry.lfs.sha256)
    if not entry.blob_id:
        raise ValueError(f"the hash of {entry.rfilename} is not told")
    return File(entry.rfilename, size, blob=entry.blob_id)


def _read(source: Source, file: File) -> bytes:
    from huggingface_hub.utils import get_session, hf_raise_for_status

    response = get_session().get(source.url(file.path), headers=source.headers, timeout=TIMEOUT_S)
    hf_raise_for_status(response)
    if len(response.content) != file.size:
        raise Interrupted(
            Message(
                "{file} came with {done} of {size} bytes",
                file=file.path,
                done=len(response.content),
                size=file.size,
            )
        )
    return response.content


def stream(source: Source, file: File, part: Path, on_bytes: Callable[[int], None]) -> None:
    """Append what is missing of a file to its part.

    Raises one of ``network_errors`` when it breaks off, ModelNotAvailable when the first bytes show that it
    is no weights file.

    Args:
        on_bytes: called with the bytes that are there; may raise to stop.
    """
    from huggingface_hub.utils import hf_raise_for_status, http_stream_backoff

    with part.open("ab") as output:
        if output.tell() > file.size:
            output.truncate(0)
        done = output.seek(0, os.SEEK_END)
        if done == file.size:
            return
        headers = source.headers | ({"Range": f"bytes={done}-"} if done else {})
        with http_stream_backoff(
            "GET",
            source.url(file.path),
            headers=headers,
            timeout=TIMEOUT_S,
            max_retries=0,
            retry_on_exceptions=(),
            retry_on_status_codes=(),
        ) as response:
            hf_raise_for_status(response)
            if done and not response.headers.get("Content-Range", "").startswith(f"bytes {done}-"):
                output.truncate(0)  # the server sends the whole file again
                done = 0
            for chunk in response.iter_bytes(CHUNK_BYTES):
                if done == 0 and file.is_weights:
                    check_start(chunk, file.size, file.path)
                if done + len(chunk) > file.size:
                    output.truncate(0)
                    raise Interrupted(
                        Message("{file} came with more than its {size} bytes", file=file.path, size=file.size)
                    )
                output.write(chunk)
                done += len(chunk)
                on_bytes(done)
    if done < file.size:
        raise Interrupted(
            Message(
                "{file} broke off after {done} of {size} bytes", file=file.path, done=done, size=file.size
            )
        )


def with_patience(
    function: Callable[[], Any],
    source: Source,
    check: Callable[[], None],
    so_far: Callable[[], int] = lambda: 0,
) -> Any:
    """Return what a function returns; call it again after failures that may pass.

    Gives up after as many failures in a row as there are waits. ``so_far`` tells the bytes fetched: a
    failure that comes after new ones starts a new row.
    """
    failures, before = 0, so_far()
    while True:
        check()
        try:
            return function()
        except ModelNotAvailable:
            raise
        except (ImportError, UnicodeError) as error:  # what a client raises when it is made
            raise unusable_settings(error, source.endpoint) from error
        except network_errors() as error:
            fetched = so_far()
            failures = 1 if fetched > before else failures + 1
            before = fetched
            problem, passing = explain(error, source.model, source.repository, source.endpoint)
            if not passing or failures > len(WAITS_S):
                raise problem from error
            _wait(WAITS_S[failures - 1], check)


def _wait(seconds: float, check: Callable[[], None]) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        check()
        time.sleep(min(left, 0.1))
