"""Reads a network of either kind from what a user names: a file or a run folder."""

from __future__ import annotations

from pathlib import Path

from ..base.errors import UserError
from .float_network import FILE_NAME as FLOAT_FILE
from .float_network import FloatNetwork
from .network import FILE_NAME, Network
from .tensor_file import read_tensors


def load_network(path: Path | str) -> Network | FloatNetwork:
    """The network in a file, integer or float; of a run folder the integer one if it has both.

    Raises
    ------
    UserError
        If there is none, or it breaks a rule.
    """
    path = Path(path)
    if path.is_dir():
        found = [path / name for name in (FILE_NAME, FLOAT_FILE) if (path / name).is_file()]
        if not found:
            raise UserError(
                f"{path}: must hold {FILE_NAME} or {FLOAT_FILE}, and holds neither; train with "
                "`sstdp-hw train`"
            )
        path = found[0]
    _, header = read_tensors(path, "network")
    return Network.load(path) if "format_version" in header else FloatNetwork.load(path)


def data_sets(provenance: object) -> tuple[str | None, str | None]:
    """Names of the training and the test images that a network's provenance tells, if it does."""
    if not isinstance(provenance, dict):
        return None, None
    asked = provenance.get("asked")
    asked = asked if isinstance(asked, dict) else {}
    dataset = asked.get("dataset") or provenance.get("dataset")
    test = asked.get("test_dataset")
    return (
        dataset if isinstance(dataset, str) else None,
        test if isinstance(test, str) else None,
    )
