"""All that people were sent in a trial, byte for byte, for comparing two trials."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from allocation.ledger.sealing import seal_pending
from tests.api.conftest import Trial
from tests.api.running_app import ApiClient
from tests.api.trial import STUDY

PATH = f"/studies/{STUDY}"
SHOWN = ("POST /code-breaks", "POST /broken-code-readings")

Sent = tuple[str, str, int, str, bytes]
"""Who, what was asked, status, type and bytes."""


def is_shown(sent: Sent) -> bool:
    """Whether it is the answer of a code break, or of a reading of one, to the investigator who signed: it tells the treatment."""
    who, asked, status, _, _ = sent
    return who == "investigator" and status == 200 and asked.startswith(SHOWN)


@dataclass
class Transcript:
    """All that blinded people were sent, in order."""

    trial: Trial
    sent: list[Sent] = field(default_factory=list)
    _sealed: bool = False

    def note(self, who: str, asked: str, call: Callable[[ApiClient], Any]) -> Any:
        answer = call(self.trial.clients[who])
        self.sent.append((who, asked, answer.status_code, answer.headers["content-type"], answer.content))
        return answer.json() if "json" in answer.headers["content-type"] else None

    def post(self, who: str, path: str, body: dict[str, Any]) -> Any:
        self._sealed = False
        key = f"act-{len(self.sent)}"  # twins send the same keys: what a client chose itself is no leak
        asked = f"POST {path} {json.dumps(body)}"
        return self.note(who, asked, lambda client: client.post(f"{PATH}{path}", body, key=key))

    def unblinded(self, who: str, path: str, body: dict[str, Any]) -> None:
        """An act of somebody unblinded, whose answer is not noted."""
        self._sealed = False
        self.trial.clients[who].done(f"{PATH}{path}", body)

    def get(self, who: str, path: str) -> Any:
        if not self._sealed:  # else the sealer's own timing would show in the ledger's last position
            seal_pending(self.trial.database)
            self._sealed = True
        return self.note(who, f"GET {path}", lambda client: client.get(f"{PATH}{path}"))

    def read(self, who: str, *pages: str) -> None:
        """Read pages of one kind, up to the first that this person's role does not permit: then it permits none of them."""
        for page in pages:
            if (self.get(who, page) or {}).get("code") == "not-permitted":
                return
