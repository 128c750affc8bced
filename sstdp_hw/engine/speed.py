"""How much faster it went than one would have been."""

from __future__ import annotations

from typing import Any

from .work import Session


def measured(session: Session, seconds: float) -> dict[str, Any]:
    """What a result says of a cluster; nothing where all was done here.

    Parameters
    ----------
    seconds : float
        From the first task to the last result.

    Returns
    -------
    dict
        ``cluster``: ``workers`` (name, tasks, units, seconds of work), ``slots`` (tasks at once),
        ``speed_up`` (seconds of work in a second) and ``efficiency`` (of the slots).
    """
    shares = session.shares()
    if not shares:
        return {}
    speed_up = sum(share.seconds for share in shares) / max(seconds, 1e-9)
    return {
        "cluster": {
            "workers": [vars(share) for share in shares],
            "slots": session.present,
            "speed_up": round(speed_up, 2),
            "efficiency": round(speed_up / session.present, 3),
        }
    }


def speed_text(cluster: dict[str, Any], unit: str) -> str:
    """One line of it for a person."""
    workers = ", ".join(f"{each['worker']} {each['units']:,}" for each in cluster["workers"])
    return (
        f"{unit} by worker: {workers}; speed-up {cluster['speed_up']:.2f} of {cluster['slots']}, "
        f"efficiency {cluster['efficiency']:.0%}"
    )
