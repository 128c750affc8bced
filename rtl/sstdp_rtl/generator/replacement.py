"""What becomes of results and builds when their accelerator is generated again."""

import os
import shutil
from pathlib import Path

from sstdp_hw.contract.file_names import (
    MANIFEST_FILE,
    NETWORK_FILE,
    RECORD_FILE,
    VERILOG_FILE,
)


def settle(new, old):
    """Decide on what the folder ``old`` holds beside the accelerator, before ``new`` replaces it.

    Results and builds are those of the Verilog: as long as it is the same, byte for byte, they are
    taken over. The record vouches for manifest and network, too.

    Parameters
    ----------
    new : Path
        The folder just generated. If ``old`` holds exactly that, it is removed, so that nothing is
        replaced; see `files.folder_written_whole`.
    old : Path
        The folder to be replaced; it may be missing.

    Returns
    -------
    unchanged : bool
    removed : tuple of str
        Files that go, by their names in the folder.
    """
    if not old.is_dir():
        return False, ()
    made = {path.name for path in new.iterdir()}
    changed = {name for name in made if not _same(new / name, old / name)}
    if not changed:
        shutil.rmtree(new)
        return True, ()
    # A lock that a killed process left is nobody's work, see `locks.output`.
    locks = {path.name for path in old.glob(".*.lock")}
    others = sorted({path.name for path in old.iterdir()} - made - locks)
    if VERILOG_FILE in changed:
        gone = others
    else:
        gone = [RECORD_FILE] if changed & {MANIFEST_FILE, NETWORK_FILE} else []
    for name in set(others) - set(gone):
        _take_over(old / name, new / name)
    return False, tuple(file for name in gone for file in _files(old, old / name))


def _same(new, old):
    return old.is_file() and new.read_bytes() == old.read_bytes()


def _take_over(source, target):
    """Hard links where the disk has them: a bitstream or a waveform may be large. All that is
    written later replaces a file and changes none."""
    if source.is_dir() and not source.is_symlink():
        shutil.copytree(source, target, symlinks=True, copy_function=_link)
    else:
        _link(source, target)


def _link(source, target):
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)


def _files(folder, path):
    """All files at or below a path, by their names in the folder."""
    if path.is_dir() and not path.is_symlink():
        found = sorted(file for file in path.rglob("*") if not file.is_dir())
    else:
        found = [path] if path.exists() or path.is_symlink() else []
    return [Path(file).relative_to(folder).as_posix() for file in found]
