"""A message as it comes over HTTP or from a file: spooled to disk, measured, hashed, and read by its kind."""

from __future__ import annotations

import hashlib
from tempfile import SpooledTemporaryFile
from typing import IO, Final, cast
from zoneinfo import ZoneInfo

from allocation.edc.facts import EdcMessage
from allocation.edc.field_map import message_of, wanted_by
from allocation.edc.odm_json import read_odm_json
from allocation.edc.odm_xml import read_odm_xml
from allocation.edc.refusals import malformed, too_large
from allocation.study.edc import Edc

LARGEST: Final = 256 * 1024 * 1024
"""Bytes of a message. XML of that size is read as a stream."""

IN_MEMORY: Final = 1024 * 1024


class ReceivedBody:
    """The bytes of a message, on disk when there are many. `add` raises DomainRefusal once there are too many."""

    def __init__(self) -> None:
        self.size = 0
        self._hash = hashlib.sha256()
        self._file = cast(IO[bytes], SpooledTemporaryFile(max_size=IN_MEMORY))  # noqa: SIM115  (`close` does)

    def add(self, part: bytes) -> None:
        """The next bytes."""
        self.size += len(part)
        if self.size > LARGEST:
            raise too_large(LARGEST)
        self._hash.update(part)
        self._file.write(part)

    @property
    def sha256(self) -> str:
        """The hash of all bytes so far, in hexadecimal."""
        return self._hash.hexdigest()

    def read_odm(self, edc: Edc) -> EdcMessage:
        """The message under the study's map, JSON or XML by its first character. Raises DomainRefusal."""
        self._file.seek(0)
        start = self._file.read(256).removeprefix(b"\xef\xbb\xbf").lstrip()
        self._file.seek(0)
        zone, wanted = ZoneInfo(edc.time_zone), wanted_by(edc)
        if not start:
            raise malformed("it is empty")
        if start[:1] == b"{":
            return message_of(read_odm_json(self._file, zone, wanted), edc, "odm-json", self.sha256)
        return message_of(read_odm_xml(self._file, zone, wanted), edc, "odm-xml", self.sha256)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
