"""The common shape of every view: frozen, closed, and plain JSON values when it leaves the service."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class View(BaseModel):
    """A piece of what may be read. A field that the model does not have cannot leave the service."""

    model_config = ConfigDict(frozen=True, extra="forbid")
