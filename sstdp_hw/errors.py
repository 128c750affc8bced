"""The one exception that stands for a mistake of the user."""

from __future__ import annotations


class UserError(Exception):
    """Bad input, told in one line: subject, rule, value found and, where there is one, the next
    step.

    The command line prints the text and exits with status 2; a library caller may catch it.
    """
