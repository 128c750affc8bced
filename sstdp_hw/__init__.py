"""Network file, quantization, integer reference, cost model and command line of sstdp-hw."""

from typing import TYPE_CHECKING

from .base.front_door import lazily

if TYPE_CHECKING:
    from .base.errors import UserError as UserError
    from .blocks.hardware import AcceleratorParameters as AcceleratorParameters
    from .blocks.hardware import Configuration as Configuration
    from .contract.bus_driver import BusDriver as BusDriver
    from .data.datasets import Samples as Samples
    from .exchange.arrays import float_from_arrays as float_from_arrays
    from .exchange.arrays import from_arrays as from_arrays
    from .exchange.reading import read_nir as read_nir
    from .exchange.writing import to_nir as to_nir
    from .exchange.writing import write_nir as write_nir
    from .models.area import predict_area as predict_area
    from .models.cycles import cycles_per_image as cycles_per_image
    from .models.energy import energy_estimate as energy_estimate
    from .network.float_network import FloatNetwork as FloatNetwork
    from .network.layers import Conv2d as Conv2d
    from .network.layers import Dense as Dense
    from .network.layers import Flatten as Flatten
    from .network.layers import Pool2d as Pool2d
    from .network.load import load_network as load_network
    from .network.network import Network as Network
    from .quantization.quantize import quantize as quantize
    from .reference.evaluation import evaluate as evaluate
    from .reference.inference import Inference as Inference
    from .reference.inference import encode as encode
    from .reference.inference import infer as infer
    from .reference.inference import run as run

__version__ = "0.1.0"

PLACES = {
    "AcceleratorParameters": "blocks.hardware",
    "BusDriver": "contract.bus_driver",
    "Configuration": "blocks.hardware",
    "Conv2d": "network.layers",
    "Dense": "network.layers",
    "Flatten": "network.layers",
    "FloatNetwork": "network.float_network",
    "Inference": "reference.inference",
    "Network": "network.network",
    "Pool2d": "network.layers",
    "Samples": "data.datasets",
    "UserError": "base.errors",
    "cycles_per_image": "models.cycles",
    "encode": "reference.inference",
    "energy_estimate": "models.energy",
    "evaluate": "reference.evaluation",
    "float_from_arrays": "exchange.arrays",
    "from_arrays": "exchange.arrays",
    "infer": "reference.inference",
    "load_network": "network.load",
    "predict_area": "models.area",
    "quantize": "quantization.quantize",
    "read_nir": "exchange.reading",
    "run": "reference.inference",
    "to_nir": "exchange.writing",
    "write_nir": "exchange.writing",
}

__all__ = list(PLACES)  # what `from package import *` takes

__getattr__, __dir__ = lazily(__name__, PLACES)
