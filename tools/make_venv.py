"""Make a virtual environment with pip in it, also where the system's Python comes without ensurepip.

Debian and Ubuntu leave ensurepip to the package python3-venv. Without it this script fetches pip's
own wheel from the Python package index, checks its SHA-256, and lets it install itself.
Needs nothing but the standard library.
"""

import hashlib
import importlib.util
import json
import subprocess
import sys
import tempfile
import urllib.request
import venv
from pathlib import Path

PIP_VERSION = "25.3"
INDEX = "https://pypi.org/pypi/pip/{}/json"
OLDEST = (3, 11)


def pip_wheel(folder: Path) -> Path:
    """Download pip's wheel into ``folder``; the index's own checksum must fit."""
    with urllib.request.urlopen(INDEX.format(PIP_VERSION), timeout=60) as response:
        files = json.load(response)["urls"]
    wheel = next(entry for entry in files if entry["packagetype"] == "bdist_wheel")
    with urllib.request.urlopen(wheel["url"], timeout=60) as response:
        content = response.read()
    found = hashlib.sha256(content).hexdigest()
    if found != wheel["digests"]["sha256"]:
        sys.exit(f"{wheel['filename']}: must have the SHA-256 of the index, not {found}")
    path = folder / wheel["filename"]
    path.write_bytes(content)
    return path


def main() -> None:
    """Make the environment that the one argument names."""
    if sys.version_info < OLDEST:
        sys.exit(f"Python must be 3.11 or newer, not {sys.version.split()[0]}; set PYTHON=python3.12")
    target = Path(sys.argv[1])
    complete = importlib.util.find_spec("ensurepip") is not None
    venv.create(target, with_pip=complete, clear=True)
    if complete:
        return
    python = target / "bin" / "python"
    with tempfile.TemporaryDirectory() as name:
        try:
            wheel = pip_wheel(Path(name))
        except OSError as error:
            sys.exit(
                f"This Python has no ensurepip and pip cannot be downloaded ({error}); "
                "install the package python3-venv"
            )
        subprocess.run([python, f"{wheel}/pip", "install", "--quiet", wheel], check=True)


if __name__ == "__main__":
    main()
