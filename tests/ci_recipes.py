"""Helpers for tests that run the recipes of `docs/how-to/ci.md` without GitHub and PyPI.

jaxrng-doctor is built as for a release and installed with the real tools. Its dependencies come
from a folder on `PYTHONPATH` with links to the packages of this environment, without jaxrng-doctor
itself, so nothing is downloaded.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def recipes() -> dict[str, list[str]]:
    """Return the files that `docs/how-to/ci.md` shows, by name; a name may occur more than once."""
    text = (ROOT / "docs" / "how-to" / "ci.md").read_text(encoding="utf-8")
    found: dict[str, list[str]] = {}
    for block in re.findall(r"^```\w+\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        name, _, rest = block.partition("\n")
        found.setdefault(name.removeprefix("# "), []).append(rest)
    return found


def build(folder: Path, kind: str, source: Path = ROOT) -> Path:
    """Build the `wheel` or `sdist` of this project in `folder`, without isolation."""
    subprocess.run(
        [sys.executable, "-m", "build", f"--{kind}", "--no-isolation", "--outdir", folder, source],
        check=True,
        capture_output=True,
    )
    (made,) = folder.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return made


def lend(folder: Path) -> Path:
    """Link the packages of this environment, except jaxrng-doctor and pip, into a new folder."""
    folder.mkdir()
    folders = [Path(path) for path in sys.path if path.endswith("-packages")]
    for packages in filter(Path.is_dir, folders):
        for entry in packages.iterdir():
            ours = entry.name.lower().startswith(("jaxrng", "_editable", "__editable", "pip"))
            if not ours and entry.suffix != ".pth" and not (folder / entry.name).exists():
                (folder / entry.name).symlink_to(entry)
    return folder


def borrowing(lent: Path, wheels: Path, home: Path) -> dict[str, str]:
    """Return the environment in which pip installs jaxrng-doctor from `wheels` and nothing else."""
    names = ("PATH", "LANG", "JAX_PLATFORMS", "TMPDIR")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    return {
        "JAX_PLATFORMS": "cpu",
        **kept,
        "HOME": str(home),
        "PYTHONPATH": str(lent),
        "PIP_NO_INDEX": "1",
        "PIP_NO_DEPS": "1",
        "PIP_FIND_LINKS": str(wheels),
        "PIP_NO_BUILD_ISOLATION": "0",  # to pip, 0 means no build isolation
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


def expression(text: str, values: Mapping[str, str]) -> str:
    """Replace each `${{ name }}` as GitHub does. Raise `KeyError` for an unknown name."""
    return re.sub(r"\$\{\{ *([\w.-]+) *\}\}", lambda match: values[match[1]], text)


def condition(text: str, values: Mapping[str, str]) -> bool:
    """Evaluate an `if:` made of `==`, `!=` and `&&`."""
    inside = text.strip().removeprefix("${{").removesuffix("}}")
    return all(_holds(part.strip(), values) for part in inside.split("&&"))


def _holds(part: str, values: Mapping[str, str]) -> bool:
    match = re.fullmatch(r"([\w.-]+) (==|!=) '([^']*)'", part)
    assert match is not None, f"not understood: {part}"
    return (values[match[1]] == match[3]) == (match[2] == "==")


def outputs(file: Path) -> dict[str, str]:
    """Return the outputs that a step has written to `GITHUB_OUTPUT`."""
    pairs: list[Any] = [line.split("=", 1) for line in file.read_text().splitlines()]
    return dict(pairs)
