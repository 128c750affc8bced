"""Trained networks that come with the package, for hardware without training.

Every network is a network file ``NAME.safetensors`` and its card ``NAME.md`` in this folder; all
that reads a network by its path takes ``ready:NAME`` as well. tools/ready_networks.py makes them.
"""

from ..network.float_network import FloatNetwork
from ..network.network import Network
from ..network.ready_files import PREFIX, card_path, names, path

__all__ = ["PREFIX", "card_path", "known_as", "load", "names", "path"]


def load(name: str) -> Network:
    """The ready network of that name."""
    return Network.load(PREFIX + path(name).stem)


def known_as(network: Network | FloatNetwork) -> str:
    """What a network is called in results: ``ready:NAME`` if it is a ready one, wherever its file
    lies, else its own name."""
    if isinstance(network, Network) and "ready" in network.provenance:
        for name in names():
            if load(name).digest == network.digest:
                return PREFIX + name
    return network.name
