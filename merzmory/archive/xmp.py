"""Ratings, flags and labels in XMP, as Lightroom, Bridge, digiKam and darktable write them.

Adobe, "XMP specification part 1" (ISO 16684-1): xmp:Rating is -1 for a rejected picture, 0 for an
unrated one, else 1 to 5. Lightroom Classic adds xmpDM:pick (1, 0, -1), digiKam PickLabel (1 rejected,
3 accepted) and ColorLabel. Nothing here reads more than it is handed, and nothing of a hostile
document is expanded or fetched.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from xml.dom.minidom import Document, Element
from xml.parsers.expat import ExpatError

from defusedxml import DefusedXmlException, minidom

from merzmory.archive.marks import MOST_STARS, PICK, REJECT, Marks
from merzmory.errors import FormatError

LARGEST = 8 * 2**20  # bytes: darktable's longest history fits ten times
_TOOLKIT = "MERZmory"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_META = "adobe:ns:meta/"
_SPACES = {
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpDM": "http://ns.adobe.com/xmp/1.0/DynamicMedia/",
    "digiKam": "http://www.digikam.org/ns/1.0/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
}
_COLOURS = {  # programs write the name in the language they speak; Bridge has names of its own
    "red": "red rot rouge rojo rosso vermelho rood select",
    "yellow": "yellow gelb jaune amarillo giallo amarelo geel second",
    "green": "green grün vert verde groen approved",
    "blue": "blue blau bleu azul blu blauw review",
    "purple": "purple lila violett violet púrpura viola roxo paars magenta to-do",
}
_COLOUR_OF = {word: label for label, words in _COLOURS.items() for word in words.split()}
_DIGIKAM = {"red": "1", "yellow": "3", "green": "4", "blue": "5", "purple": "6"}
_EMPTY = (
    f'<x:xmpmeta xmlns:x="{_META}" x:xmptk="{_TOOLKIT}"><rdf:RDF xmlns:rdf="{_RDF}">'
    '<rdf:Description rdf:about=""/></rdf:RDF></x:xmpmeta>'
)
_HEAD = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
_END = '\n<?xpacket end="w"?>\n'


def read(data: bytes) -> Marks:
    """The flag, stars and label that an XMP document tells; empty where it says nothing.

    Raises:
        FormatError: it is no XMP, too large, or tries more than XMP may.
    """
    return _told(_parsed(data))


def is_ours(data: bytes) -> bool:
    """Whether a sidecar was written here, and by no other program since.

    Raises:
        FormatError: as `read`.
    """
    root = _parsed(data).documentElement
    return root is not None and root.getAttributeNS(_META, "xmptk") == _TOOLKIT


def written(said: Marks, into: bytes | None = None) -> bytes:
    """A sidecar that tells what was said, and beside it all that `into` told of other things.

    Raises:
        FormatError: `into` is no XMP, as `read`.
    """
    document = _parsed(into if into is not None else _EMPTY.encode())
    before = _told(document)
    values = _values(
        replace(
            said,
            flag=said.flag or before.flag,
            stars=said.stars or before.stars,
            label=said.label or before.label,
        )
    )
    told = list(_descriptions(document))
    for description in told:
        for space, name in {*values, *([("xmp", "Rating")] if said.flag else [])}:
            _forget(description, _SPACES[space], name)
        if _is_empty(description):
            _rdf(document).removeChild(description)
    ours = document.createElementNS(_RDF, "rdf:Description")
    ours.setAttribute("xmlns:rdf", _RDF)
    ours.setAttributeNS(_RDF, "rdf:about", told[0].getAttributeNS(_RDF, "about") if told else "")
    for space in dict.fromkeys(space for space, _ in values):
        ours.setAttribute(f"xmlns:{space}", _SPACES[space])
    for (space, name), value in values.items():
        ours.setAttributeNS(_SPACES[space], f"{space}:{name}", value)
    _rdf(document).appendChild(ours)
    root = document.documentElement
    assert root is not None
    try:
        return (_HEAD + str(root.toxml()) + _END).encode()
    except RecursionError as error:
        raise FormatError("It is damaged: it is nested too deep.") from error


def _told(document: Document) -> Marks:
    rating = _number(_value(document, "xmp", "Rating"))
    pick = _number(_value(document, "xmpDM", "pick"))
    label = _number(_value(document, "digiKam", "PickLabel"))
    good = _value(document, "xmpDM", "good").lower()
    flag = ""
    if rating == -1 or pick == -1 or label == 1 or good == "false":
        flag = REJECT
    elif pick == 1 or label == 3 or good == "true":
        flag = PICK
    colour = _COLOUR_OF.get(_value(document, "xmp", "Label").lower().replace(" ", "-"), "")
    if not colour:
        number = _value(document, "digiKam", "ColorLabel")
        colour = next((name for name, digit in _DIGIKAM.items() if digit == number), "")
    stars = str(rating) if rating is not None and 1 <= rating <= MOST_STARS else ""
    return Marks(flag=flag, stars=stars, label=colour)


def _values(said: Marks) -> dict[tuple[str, str], str]:
    """The properties that tell `said`; none for what was not said."""
    values = {}
    if said.stars or said.flag == REJECT:  # "four stars and rejected" keeps its stars
        values["xmp", "Rating"] = said.stars or "-1"
    if said.flag:
        values["xmpDM", "pick"] = "1" if said.flag == PICK else "-1"
        values["xmpDM", "good"] = "True" if said.flag == PICK else "False"
        values["digiKam", "PickLabel"] = "3" if said.flag == PICK else "1"
    if said.label:
        values["xmp", "Label"] = said.label.capitalize()
        values["digiKam", "ColorLabel"] = _DIGIKAM[said.label]
    if said.date:
        values["photoshop", "DateCreated"] = said.date
    return values


def _parsed(data: bytes) -> Document:
    if len(data) > LARGEST:
        raise FormatError(
            f"It is longer than {LARGEST // 2**20} MB, the limit of what is read as XMP: move it away."
        )
    try:
        document: Document = minidom.parseString(data.rstrip(b"\0"), forbid_dtd=True)
        _rdf(document)
    except DefusedXmlException as error:
        raise FormatError("It declares entities or a DTD, which XMP never does.") from error
    except (ExpatError, LookupError, RecursionError, UnicodeError, ValueError) as error:
        raise FormatError("It is damaged: it is no XMP.") from error
    return document


def _rdf(document: Document) -> Element:
    """The rdf:RDF element, at the top or one below: no deeper, so that depth costs nothing."""
    root = document.documentElement
    for element in [root, *(root.childNodes if root is not None else ())]:
        if isinstance(element, Element) and _is(element, _RDF, "RDF"):
            return element
    raise LookupError("no rdf:RDF")


def _descriptions(document: Document) -> Iterator[Element]:
    for child in _rdf(document).childNodes:
        if isinstance(child, Element) and _is(child, _RDF, "Description"):
            yield child


def _value(document: Document, space: str, name: str) -> str:
    """A simple property, which may be an attribute or an element; "" where it is not there."""
    for description in _descriptions(document):
        if description.hasAttributeNS(_SPACES[space], name):
            return description.getAttributeNS(_SPACES[space], name).strip()
        for child in description.childNodes:
            if isinstance(child, Element) and _is(child, _SPACES[space], name):
                texts = (node.data for node in child.childNodes if node.nodeType == node.TEXT_NODE)
                return "".join(texts).strip()
    return ""


def _forget(description: Element, uri: str, name: str) -> None:
    if description.hasAttributeNS(uri, name):
        description.removeAttributeNS(uri, name)
    for child in list(description.childNodes):
        if isinstance(child, Element) and _is(child, uri, name):
            description.removeChild(child)


def _is_empty(description: Element) -> bool:
    """Whether nothing is told: no property as an element, and none as an attribute."""
    names = (a.namespaceURI for a in description.attributes.values())
    told = any(uri not in (_RDF, "http://www.w3.org/2000/xmlns/", None) for uri in names)
    return not told and not any(isinstance(child, Element) for child in description.childNodes)


def _is(element: Element, uri: str, name: str) -> bool:
    return element.namespaceURI == uri and element.localName == name


def _number(text: str) -> int | None:
    try:
        return round(float(text))
    except (ValueError, OverflowError):
        return None
