"""The table of registers in docs/bus.md, made from their description.

    python tools/register_table.py            # rewrites the table in place

A test compares the file with what this prints.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sstdp_hw.base.files import written_whole
from sstdp_hw.contract.registers import REGISTER_BYTES, REGISTERS, Register

PAGE = Path(__file__).parents[1] / "docs" / "bus.md"
HEADER = "| offset | register | access | bits | |"


def table() -> str:
    """The table as Markdown: a line for each register and each of its fields."""
    lines = [HEADER, "|" + "---|" * 5]
    for register in REGISTERS:
        cells = (_offsets(register), f"`{register.name}`", register.access, "", register.meaning)
        lines.append(f"| {' | '.join(cells)} |")
        for field in register.fields:
            last = field.offset + field.width - 1
            bits = str(last) if field.width == 1 else f"{last}:{field.offset}"
            lines.append(f"| | `{field.name}` | | {bits} | {field.meaning} |")
    return "\n".join(lines)


def _offsets(register: Register) -> str:
    first = f"0x{register.offset:02x}"
    if register.count == 1:
        return first
    return f"{first} to 0x{register.offset + REGISTER_BYTES * (register.count - 1):02x}"


def with_table(page: str) -> str:
    """The page with its table made anew."""
    start = page.index(HEADER)
    return page[:start] + table() + page[page.index("\n\n", start) :]


def main() -> None:
    page = PAGE.read_text(encoding="utf-8")
    with written_whole(PAGE) as temporary:
        temporary.write_text(with_table(page), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
