"""Reading ODM-XML as a stream: no DTD, no entity, nothing fetched, and never more than one element kept."""

from __future__ import annotations

from typing import IO, Any
from zoneinfo import ZoneInfo

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, iterparse

from allocation.edc.odm_reading import OdmReader, Wanted
from allocation.edc.refusals import malformed


def read_odm_xml(stream: IO[bytes], zone: ZoneInfo, wanted: Wanted) -> OdmReader:
    """Read a whole ODM-XML file. Raises DomainRefusal for one that is not well formed, has a DTD, or is not ODM."""
    reader = OdmReader(zone, wanted)
    open_elements: list[Any] = []
    try:
        for event, element in iterparse(stream, events=("start", "end"), forbid_dtd=True):
            name = _local(element.tag)
            if event == "start":
                open_elements.append(element)
                reader.start(name, {_local(key): value for key, value in element.attrib.items()})
            else:
                open_elements.pop()
                reader.end(name, element.text or "")
                if open_elements:
                    open_elements[-1].remove(element)
    except DefusedXmlException:
        raise malformed("it has a document type or entities, which are not read", "leave them out") from None
    except ParseError as error:
        line, column = error.position
        raise malformed(f"it is not well-formed XML (line {line}, column {column})") from None
    except (LookupError, ValueError):
        raise malformed("its encoding is unknown or wrong", "send UTF-8") from None
    return reader


def _local(name: str) -> str:
    return name.rpartition("}")[2]
