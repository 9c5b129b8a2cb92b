"""Dashboards of a Grafana that is already there, through grafana-api: what differs, and only with leave what people changed.

Each dashboard pushed carries, as a hidden constant, the digest of what was pushed. A dashboard in Grafana whose content does not
match its own digest was edited there by a person; one that matches it and differs from ours is merely older.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from grafana_api.grafana_api import GrafanaClientError, GrafanaException
from grafana_api.grafana_face import GrafanaFace

from grafana.build import Document

FOLDER_UID, FOLDER_TITLE = "hanan", "Hanan"
DIGEST = "hanan_digest"
_TIMEOUT_S = 20.0
_NOT_FOUND, _CONFLICT, _PRECONDITION = 404, 409, 412
# What Grafana itself writes into a dashboard
_OWN = ("id", "version", "iteration", "schemaVersion", "pluginVersion", "gnetId")

T = TypeVar("T")


class GrafanaError(Exception):
    """What is wrong, in one line."""


class Change(StrEnum):
    NEW = "new"
    SAME = "same"
    OLDER = "older"  # as pushed before; ours is newer
    EDITED = "edited"  # by a person


class Difference(NamedTuple):
    uid: str
    title: str
    change: Change
    ours: Document
    theirs: Document | None
    version: int


class Server:
    """One Grafana. Needs no more than an editor's service-account token."""

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        prefix = f"{parts.path.strip('/')}/" if parts.path.strip("/") else ""
        self._url = url
        self._api = GrafanaFace(
            token, host=parts.hostname, port=parts.port, url_path_prefix=prefix, protocol=parts.scheme, timeout=_TIMEOUT_S
        )

    def compare(self, documents: Iterable[Document]) -> list[Difference]:
        return [self._difference(signed(each)) for each in documents]

    def push(self, difference: Difference, *, overwrite: bool = False) -> bool:
        """Whether anything was written. A version that has moved since the comparison is a conflict, never overwritten."""
        if difference.change is Change.SAME or (difference.change is Change.EDITED and not overwrite):
            return False
        self._folder()
        body = {
            "dashboard": difference.ours | {"id": None, "version": difference.version},
            "folderUid": FOLDER_UID,
            "overwrite": False,
            "message": "hanan grafana push",
        }
        self._ask(lambda: self._api.dashboard.update_dashboard(body), difference.uid)
        return True

    def pull(self, uid: str) -> Document | None:
        """As it is there, without what Grafana or a push put into it; None where there is none."""
        found = self._get(uid)
        return None if found is None else stripped(found["dashboard"])

    def _difference(self, ours: Document) -> Difference:
        found = self._get(ours["uid"])
        if found is None:
            return Difference(ours["uid"], ours["title"], Change.NEW, ours, None, 0)
        theirs = found["dashboard"]
        change = change_of(ours, theirs)
        return Difference(ours["uid"], ours["title"], change, ours, theirs, int(theirs.get("version", 0)))

    def _get(self, uid: str) -> Document | None:
        found: Document | None = self._ask(lambda: self._api.dashboard.get_dashboard(uid), uid, missing=True)
        return found

    def _folder(self) -> None:
        if self._ask(lambda: self._api.folder.get_folder(FOLDER_UID), FOLDER_UID, missing=True) is not None:
            return
        try:
            self._api.folder.create_folder(FOLDER_TITLE, FOLDER_UID)
        except GrafanaException as error:
            if error.status_code not in {_CONFLICT, _PRECONDITION}:  # somebody made it in between
                raise GrafanaError(self._said(error, "its folder")) from error

    def _ask(self, ask: Callable[[], Any], about: str, *, missing: bool = False) -> Any:
        try:
            return ask()
        except GrafanaClientError as error:
            if missing and error.status_code == _NOT_FOUND:
                return None
            raise GrafanaError(self._said(error, about)) from error
        except GrafanaException as error:
            raise GrafanaError(self._said(error, about)) from error
        except (OSError, ValueError) as error:  # requests' own errors are OSErrors; a body that is no JSON is a ValueError
            raise GrafanaError(f"no Grafana answers at {self._url}: {error}") from error

    def _said(self, error: GrafanaException, about: str) -> str:
        hints = {
            401: "the token is not valid there; set HANAN_GRAFANA_TOKEN to a service account's",
            403: "the token may not do this; an editor's service account may",
            _PRECONDITION: "somebody saved it at this moment; compare again",
        }
        hint = hints.get(error.status_code, str(error))
        return f"Grafana answers {error.status_code} for {about}: {hint}"


def change_of(ours: Document, theirs: Document) -> Change:
    if stripped(ours) == stripped(theirs):
        return Change.SAME
    return Change.OLDER if digest_in(theirs) == digest(theirs) else Change.EDITED


def signed(document: Document) -> Document:
    """With its digest as a hidden constant, which Grafana keeps and people do not see."""
    mark = {"type": "constant", "name": DIGEST, "hide": 2, "query": digest(document), "skipUrlSync": True}
    variables = [*stripped(document)["templating"]["list"], mark]
    return document | {"templating": {"list": variables}}


def digest(document: Document) -> str:
    body = json.dumps(stripped(document), sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(body.encode(), digest_size=12).hexdigest()


def digest_in(document: Document) -> str:
    for each in document.get("templating", {}).get("list", ()):
        if each.get("name") == DIGEST:
            return str(each.get("query", ""))
    return ""


def stripped(document: Document) -> Document:
    """What a person or we may have meant; without what Grafana writes by itself."""
    kept = {name: value for name, value in document.items() if name not in _OWN}
    variables = [each for each in kept.get("templating", {}).get("list", ()) if each.get("name") != DIGEST]
    return kept | {"templating": {"list": variables}}
