"""What ``--cluster`` begins with."""

from __future__ import annotations

#: Of a scheduler that runs already.
SCHEMES = ("tcp", "tls")
#: Queues of a computing centre, by the class of dask-jobqueue.
QUEUES = {"slurm": "SLURMCluster", "pbs": "PBSCluster", "lsf": "LSFCluster", "sge": "SGECluster"}
