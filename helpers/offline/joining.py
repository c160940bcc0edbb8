"""Printed pages joined into one file: bookmarks, and links that stay inside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, NamedTuple
from urllib.parse import unquote, urldefrag

from pypdf import PdfReader, PdfWriter
from pypdf.generic import (
    ArrayObject,
    DictionaryObject,
    FloatObject,
    NameObject,
    NullObject,
    TextStringObject,
)

TOP = 841.9  # of a sheet of A4, in points


class Place(NamedTuple):
    """A page of the contents: its name, the caption of its part, how deep it lies."""

    name: str
    part: str
    depth: int


@dataclass(frozen=True)
class Print:
    """A printed page of the book; `first` is the number of its first sheet, from 1.

    `sections` holds anchor and heading of each, `spots` the sheet (from 0), left and
    top, in points, of each anchor.
    """

    place: Place
    address: str
    title: str
    sections: Sequence[tuple[str, str]]
    sheets: PdfReader
    spots: Mapping[str, tuple[int, float, float]]
    first: int

    def spot(self, anchor: str) -> tuple[int, float, float]:
        """Return where an anchor is, or the page's beginning; sheets of the whole."""
        sheet, left, top = self.spots.get(anchor, (0, 0.0, TOP))
        return self.first - 1 + sheet, left, top


def read(
    sheets: bytes,
    place: Place,
    address: str,
    title: str,
    sections: Sequence[tuple[str, str]],
    first: int,
) -> Print:
    """Return a print with the places of its anchors, ready to be joined to others."""
    found = PdfReader(BytesIO(sheets))
    spots = {
        name.removeprefix("/"): (
            found.get_destination_page_number(one) or 0,
            float(one.left or 0),
            float(one.top or TOP),
        )
        for name, one in found.named_destinations.items()
    }
    _name_links(found, address)
    for names in (
        "/Dests",
        "/Names",
    ):  # of one page, not of the whole
        found.root_object.pop(names, None)
    return Print(place, address, title, sections, found, spots, first)


def joined(opening: PdfReader, prints: Sequence[Print]) -> PdfWriter:
    """Return all sheets in their order, with a bookmark for each page and section."""
    writer = PdfWriter()
    for sheets in (opening, *(one.sheets for one in prints)):
        writer.append(sheets, import_outline=False)
    known = {one.address: one for one in prints}
    for sheet in writer.pages:
        _keep_inside(writer, sheet, known)
    part, below = "", None
    for one in prints:
        if one.place.part != part:
            part = one.place.part
            below = writer.add_outline_item(title=part, page_number=one.first - 1)
        page = writer.add_outline_item(
            title=one.title, page_number=one.first - 1, parent=below, is_open=False
        )
        for anchor, text in one.sections:
            number, _, _ = one.spot(anchor)
            writer.add_outline_item(title=text, page_number=number, parent=page)
    writer.add_metadata({"/Title": prints[0].title})
    writer.root_object[NameObject("/Lang")] = TextStringObject("en")
    writer.page_mode = "/UseOutlines"
    writer.compress_identical_objects()
    return writer


def _name_links(sheets: PdfReader, address: str) -> None:
    """Give links within a page the form of those to another one: an address."""
    for reference in (one for sheet in sheets.pages for one in sheet.annotations or ()):
        link = reference.get_object()
        if "/Dest" in link:
            anchor = str(link.pop("/Dest")).removeprefix("/")
            link[NameObject("/A")] = DictionaryObject(
                {
                    NameObject("/S"): NameObject("/URI"),
                    NameObject("/URI"): TextStringObject(f"{address}#{anchor}"),
                }
            )


def _keep_inside(writer: PdfWriter, sheet: Any, known: Mapping[str, Print]) -> None:
    """Lead links to pages of the book to their sheets; drop those to other files."""
    kept = ArrayObject()
    for reference in sheet.annotations or ():
        link = reference.get_object()
        address, anchor = urldefrag(str(link.get("/A", {}).get("/URI", "")))
        if address in known:
            number, left, top = known[address].spot(unquote(anchor))
            del link["/A"]
            link[NameObject("/Dest")] = ArrayObject(
                [
                    writer.pages[number].indirect_reference,
                    NameObject("/XYZ"),
                    FloatObject(left),
                    FloatObject(top),
                    NullObject(),
                ]
            )
        elif address.startswith("file:"):
            continue  # a notebook or the code of a module: not in the PDF
        kept.append(reference)
    sheet[NameObject("/Annots")] = kept
