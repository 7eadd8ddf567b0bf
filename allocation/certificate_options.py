"""The options of the command line that name a certificate of destruction."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import typer

CertificateFile = Annotated[
    Path, typer.Option("--certificate", help="The certificate's file.", exists=True, dir_okay=False)
]
CertificateNumber = Annotated[
    str, typer.Option("--number", help="The certificate's number.", show_default=False)
]
DestroyedWhere = Annotated[
    str, typer.Option("--place", help="Where they were destroyed.", show_default=False)
]
DestroyedOn = Annotated[
    datetime, typer.Option("--on", formats=["%Y-%m-%d"], help="When.", show_default=False)
]


def certificate_of(file: Path, number: str, place: str, on: datetime) -> dict[str, Any]:
    """The fields of the certificate; its file is named, and its content kept as a SHA-256."""
    return {
        "number": number,
        "destroyed_on": on.date(),
        "place": place,
        "file_name": file.name,
        "file_sha256": sha256(file.read_bytes()).hexdigest(),
    }
