"""The page as one HTML file that fetches nothing: sources, styles and texts of ``page/`` put together.

python -m iclscope.playground.build FILE.html
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path

from iclscope.playground.bundle import BadModule, Module, check_names, imported_from, joined, modules_from

PAGE = Path(__file__).parent / "page"
LANGUAGES = ("en", "zh")
_NO_CHECKSUM = "0" * 64
_SEAL = re.compile(r'<meta name="generator" content="iclscope playground ([0-9a-f]{64})">')


def page_html() -> str:
    """The whole page, sealed so that it can be told to be ours and unchanged.

    Raises:
        BadModule: if the sources cannot be put together.
    """
    from iclscope import __version__

    template = (PAGE / "page.html").read_text(encoding="utf-8")
    styles = "\n".join(path.read_text(encoding="utf-8") for path in sorted((PAGE / "styles").glob("*.css")))
    seal = f'<meta name="generator" content="iclscope playground {_NO_CHECKSUM}">'
    parts = {
        "<!-- style -->": f"{seal}\n<style>\n{styles}</style>",
        "<!-- scripts -->": f'<script id="playground-library">\n{library_script()}</script>\n'
        f"<script>\n{interface_script(__version__)}</script>",
    }
    for mark, part in parts.items():
        if template.count(mark) != 1:
            raise BadModule(f"page.html: expected {mark} once, got it {template.count(mark)} times")
        template = template.replace(mark, part)
    return template.replace(_NO_CHECKSUM, _checksum(template), 1)


def is_ours(path: Path) -> bool:
    """Whether a file is a page that this module made, and nobody has changed since."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    seal = _SEAL.search(text)
    return seal is not None and seal[1] == _checksum(text.replace(seal[1], _NO_CHECKSUM, 1))


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def library_modules() -> list[Module]:
    """The modules of engine and theory."""
    return modules_from(
        (path for folder in ("engine", "theory") for path in sorted((PAGE / folder).glob("*.js"))), within=PAGE
    )


def library_script() -> str:
    """Engine and theory: what page and worker both run, as one object."""
    modules = library_modules()
    names = sorted(name for module in modules for name in module.exported)
    body = f'"use strict";\n{joined(modules)}return {{ {", ".join(names)} }};\n'
    return f"const PlaygroundLibrary = (() => {{\n{body}}})();\n"


def interface_script(version: str) -> str:
    """What the page runs on top of the library."""
    folder = PAGE / "interface"
    modules = modules_from([folder / "main.js"], within=folder)
    taken = list(imported_from(modules, folder))
    library = library_modules()
    have = {name for module in library for name in module.exported}
    if missing := [name for name in taken if name not in have]:
        raise BadModule(f"{missing[0]} is imported by the interface, and is neither of engine/ nor of theory/")
    both = [module._replace(declared=tuple(set(module.declared) & set(taken))) for module in library]
    check_names([*both, *modules])
    texts = {name: json.loads((PAGE / "texts" / f"{name}.json").read_text(encoding="utf-8")) for name in LANGUAGES}
    return (
        f'(() => {{\n"use strict";\nconst {{ {", ".join(taken)} }} = PlaygroundLibrary;\n'
        f"const PAGE_TEXTS = {_in_script(texts)};\nconst PAGE_VERSION = {_in_script(version)};\n"
        f"{joined(modules)}startPlayground();\n}})();\n"
    )


def _in_script(value: object) -> str:
    """A value as JSON that can stand in a script of a page."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page_html(), encoding="utf-8")
