"""What the verbs that play a data set do with the result: ``simulate`` and ``run``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sstdp_hw.command.verb import Result, VerbFailed

if TYPE_CHECKING:
    from sstdp_hw.contract.directory import GeneratedDirectory

    from ..comparison.cosimulation import Report


def written(directory: GeneratedDirectory, report: Report, out: Path, *, own: bool) -> list[Path]:
    """Write a result to the folder ``out``; the files.

    Parameters
    ----------
    own : bool
        Whether it is one of the accelerator as it was generated, which a record may vouch for.
    """
    from ..comparison.record import publish

    if own:
        return publish(directory, report)
    directory.refuse_changed()
    return [out / name for name in report.save(out)]


def refuse_differences(result: Result) -> None:
    """The answer is no where an image differs or a rule of the stream was broken.

    Raises
    ------
    VerbFailed
    """
    if result["mismatches"]:
        raise VerbFailed(
            f"{result['mismatches']} of {result['images']} images mismatch; first: "
            f"{result['first_mismatch']}",
            result,
        )
    if result["protocol_findings"]:
        raise VerbFailed("; ".join(result["protocol_findings"]), result)
