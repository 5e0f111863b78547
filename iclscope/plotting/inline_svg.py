"""matplotlib's SVG files → SVG that lives inside an HTML page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree import ElementTree

_REFERENCE = re.compile(r"url\(#([^)]+)\)|^#(.+)$")
_SPACE = re.compile(r"\s+")
_DROPPED = {"metadata", "style", "title"}
# matplotlib's rule for every element of its file; in a page, a <style> element would restyle the whole page.
# Black is an SVG's default fill, which matplotlib relies on and a dark page cannot.
_ROOT_STYLE = "fill:currentColor;stroke-linejoin:round;stroke-linecap:butt"


def inline_svg(source: str, *, prefix: str, label: str, recoloured: Mapping[str, str]) -> str:
    """Make an SVG file fit to stand in a page beside others.

    The result has no prolog, metadata or comments; keeps only ids that something refers to, each prefixed; takes
    the width of its container (up to ten points per ``rem``, so that 6.4 inches are 46 rem) and keeps its aspect.

    Args:
        source: the text of a file that matplotlib wrote.
        prefix: what makes ids unique on the page.
        label: what a screen reader says.
        recoloured: six-digit hex colour, lower case → the CSS colour that takes its place.

    Returns:
        One ``<svg>`` element.

    Raises:
        ValueError: if the file has no viewBox.
    """
    root = ElementTree.fromstring(source)
    for element in root.iter():
        element.tag = _local(element.tag)
        element.text = element.text.strip() if element.text else None
        element.tail = None
        attributes = {_local(name): value for name, value in element.attrib.items()}
        element.attrib.clear()
        element.attrib.update(attributes)
    for parent in list(root.iter()):
        for child in [child for child in parent if child.tag in _DROPPED]:
            parent.remove(child)
    _drop_empty(root)
    _rename_ids(root, re.sub(r"[^A-Za-z0-9_-]+", "-", prefix))
    for element in root.iter():
        for name, value in element.attrib.items():
            element.set(name, _SPACE.sub(" ", _recolour(value, recoloured)).strip())
    _set_frame(root, label)
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=True)


def _local(name: str) -> str:
    """A tag or attribute without its namespace: HTML knows none (``xlink:href`` is plain ``href`` since SVG 2)."""
    return name.rpartition("}")[2]


def _drop_empty(root: ElementTree.Element) -> None:
    """Remove groups and definitions without content, such as the <defs> that held a style."""
    for parent in list(root.iter()):
        for child in [child for child in parent if child.tag in {"defs", "g"} and len(child) == 0]:
            parent.remove(child)


def _rename_ids(root: ElementTree.Element, prefix: str) -> None:
    """Prefix the ids that are referred to, drop the others."""
    used = {
        match.group(1) or match.group(2)
        for element in root.iter()
        for value in element.attrib.values()
        for match in _REFERENCE.finditer(value)
    }
    for element in root.iter():
        name = element.attrib.pop("id", None)
        if name in used:
            element.set("id", f"{prefix}-{name}")
        for key, value in element.attrib.items():
            if key in {"href", "clip-path", "mask", "filter", "style"}:
                element.set(key, re.sub(r"(url\(#|^#)", rf"\g<1>{prefix}-", value))


def _recolour(value: str, recoloured: Mapping[str, str]) -> str:
    return re.sub(r"#[0-9a-fA-F]{6}\b", lambda found: recoloured.get(found[0].lower(), found[0]), value)


def _set_frame(root: ElementTree.Element, label: str) -> None:
    box = root.get("viewBox")
    if box is None:
        raise ValueError("the SVG has no viewBox, so it could not scale")
    width = float(box.split()[2])
    root.attrib.clear()
    root.attrib.update(
        {
            "viewBox": box,
            "width": "100%",
            "role": "img",
            "aria-label": label,
            "style": f"max-width:{width / 10:g}rem;{_ROOT_STYLE}",
        }
    )
