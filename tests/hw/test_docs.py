"""What the documentation shows of the file format is what the code reads, and what it says of where
things are is so."""

import re
from pathlib import Path

from hw.test_structure import WINGS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
EXTENDING = (DOCS / "extending.md").read_text(encoding="utf-8")


def test_example_of_the_network_format_is_json_of_every_kind():
    import json

    text = (DOCS / "network-format.md").read_text()
    (example,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    header = json.loads(example)
    from sstdp_hw.network.layers import KINDS

    assert {layer["kind"] for layer in header["layers"]} == set(KINDS)


def test_the_picture_of_the_wings_has_their_order():
    for package, wings in WINGS.items():
        (line,) = re.findall(rf"^    {package} (.*)$", EXTENDING, re.MULTILINE)
        assert tuple(line.split(" on sstdp_hw")[0].split()) == wings


def test_every_file_and_table_named_for_extending_is_there():
    files = set(re.findall(r"`([\w.-]+(?:/[\w.-]+)+)`", EXTENDING))
    assert len(files) > 50
    assert [name for name in sorted(files) if not (ROOT / name).exists()] == []
    tables = re.findall(
        r"((?:`[A-Z_]+`(?: or | and |, ))*`[A-Z_]+`) (?:in|of) `([\w./-]+\.py)`", EXTENDING
    )
    assert len(tables) > 10
    for names, file in tables:
        text = (ROOT / file).read_text(encoding="utf-8")
        missing = [
            n for n in re.findall(r"[A-Z_]+", names) if not re.search(rf"^{n}\b", text, re.M)
        ]
        assert missing == [], file
