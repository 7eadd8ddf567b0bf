"""Reading ODM-XML as a stream: no DTD, no entity, nothing fetched, and never more than one element kept.

Elements of another namespace than the root's are a vendor's own: they and what is in them are passed over, whatever their names. Their
attributes on ODM's elements are read, since a form's state may stand there, but never in the place of ODM's own.
"""

from __future__ import annotations

from typing import IO, Any, Final
from zoneinfo import ZoneInfo

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, iterparse

from allocation.edc.odm_reading import OdmReader, Wanted
from allocation.edc.refusals import malformed

NAMESPACES: Final = ("", "http://www.cdisc.org/ns/odm/v1.3", "http://www.cdisc.org/ns/odm/v2.0")
"""Of the root element; some systems leave it out."""


def read_odm_xml(stream: IO[bytes], zone: ZoneInfo, wanted: Wanted) -> OdmReader:
    """Read a whole ODM-XML file. Raises DomainRefusal for one that is not well formed, has a DTD, or is not ODM."""
    reader = OdmReader(zone, wanted)
    open_elements: list[Any] = []
    namespace: str | None = None
    foreign = 0
    try:
        for event, element in iterparse(stream, events=("start", "end"), forbid_dtd=True):
            own, name = _parts(element.tag)
            if namespace is None:
                namespace = own
                if own not in NAMESPACES:
                    raise malformed("its namespace is not that of ODM 1.3 or 2.0")
            if event == "start":
                open_elements.append(element)
                if own == namespace and not foreign:
                    reader.start(name, _attributes(element))
                else:
                    foreign += 1
                    reader.refuse_too_deep(foreign)
            else:
                open_elements.pop()
                if foreign:
                    foreign -= 1
                else:
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


def _attributes(element: Any) -> dict[str, str]:
    """By local name; where a vendor's has the name of one of ODM's own, that one counts."""
    named = {_parts(key): value for key, value in element.attrib.items()}
    own = {local: value for (space, local), value in named.items() if not space}
    return {local: value for (_, local), value in named.items()} | own


def _parts(name: str) -> tuple[str, str]:
    """Namespace and local name."""
    space, _, local = name.rpartition("}")
    return space.removeprefix("{"), local
