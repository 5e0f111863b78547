"""Build a release, check it, and write what is to be uploaded. Nothing is uploaded.

    python release/release.py              # `make release`

Into dist/ go the source distribution, the wheel that is built from it, and UPLOAD.md: files with their hashes, the
section of the changelog, and the command that would upload them. What is wrong ends it with a line and exit status 1.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"
IN_SOURCE = (
    "pyproject.toml",
    "LICENSE",
    "README.md",
    "CHANGELOG.md",
    "CITATION.cff",
    "tests",
    "docs",
    "constraints.txt",
)
IN_WHEEL = ("iclscope/__init__.py", "iclscope/py.typed", "iclscope/study/pages/page.html.jinja")


def run(tool: str, *words: str) -> None:
    """A command of this environment that must succeed."""
    path = Path(sys.executable).with_name("pyproject-build" if tool == "build" else tool)
    done = subprocess.run([path, *words], cwd=ROOT, check=False)
    if done.returncode:
        sys.exit(f"release: {tool} {' '.join(words)} ended with status {done.returncode}")


def changes(version: str) -> str:
    """What the changelog says of a version."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    found = re.search(rf"^## \[{re.escape(version)}\][^\n]*\n(.*?)(?=^## \[|\Z)", text, flags=re.DOTALL | re.MULTILINE)
    if found is None:
        sys.exit(f"release: CHANGELOG.md has no section [{version}]")
    return found[1].strip()


def missing(names: list[str], wanted: tuple[str, ...], strip: int) -> list[str]:
    """What an archive should hold and does not; ``strip`` leading folders of its names do not count."""
    held = {"/".join(name.split("/")[strip:]) for name in names}
    return [one for one in wanted if not any(name == one or name.startswith(f"{one}/") for name in held)]


def check_contents(source: Path, wheel: Path) -> None:
    """Refuse archives that lack what belongs into them, or hold what does not."""
    with tarfile.open(source) as archive:
        names = archive.getnames()
    lacking = missing(names, IN_SOURCE, 1)
    with zipfile.ZipFile(wheel) as archive:
        inside = archive.namelist()
    lacking += missing(inside, IN_WHEEL, 0)
    foreign = [name for name in inside if not name.startswith("iclscope")]
    if lacking or foreign:
        sys.exit(f"release: missing {lacking}, foreign {foreign}")


def advice(project: dict[str, object]) -> str:
    """What a person still has to decide before an upload."""
    urls = project.get("urls", {})
    named = isinstance(urls, dict) and "Repository" in urls
    return "" if named else "\nBefore uploading add `Repository` to `[project.urls]`: no public address is known yet.\n"


def main() -> None:
    """Build, check and write."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = project["version"]
    told = changes(version)
    shutil.rmtree(DIST, ignore_errors=True)
    run("build", "--outdir", str(DIST))
    (source,) = DIST.glob("*.tar.gz")
    (wheel,) = DIST.glob("*.whl")
    check_contents(source, wheel)
    run("twine", "check", "--strict", str(source), str(wheel))
    run("cffconvert", "--validate", "-i", "CITATION.cff")
    hashes = "\n".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in (source, wheel))
    (DIST / "UPLOAD.md").write_text(
        f"# iclscope {version}\n\n```text\n{hashes}\n```\n\n    twine upload dist/{source.name} dist/{wheel.name}\n"
        f"{advice(project)}\n## Changes\n\n{told}\n",
        encoding="utf-8",
    )
    print(f"{source.name}, {wheel.name} and UPLOAD.md lie in dist/; nothing was uploaded")


if __name__ == "__main__":
    main()
