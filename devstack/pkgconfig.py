"""A stand-in for the pkg-config program, for machines without it: just what building libflux asks for.

``pkgconfig.py --cflags|--libs [--static] -- NAME...`` with the folders of .pc files in PKG_CONFIG_PATH.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path


def fields(text: str) -> dict[str, str]:
    """The fields of a .pc file such as ``Libs``, with its ``${variables}`` filled in."""
    variables: dict[str, str] = {}
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = re.match(r"\s*([\w.]+)\s*([=:])\s*(.*)", line)
        if match is None:
            continue
        name, sign, value = match.groups()
        value = re.sub(r"\$\{(\w+)\}", lambda use: variables.get(use.group(1), ""), value.strip())
        (variables if sign == "=" else found)[name] = value
    return found


def main(arguments: list[str]) -> int:
    """Print the asked flags; 1 when a package is not found."""
    wanted = [name for option, name in (("--cflags", "Cflags"), ("--libs", "Libs")) if option in arguments]
    folders = [Path(folder) for folder in os.environ.get("PKG_CONFIG_PATH", "").split(os.pathsep) if folder]
    flags: list[str] = []
    for package in (argument for argument in arguments if not argument.startswith("-")):
        path = next((folder / f"{package}.pc" for folder in folders if (folder / f"{package}.pc").is_file()), None)
        if path is None:
            sys.stderr.write(f"Package {package} was not found in PKG_CONFIG_PATH\n")
            return 1
        found = fields(path.read_text())
        flags += [found[name] for name in wanted if found.get(name)]
    sys.stdout.write(" ".join(flags) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
