"""Make a virtual environment with pip in it, also where the system's Python comes without
ensurepip.

Debian and Ubuntu leave ensurepip to the package python3-venv. Without it this script fetches pip's
own wheel from the Python package index, checks it, and lets it install itself.
Needs nothing but the standard library.
"""

import hashlib
import importlib.util
import json
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
import venv
from pathlib import Path

# Pinned, so that what runs here is known; pip upgrades nothing else in the environment.
PIP_WHEEL = "pip-25.3-py3-none-any.whl"
PIP_SHA256 = "9655943313a94722b7774661c21049070f6bbb0a1516bf02f7c8d5d9201514cd"
INDEX = "https://pypi.org/simple/pip/"
INDEX_TYPE = "application/vnd.pypi.simple.v1+json"
OLDEST = (3, 11)


def pip_wheel(folder: Path) -> Path:
    """Download pip's wheel into ``folder`` and check it."""
    request = urllib.request.Request(INDEX, headers={"Accept": INDEX_TYPE})
    with urllib.request.urlopen(request, timeout=60) as response:
        files = json.load(response)["files"]
    url = next(entry["url"] for entry in files if entry["filename"] == PIP_WHEEL)
    with urllib.request.urlopen(urllib.parse.urljoin(INDEX, url), timeout=60) as response:
        content = response.read()
    found = hashlib.sha256(content).hexdigest()
    if found != PIP_SHA256:
        sys.exit(f"{PIP_WHEEL}: must have the SHA-256 {PIP_SHA256}, not {found}")
    path = folder / PIP_WHEEL
    path.write_bytes(content)
    return path


def main() -> None:
    """Make the environment that the one argument names."""
    if sys.version_info < OLDEST:
        sys.exit(
            f"Python must be 3.11 or newer, not {sys.version.split()[0]}; set PYTHON=python3.12"
        )
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
