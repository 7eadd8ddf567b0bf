"""The routes of identity: log in and out, tokens, and the accounts and roles that an administrator gives."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from allocation.access.accounts import create_account, set_password
from allocation.access.actors import ALL, Actor, Grant, ScopeKind
from allocation.access.grants import grant_role, revoke_grant
from allocation.access.tokens import actor_for_login, issue_token, revoke_token, token_id_of
from allocation.api.bodies import Password
from allocation.api.identity import BearerToken, RunningService, WhoAsks
from allocation.api.problems import responses
from allocation.plain_values import PlainModel

ACCESS = "Access"

router = APIRouter(tags=[ACCESS])


class Closed(PlainModel):
    """A body whose every field is known."""

    model_config = ConfigDict(extra="forbid")


class LoginBody(Closed):
    """Who logs in."""

    username: str = Field(max_length=64, examples=["site.de01"])
    password: Password = Field(examples=["correct horse battery"])


class GrantBody(Closed):
    """A role in a study (`*`: every study), for the whole of it or for one country, site or depot."""

    role: str = Field(max_length=64, examples=["site_coordinator"])
    study_id: str = Field(max_length=40, examples=["ORT-301"])
    scope_kind: ScopeKind = "study"
    scope_key: str = Field(default=ALL, max_length=40, examples=["DE01"])
    reason: str = Field(default="", max_length=1000)

    def grant(self) -> Grant:
        """The same as access knows it."""
        return Grant(self.role, self.study_id, self.scope_kind, self.scope_key)


class AccountBody(Closed):
    """A new account, without roles yet."""

    username: str = Field(max_length=64, examples=["site.de01"])
    display_name: str = Field(max_length=200, examples=["Dr. Anna Weber"])
    password: Password = Field(examples=["correct horse battery"])
    email: str | None = Field(default=None, max_length=254, examples=["anna.weber@example.org"])


class PasswordBody(Closed):
    """A new password for oneself."""

    current: Password
    new: Password


class TokenBody(Closed):
    """A token for a program: narrowed to a role, study or site, for at most a year. The password is asked for again, so that a
    token that got into other hands cannot make itself wider or longer.
    """

    password: Password = Field(examples=["correct horse battery"])
    days: int = Field(default=30, ge=1, le=366)
    role: str | None = Field(default=None, examples=["site_coordinator"])
    study_id: str | None = Field(default=None, examples=["ORT-301"])
    site_id: str | None = Field(default=None, examples=["DE01"])


class HeldGrant(BaseModel):
    """A role that is held."""

    role: str
    study_id: str
    scope_kind: str
    scope_key: str


class WhoAnswer(BaseModel):
    """An identity and its roles."""

    username: str
    display_name: str
    grants: list[HeldGrant]


class TokenAnswer(BaseModel):
    """A new token: shown this once. `expires_at` is UTC."""

    token: str
    token_id: str
    expires_at: datetime


class LoginAnswer(TokenAnswer):
    """A new token and whose it is."""

    identity: WhoAnswer


class DoneAnswer(BaseModel):
    """Whether something changed: False when it was so already."""

    changed: bool


def _who(actor: Actor) -> WhoAnswer:
    grants = [
        HeldGrant(role=one.role, study_id=one.study_id, scope_kind=one.scope_kind, scope_key=one.scope_key)
        for one in actor.grants
    ]
    return WhoAnswer(username=actor.username, display_name=actor.display_name, grants=grants)


@router.post("/login", summary="Log in for a token", responses=responses(401, 422))
def login(body: LoginBody, service: RunningService) -> LoginAnswer:
    """A token for twelve hours. Five failures lock the account for fifteen minutes."""
    actor = actor_for_login(service.database, body.username, body.password.get_secret_value(), service.clock)
    issued = issue_token(service.database, actor, service.clock)
    return LoginAnswer(
        token=issued.token, token_id=issued.token_id, expires_at=issued.expires_at, identity=_who(actor)
    )


@router.post("/logout", summary="End this token", responses=responses(401))
def logout(service: RunningService, actor: WhoAsks, token: BearerToken) -> DoneAnswer:
    """The token that this request carries is of no more use."""
    revoke_token(service.database, actor, token_id_of(service.database, token), service.clock)
    return DoneAnswer(changed=True)


@router.get("/me", summary="Who you are and what you may do", responses=responses(401))
def me(actor: WhoAsks) -> WhoAnswer:
    """The identity behind the token, with the roles that it carries now."""
    return _who(actor)


@router.post("/tokens", summary="Issue a token for a program", responses=responses(401, 422))
def new_token(body: TokenBody, service: RunningService, actor: WhoAsks) -> TokenAnswer:
    """A token of one's own account that can do no more than it is narrowed to. A wrong password counts toward the lock-out."""
    identified = actor_for_login(
        service.database, actor.username, body.password.get_secret_value(), service.clock
    )
    issued = issue_token(
        service.database,
        identified,
        service.clock,
        lasts=timedelta(days=body.days),
        role=body.role,
        study_id=body.study_id,
        site_id=body.site_id,
    )
    return TokenAnswer(token=issued.token, token_id=issued.token_id, expires_at=issued.expires_at)


@router.delete("/tokens/{token_id}", summary="End a token", responses=responses(401, 403, 404))
def end_token(token_id: str, service: RunningService, actor: WhoAsks) -> DoneAnswer:
    """One's own token, or as an administrator anybody's."""
    revoke_token(service.database, actor, token_id, service.clock)
    return DoneAnswer(changed=True)


@router.post("/password", summary="Change your password", responses=responses(401, 422))
def change_password(body: PasswordBody, service: RunningService, actor: WhoAsks) -> DoneAnswer:
    """Every token of the account ends, this one too."""
    set_password(
        service.database,
        actor,
        actor.username,
        body.new.get_secret_value(),
        service.clock,
        current=body.current.get_secret_value(),
    )
    return DoneAnswer(changed=True)


@router.post("/accounts", summary="Create an account", responses=responses(401, 403, 409, 422))
def new_account(body: AccountBody, service: RunningService, actor: WhoAsks) -> WhoAnswer:
    """An account without roles. A username is never given twice."""
    made = create_account(
        service.database,
        actor,
        body.username,
        body.display_name,
        body.password.get_secret_value(),
        service.clock,
        email=body.email,
    )
    return WhoAnswer(username=made.username, display_name=made.display_name, grants=[])


@router.post(
    "/accounts/{username}/grants", summary="Give a role", responses=responses(401, 403, 404, 409, 422)
)
def give_role(username: str, body: GrantBody, service: RunningService, actor: WhoAsks) -> DoneAnswer:
    """Refused where it would join a blinded and an unblinded role in one study."""
    changed = grant_role(service.database, actor, username, body.grant(), service.clock, reason=body.reason)
    return DoneAnswer(changed=changed)


@router.delete(
    "/accounts/{username}/grants", summary="Take a role back", responses=responses(401, 403, 404, 422)
)
def take_role(
    username: str,
    service: RunningService,
    actor: WhoAsks,
    role: str,
    study_id: str,
    reason: Annotated[str, Query(min_length=1, max_length=1000)],
    scope_kind: ScopeKind = "study",
    scope_key: str = ALL,
) -> DoneAnswer:
    """The account's tokens lose it at once."""
    revoke_grant(
        service.database,
        actor,
        username,
        Grant(role, study_id, scope_kind, scope_key),
        service.clock,
        reason=reason,
    )
    return DoneAnswer(changed=True)
