"""Loading a bitstream: what openFPGALoader is called with for every board, and what its failures
mean. A program stands in for it; nobody has a board here."""

import json
import re
import sys

import pytest
from rtl.synthesis import stand_in

from sstdp_hw.base.errors import UserError
from sstdp_hw.base.files import file_digest
from sstdp_rtl.synthesis.flash import flash
from sstdp_rtl.synthesis.targets import BOARDS
from sstdp_rtl.verbs.flash import run_flash

PROGRAM = """\
#!{python}
import json, pathlib, sys
if sys.argv[1:] == ["--version"]:
    print("openFPGALoader stand-in")
    sys.exit(0)
data = pathlib.Path(sys.argv[-1]).read_bytes().decode()
pathlib.Path({told!r}).write_text(json.dumps([sys.argv[1:-1], data]))
print({text!r}, file=sys.stderr)
sys.exit({status})
"""


@pytest.fixture
def loader(tmp_path, monkeypatch):
    """Makes the stand-in; a function that returns what it was told."""

    def make(text="", status=0):
        told, path = tmp_path / "told.json", tmp_path / "loader"
        script = PROGRAM.format(python=sys.executable, told=str(told), text=text, status=status)
        path.write_text(script)
        path.chmod(0o755)
        monkeypatch.setenv("OPENFPGALOADER", str(path))
        return lambda: json.loads(told.read_text())

    return make


@pytest.fixture
def accelerator(tmp_path):
    return stand_in.write(tmp_path / "hw")


def built(accelerator, board, text="bits", **changes):
    """A result of `build` for a board."""
    folder = accelerator / "build" / board
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "accelerator.bit").write_text(text)
    manifest = json.loads((accelerator / "manifest.json").read_text())
    digest = file_digest(folder / "accelerator.bit")
    result = {
        "design": {"verilog_sha256": manifest["verilog_sha256"]},
        "bitstream": {"file": "accelerator.bit", "sha256": digest},
    }
    (folder / "utilisation.json").write_text(json.dumps(result | changes))


@pytest.mark.parametrize("board", BOARDS)
def test_every_board_is_loaded_with_its_arguments(board, accelerator, loader, capsys):
    told = loader()
    built(accelerator, board)
    cable = None if BOARDS[board].usb else "ft232"
    found = flash(accelerator, board=board, cable=cable)
    arguments, data = told()
    assert data == "bits"
    assert arguments[0] in ("--board", "--cable") and "--detect" not in arguments
    assert (cable in arguments) == (cable is not None)
    assert ("--write-flash" in arguments) == found.permanent == BOARDS[board].only_flash
    assert run_flash(accelerator, board, True, cable)["permanent"]
    assert "--write-flash" in told()[0]
    assert "written into its flash memory" in capsys.readouterr().out


def refused(accelerator, board="ulx3s-85f", **options):
    with pytest.raises(UserError) as caught:
        flash(accelerator, board=board, **options)
    (line,) = str(caught.value).splitlines()
    return line


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("unable to open ftdi device: -4 (usb_open() failed)\nJTAG init failed",
         r"put the line 'SUBSYSTEM==\"usb\", ATTRS\{idVendor\}==\"0403\", "
         r"ATTRS\{idProduct\}==\"6015\", .* into /etc/udev/rules.d/99-openfpgaloader.rules"),
        ("unable to open ftdi device: -3 (device not found)", "0403:6015 is plugged in"),
        ("x: error while loading shared libraries: libusb-1.0.so.0: cannot open",
         "needs the system's library libusb-1.0.so.0; install libusb-1.0-0"),
        ("Error: CRC of the flash differs", "CRC of the flash differs"),
    ],
)  # fmt: skip
def test_failures_are_explained_in_one_line(said, meant, accelerator, loader):
    loader(said, 1)
    built(accelerator, "ulx3s-85f")
    line = refused(accelerator)
    assert line.startswith("ulx3s-85f: ") and re.search(meant, line), line


def test_only_a_bitstream_of_this_accelerator_is_loaded(accelerator, loader):
    loader()
    assert "no bitstream; make one with `sstdp-hw build" in refused(accelerator)
    built(accelerator, "ulx3s-85f", bitstream=None)
    assert "its clock was missed" in refused(accelerator)
    built(accelerator, "ulx3s-85f", design={"verilog_sha256": "0" * 64})
    assert "must be of the accelerator in" in refused(accelerator)
    built(accelerator, "ulx3s-85f")
    (accelerator / "build" / "ulx3s-85f" / "accelerator.bit").write_text("other")
    assert "its SHA-256 must be that of utilisation.json" in refused(accelerator)
    assert "--cable must name the JTAG adapter" in refused(accelerator, "colorlight-5a-75b")
    assert "--board must be one of" in refused(accelerator, "moon")
