"""What the documentation shows of the file format is what the code reads."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_example_of_the_network_format_is_json_of_every_kind():
    import json

    text = (DOCS / "network-format.md").read_text()
    (example,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    header = json.loads(example)
    from sstdp_hw.network.layers import KINDS

    assert {layer["kind"] for layer in header["layers"]} == set(KINDS)
