"""What an EDC message says, after the study's map has picked what the trial needs: facts with an address and a source time."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from allocation.ledger.canonical import canonical_json, sha256_hex
from allocation.ledger.entry import moment_text
from allocation.ledger.projections.edc import ADDRESS

LONGEST_KEY = 200
LONGEST_VALUE = 1000
Key = Annotated[str, StringConstraints(max_length=LONGEST_KEY)]

FactKind = Literal["item", "form", "removal"]
"""item: the value of an item. form: how far a form is. removal: everything under the address is gone as of that moment."""


class Fact(BaseModel):
    """One thing that the EDC says of a subject.

    The address is that of ODM, with an empty text where a level is not named (a REDCap record names no form). `value` None: nothing
    is entered any more. `at` is the EDC's own moment (UTC); `ordinal` the place within the message, which decides between facts of
    one moment.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: FactKind
    event: Key = ""
    event_repeat: Key = ""
    form: Key = ""
    form_repeat: Key = ""
    item_group: Key = ""
    group_repeat: Key = ""
    item: Key = ""
    value: Annotated[str, StringConstraints(max_length=LONGEST_VALUE)] | None = None
    at: AwareDatetime
    ordinal: int = 0

    @property
    def address(self) -> tuple[str, ...]:
        """The columns of `ADDRESS`."""
        return tuple(getattr(self, name) for name in ADDRESS)

    def payload(self) -> list[Any]:
        """The fact as the ledger keeps it: address, value, moment, ordinal."""
        return [*self.address, self.value, moment_text(self.at), self.ordinal]


class SubjectFacts(BaseModel):
    """All that a message says of one subject."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subject_key: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_KEY)]
    facts: tuple[Fact, ...]

    @property
    def sha256(self) -> str:
        """The hash of the facts as the ledger keeps them: two messages with the same one say the same."""
        return sha256_hex(canonical_json([self.subject_key, [fact.payload() for fact in self.facts]]))


class EdcMessage(BaseModel):
    """A message of an EDC as far as the trial needs it.

    `message_id`: ODM's FileOID. `created_at`: ODM's CreationDateTime (UTC). `sha256`: of the bytes that came. `says_only_changes`: a
    subject about whom it says nothing new is passed over (REDCap and exports, which have no history of their own).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    message_id: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_KEY)]
    source: Literal["odm-xml", "odm-json", "redcap", "export"]
    file_type: Literal["Snapshot", "Transactional"]
    created_at: AwareDatetime
    sha256: str
    says_only_changes: bool = False
    subjects: tuple[SubjectFacts, ...] = Field(default=())
    unmapped: tuple[str, ...] = ()
