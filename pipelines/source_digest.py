"""What code made something: the hash of a package's source, so that results of older code are not taken for those of this one."""

import hashlib
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable


@cache
def source_digest(package: str) -> str:
    """SHA-256 over the names and contents of the Python files and tables (.py, .csv) of a package and its folders."""
    digest = hashlib.sha256()
    for name, content in sorted(_source_files(files(package), "")):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _source_files(folder: Traversable, within: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _source_files(entry, f"{within}{entry.name}/")
        elif entry.name.endswith((".py", ".csv")):
            found.append((f"{within}{entry.name}", entry.read_bytes()))
    return found
