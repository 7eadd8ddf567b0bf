"""The house rules that no linter knows. Run as `python -m tools.house_rules`; prints each breach and exits 1 if there is one.

* No file of the repository names a package-registry host or a path of one machine: both break on every other machine.
* No Python file is longer than 400 lines: such a file has more than one subject.
* No module is named for what it is not (utils, helpers, ...): a name says the subject.
* Every folder of a package has its `__init__.py`: the import contracts do not see a folder without one.
"""

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

LONGEST_FILE = 400
PACKAGES = ("allocation", "simulation", "forecasting", "pipelines", "data_contracts", "dashboards")
EMPTY_NAMES = frozenset({"utils", "util", "helpers", "helper", "manager", "base", "misc"})

# Put together from parts, so that this file does not break its own rule.
REGISTRY_HOSTS = re.compile(
    "|".join(
        name.replace(".", r"\.")
        for name in (
            "pypi" + ".org",
            "python" + "hosted.org",
            "npm" + "js.org",
            "anaconda" + ".org",
            "crates" + ".io",
        )
    )
    + r"|https?://[^\s\"]*/simple/"
)
# A folder at the root of a file system that holds one person's or one machine's files, with something below it.
MACHINE_PATHS = re.compile(
    r"(?<![\w.$})~-])/(?:" + "|".join(("work", "tmp", "root", "home", "Users")) + r")/\w"
)


def breaches_of_text(path: str, text: str) -> Iterator[str]:
    """Yield a line for each registry host or machine path in a file's text."""
    for number, line in enumerate(text.splitlines(), start=1):
        for pattern, what in (
            (REGISTRY_HOSTS, "a package-registry host"),
            (MACHINE_PATHS, "a path of one machine"),
        ):
            found = pattern.search(line)
            if found:
                yield f"{path}:{number}: names {what} ({found.group()!r})"


def breaches_of_module(path: str, text: str) -> Iterator[str]:
    """Yield a line for each house rule that a Python file's name or length breaks."""
    lines = text.count("\n")
    if lines > LONGEST_FILE:
        yield f"{path}: {lines} lines, more than {LONGEST_FILE}: split it by subject"
    if Path(path).stem in EMPTY_NAMES:
        yield f"{path}: the name {Path(path).stem!r} does not say what it is about"


def breaches_of_packages(paths: Iterable[str]) -> Iterator[str]:
    """Yield a line for each folder of a package that holds Python files and no `__init__.py`."""
    modules = {Path(path) for path in paths if path.endswith(".py") and path.split("/")[0] in PACKAGES}
    for folder in sorted({module.parent for module in modules}):
        if folder / "__init__.py" not in modules:
            yield f"{folder}: has no __init__.py, so the import contracts do not see it"


def breaches(root: Path, paths: Sequence[str]) -> Iterator[str]:
    """Yield a line for each breach in the files at `paths` below `root`; binary files are passed over."""
    yield from breaches_of_packages(paths)
    for path in paths:
        content = (root / path).read_bytes()
        if b"\0" in content[:8192]:
            continue
        text = content.decode("utf-8", errors="replace")
        yield from breaches_of_text(path, text)
        if path.endswith(".py"):
            yield from breaches_of_module(path, text)


def repository_files(root: Path) -> list[str]:
    """The files that git knows or would add, as paths below `root`."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    return sorted(path for path in listed.split("\0") if path and (root / path).is_file())


def main() -> int:
    """Check the whole repository; returns the exit code."""
    root = Path(__file__).resolve().parent.parent
    found = list(breaches(root, repository_files(root)))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
