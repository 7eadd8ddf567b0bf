"""XHTML of a USDM document as plain text on one line: lists numbered, dictionary tags replaced by what they stand for."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

from allocation.study.usdm.document import JsonObject, UsdmDocument, decode_of, number_of, text

_BLOCKS = {"p", "div", "li", "ol", "ul", "table", "tr", "td", "th", "br", "h1", "h2", "h3", "h4", "h5", "h6"}
_LOWER_ALPHA = "abcdefghijklmnopqrstuvwxyz"


class _PlainText(HTMLParser):
    """Collects the text of a fragment; `usdm:tag` and `usdm:ref` are asked of `reader`."""

    def __init__(self, reader: TextReader, owner: JsonObject) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._reader = reader
        self._owner = owner
        self._lists: list[tuple[bool, list[int]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "usdm:tag":
            self.parts.append(self._reader.tag_value(self._owner, attributes.get("name", "")))
        elif tag == "usdm:ref":
            self.parts.append(self._reader.reference_value(self._owner, attributes))
        elif tag in ("ol", "ul"):
            lettered = "lower-alpha" in attributes.get("style", "") or attributes.get("type") == "a"
            self._lists.append((lettered, [0] if tag == "ol" else []))
        if tag in _BLOCKS:
            self.parts.append(" ")
        if tag == "li" and self._lists:
            self.parts.append(self._item_mark())

    def handle_endtag(self, tag: str) -> None:
        if tag in ("ol", "ul") and self._lists:
            self._lists.pop()
        if tag in _BLOCKS:
            self.parts.append(" ")

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    def _item_mark(self) -> str:
        lettered, counter = self._lists[-1]
        if not counter:
            return "- "
        counter[0] += 1
        number = counter[0]
        return f"{_LOWER_ALPHA[(number - 1) % 26]}) " if lettered else f"{number}) "


class TextReader:
    """Makes texts of one document readable; a tag that cannot be resolved stays as `[name]` and is remarked."""

    def __init__(self, document: UsdmDocument) -> None:
        self._document = document

    def plain(self, owner: JsonObject, key: str = "text") -> str:
        """`owner[key]` without markup. `owner` may name the dictionary (`dictionaryId`) that its tags are explained in."""
        value = owner.get(key)
        if not isinstance(value, str):
            return ""
        parser = _PlainText(self, owner)
        parser.feed(value)
        parser.close()
        words = " ".join("".join(parser.parts).split())
        return re.sub(r" ([.,;:)])", r"\1", words)

    def tag_value(self, owner: JsonObject, name: str) -> str:
        """What `<usdm:tag name=...>` stands for by the owner's dictionary; the reference is itself a piece of XHTML."""
        dictionary = self._document.by_id(owner.get("dictionaryId"))
        for parameter in self._document.items(dictionary, "parameterMaps") if dictionary else []:
            if parameter.get("tag") == name:
                reference = html.unescape(text(parameter, "reference"))
                attributes = dict(re.findall(r'(\w+)="([^"]*)"', reference))
                return self.reference_value(owner, attributes) if "id" in attributes else reference
        self._document.findings.doubtful(
            self._document.path(owner), f"no dictionary explains the tag {name!r}"
        )
        return f"[{name}]"

    def reference_value(self, owner: JsonObject, attributes: dict[str, str]) -> str:
        """What `<usdm:ref id=... attribute=...>` points to: a text, a number without needless zeros, or a code's decode."""
        target = self._document.by_id(attributes.get("id")) or {}
        value = target.get(attributes.get("attribute", ""))
        number = None if isinstance(value, str) else number_of(value)
        words = f"{number:g}" if number is not None else decode_of(value)
        if words:
            return words
        label = ".".join(attributes.get(part, "?") for part in ("klass", "id", "attribute"))
        self._document.findings.doubtful(self._document.path(owner), f"the reference {label} leads nowhere")
        return f"[{label}]"
