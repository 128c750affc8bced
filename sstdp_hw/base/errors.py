"""The one exception that stands for a mistake of the user."""

from __future__ import annotations

LONGEST = 1000


def first_line(error: Exception) -> str:
    """What an exception of somebody else's says, for one line of ours; its type if nothing."""
    return (str(error) or type(error).__name__).splitlines()[0]


class UserError(Exception):
    """Bad input, told in one line: subject, rule, value found and, where there is one, the next
    step.

    The command line prints the text and exits with status 2; a library caller may catch it. A value
    from a hostile file may be of any length: beyond `LONGEST` characters the middle is left out.
    """

    def __init__(self, text: str) -> None:
        if len(text) > LONGEST:
            text = f"{text[: LONGEST // 2]} ... {text[-LONGEST // 4 :]}"
        super().__init__(" ".join(text.split("\n")))
