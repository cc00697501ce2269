# SPDX-License-Identifier: GPL-3.0-or-later
"""What the hub and the network answer, in words: what went wrong and whether to try again."""

from __future__ import annotations

from sync_engine.common.errors import ModelNotAvailable, first_line
from sync_engine.interface.wording import Message

GATED = (401, 403)
PASSING = (408, 425, 429, 500, 502, 503, 504)


class Interrupted(OSError):
    """A transfer ended before its end."""


class NotTheHub(OSError):
    """An answer that is not of the hub's form."""


def network_errors() -> tuple[type[Exception], ...]:
    """Return what requests to the hub raise."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    return (httpx2.HTTPError, HfHubHTTPError, Interrupted, NotTheHub)


def unusable_settings(error: Exception, endpoint: str) -> ModelNotAvailable:
    """Return in words that the settings for proxy, certificates or token allow no connection at all."""
    if "socksio" in str(error):
        return ModelNotAvailable(
            Message(
                "{endpoint} cannot be asked: a SOCKS proxy is set, and this engine has no SOCKS.",
                endpoint=endpoint,
            ),
            "Set an http:// proxy (Proxy in the preferences, or ALL_PROXY), or install socksio.",
        )
    return ModelNotAvailable(
        Message(
            "{endpoint} cannot be asked with the network settings of this computer ({reason}).",
            endpoint=endpoint,
            reason=first_line(error),
        ),
        "Check the proxy, HF_TOKEN (letters without accents), SSL_CERT_FILE and HF_ENDPOINT.",
    )


def explain(error: Exception, model: str, repository: str, endpoint: str) -> tuple[ModelNotAvailable, bool]:
    """Return an error of a request in words, and whether it may pass by itself.

    Args:
        error: one of ``network_errors``.
        model: what the user called the model.
        repository, endpoint: what was asked, and where.
    """
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RevisionNotFoundError

    status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
    page = f"{endpoint}/{repository}"
    if isinstance(error, GatedRepoError) or status in GATED:
        return ModelNotAvailable(
            Message(
                "model = {model} is gated or private: {endpoint} does not give it to everyone ({status}).",
                model=repr(model),
                endpoint=endpoint,
                status=status,
            ),
            Message(
                "Accept its terms at {page}, then log in with 'hf auth login' or set HF_TOKEN.", page=page
            ),
        ), False
    if isinstance(error, RevisionNotFoundError):
        return ModelNotAvailable(
            Message(
                "model = {model}: {endpoint} does not have that revision of {repository}.",
                model=repr(model),
                endpoint=endpoint,
                repository=repository,
            ),
            Message("See its history at {page}/commits/main.", page=page),
        ), False
    if status == 404:
        return ModelNotAvailable(
            Message(
                "model = {model}: {endpoint} has no {repository}, or lacks a file of it (404).",
                model=repr(model),
                endpoint=endpoint,
                repository=repository,
            ),
            "Check the name and the endpoint.",
        ), False
    if status == 416:
        return ModelNotAvailable(
            Message("{repository} has changed on {endpoint}.", repository=repository, endpoint=endpoint),
            "Try again.",
        ), True
    if status is not None:
        return ModelNotAvailable(
            Message(
                "model = {model} could not be fetched: {endpoint} answers with status {status}.",
                model=repr(model),
                endpoint=endpoint,
                status=status,
            ),
            "Try again later, or use another endpoint. What has been fetched is kept.",
        ), status in PASSING
    if isinstance(error, NotTheHub):
        return ModelNotAvailable(
            Message(
                "model = {model}: {endpoint} does not answer as a hub does ({reason}).",
                model=repr(model),
                endpoint=endpoint,
                reason=error,
            ),
            "Check the endpoint; a proxy or a login page may be in between.",
        ), False
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return ModelNotAvailable(
            Message(
                "model = {model} could not be fetched: the certificate of {endpoint} is not trusted.",
                model=repr(model),
                endpoint=endpoint,
            ),
            "Behind a company's proxy, name its certificates in SSL_CERT_FILE.",
        ), False
    return ModelNotAvailable(
        Message(
            "model = {model} could not be fetched from {endpoint} ({reason}).",
            model=repr(model),
            endpoint=endpoint,
            reason=error or type(error).__name__,
        ),
        "Check the connection and try again: what has been fetched is kept.",
    ), True
