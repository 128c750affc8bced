"""IF layers and pooling with the arguments of `torch.nn`, on the classes that recipes train.

They differ from those in what a user sees: weights are [out, in] and [out, in, kh, kw], spike times
[N, F] and [N, C, H, W], and backend, ``t_max`` and image size are learned from what arrives. The
parameter's memory is in the order of the rule all the same, so that nothing is copied.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor, nn

from sstdp_hw.base.errors import UserError
from sstdp_hw.network.layers import Conv2d, ConvGeometry, Dense, Pool2d, ShapeError

from ..backends.choice import backend_for
from ..network.export import OUT_FIRST, OUT_LAST
from ..network.layers import FirstSpikePool, IFLayer, conv_fan_in, dense_fan_in, up_to_decision
from ..network.quantization import Grid
from ..recipes.architecture import ConvSpec, DenseSpec, Geometry, PoolSpec
from ..recipes.recipe import Recipe
from ..rule.backend import Backend, LayerBackend
from ..rule.layer_rule import LayerRule
from .spikes import Spikes, arriving

DEFAULT = Recipe()
USUAL_SHARE = 0.2  # of inputs that spike, where weights are drawn without a look at data
LAST_AXIS_FIRST, FIRST_AXIS_LAST = (0, 3, 1, 2), (0, 2, 3, 1)


class PublicIF(IFLayer):
    """What `IFLinear` and `IFConv2d` have in common.

    Parameters
    ----------
    threshold : float or [out]
        Of every neuron, or of each (of each channel).
    learn_threshold : bool
    homeostasis, homeostasis_rate : float
        While training, neurons that fire in a smaller share of images than the rate are pushed.
    backend : str
        ``auto``, ``native`` or ``torch``: who sums over events. ``auto`` takes the native one for
        tensors on the CPU where numba is installed, else PyTorch.
    rule
        Settings of `LayerRule` but ``t_max`` and ``unit``: ``gate``, ``gate_shape``,
        ``depression``, ``normalize_error``, ``wake_silent``.

    Members
    -------
    weight : float32 [out, in] or [out, in, kh, kw]
    threshold : float32 [out]
    firing_rate : float32 [out], a buffer

    Raises
    ------
    UserError
        If a number is out of range, or spike times do not fit.
    """

    subject: str
    kind: str
    geometry: Geometry | None = None

    def __init__(
        self, weight_shape: tuple[int, ...], threshold: Any, backend: str, homeostasis: float,
        homeostasis_rate: float, learn_threshold: bool, rule: dict[str, Any],
    ) -> None:  # fmt: skip
        known = {field.name for field in fields(LayerRule)} - {"t_max", "unit"}
        if unknown := sorted(set(rule) - known):
            raise UserError(
                f"{self.subject}: settings must be among {', '.join(sorted(known))}, "
                f"not {unknown[0]}"
            )
        usual = {"gate": 1.0, "gate_shape": "triangle", "wake_silent": True}
        super().__init__(
            weight_shape, threshold=0.0, rule=LayerRule(0, **(usual | rule)),
            backend=self._of(backend_for("torch", torch.device("cpu"))),
            learn_threshold=learn_threshold, homeostasis=homeostasis,
            homeostasis_rate=homeostasis_rate,
        )  # fmt: skip
        backend_for(backend, torch.device("cpu"))  # refused now, not in the first batch
        self.asked_backend = backend
        self.met: tuple[Any, ...] = ()
        axes = OUT_FIRST[len(weight_shape)]
        self.weight = nn.Parameter(torch.zeros(weight_shape).permute(axes))
        self._take_threshold(threshold)
        self.reset_parameters()

    def _take_threshold(self, threshold: Any) -> None:
        given = torch.as_tensor(threshold, dtype=torch.float32)
        if given.dim() > 1 or (given.dim() == 1 and given.shape != self.threshold.shape):
            raise UserError(
                f"{self.subject}: threshold must be a number or [{len(self.threshold)}], not "
                f"{list(given.shape)}"
            )
        with torch.no_grad():
            self.threshold.copy_(given)

    def reset_parameters(self) -> None:
        """Draw weights for inputs of which every fifth spikes; `initialize` looks at data."""
        fan_in = self.weight[0].numel()
        self.draw_for(max(1.0, USUAL_SHARE * fan_in), DEFAULT.hidden_drive, DEFAULT.hidden_spread)

    def rows(self) -> Tensor:
        return self.weight.permute(OUT_LAST[self.weight.dim()])

    def forward(self, spikes: Spikes) -> Spikes:  # type: ignore[override]
        times = self.meet(spikes)
        return self.given_out(*super().forward(times), spikes.t_max)

    def meet(self, spikes: Spikes) -> Tensor:
        """Spike times as the rule takes them; learns what it needs to know of them."""
        raise NotImplementedError

    def given_out(self, times: Tensor, margin: Tensor, t_max: int) -> Spikes:
        return Spikes(times, margin, t_max)

    def _meet(self, t_max: int, geometry: Geometry | None) -> None:
        met = (t_max, geometry, self.weight.device, self.asked_backend)
        if met != self.met:
            self.rule, self.geometry = replace(self.rule, t_max=t_max), geometry
            self.backend = self._of(backend_for(self.asked_backend, self.weight.device))
            self.met = met

    def _of(self, backend: Backend) -> LayerBackend:
        return backend.dense_layer()

    def get_extra_state(self) -> Tensor:
        """Width and scale of the integers, zeros in float."""
        grid = self.grid
        return torch.tensor([grid.width, grid.scale] if grid else [0, 0], dtype=torch.float64)

    def set_extra_state(self, state: Tensor) -> None:
        width, scale = state.tolist()
        self.grid = Grid(int(width), scale) if width else None

    def extra_repr(self) -> str:
        quantized = f", weight_width={self.grid.width}" if self.grid else ""
        return f"{self.weight.shape[1]}, {self.weight.shape[0]}{quantized}"


class IFLinear(PublicIF):
    """Fully connected IF neurons that fire at most once; `Spikes` [N, in] to [N, out].

    Parameters
    ----------
    in_features, out_features : int
    threshold, learn_threshold, homeostasis, homeostasis_rate, backend, rule
        See `PublicIF`.
    """

    subject, kind = "IFLinear", Dense.kind

    def __init__(
        self, in_features: int, out_features: int, *, threshold: Any = DEFAULT.hidden_threshold,
        learn_threshold: bool = False, homeostasis: float = DEFAULT.homeostasis,
        homeostasis_rate: float = DEFAULT.homeostasis_rate, backend: str = "auto", **rule: Any,
    ) -> None:  # fmt: skip
        _positive(self.subject, in_features=in_features, out_features=out_features)
        super().__init__(
            (in_features, out_features), threshold, backend, homeostasis, homeostasis_rate,
            learn_threshold, rule,
        )  # fmt: skip

    @property
    def spec(self) -> DenseSpec:
        return DenseSpec(len(self.weight))

    def meet(self, spikes: Spikes) -> Tensor:
        arriving(self.subject, spikes, 2, self.weight.shape[1], "features")
        self._meet(spikes.t_max, None)
        return spikes.times

    def mean_fan_in(self, times: Tensor) -> float:
        return dense_fan_in(times, self.rule.t_max)


class IFOutput(IFLinear):
    """`IFLinear` with the settings of an output layer: no gate, no homeostasis, threshold 6.

    The loss says how near to its threshold an output neuron should be, not the gate.
    """

    subject = "IFOutput"

    def __init__(self, in_features: int, out_features: int, **settings: Any) -> None:
        usual = {"threshold": DEFAULT.output_threshold, "gate": 0.0, "homeostasis": 0.0}
        super().__init__(in_features, out_features, **(usual | settings))


class IFConv2d(PublicIF):
    """A convolution of IF neurons that fire at most once; `Spikes` [N, C, H, W] to the same.

    Padding is a place without spikes.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, padding : int or (int, int)
    threshold, learn_threshold, homeostasis, homeostasis_rate, backend, rule
        See `PublicIF`.
    """

    subject, kind = "IFConv2d", Conv2d.kind

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1,
        padding: Any = 0, *, threshold: Any = DEFAULT.hidden_threshold,
        learn_threshold: bool = False, homeostasis: float = DEFAULT.homeostasis,
        homeostasis_rate: float = DEFAULT.homeostasis_rate, backend: str = "auto", **rule: Any,
    ) -> None:  # fmt: skip
        _positive(self.subject, in_channels=in_channels, out_channels=out_channels)
        kernel = _pair(self.subject, "kernel_size", kernel_size, 1)
        self._spec = ConvSpec(
            out_channels, kernel, _pair(self.subject, "stride", stride, 1),
            _pair(self.subject, "padding", padding, 0),
        )  # fmt: skip
        super().__init__(
            (*kernel, in_channels, out_channels), threshold, backend, homeostasis,
            homeostasis_rate, learn_threshold, rule,
        )  # fmt: skip

    @property
    def spec(self) -> ConvSpec:
        return self._spec

    def meet(self, spikes: Spikes) -> Tensor:
        arriving(self.subject, spikes, 4, self.weight.shape[1], "channels")
        shape = tuple(spikes.times.shape[1:])
        try:
            outputs = self.spec.output_shape(shape)
        except ShapeError as error:
            raise UserError(f"{self.subject} on an input of {list(shape)}: {error}") from None
        self._meet(spikes.t_max, self.spec.geometry(shape, outputs))
        return spikes.times.permute(FIRST_AXIS_LAST)

    def given_out(self, times: Tensor, margin: Tensor, t_max: int) -> Spikes:
        return Spikes(times, margin, t_max).each(lambda one: one.permute(LAST_AXIS_FIRST))

    def _of(self, backend: Backend) -> LayerBackend:
        return backend.conv_layer(self.geometry) if self.geometry else backend.dense_layer()

    def mean_fan_in(self, times: Tensor) -> float:
        assert self.geometry is not None, "times were met"
        return conv_fan_in(times, self.rule.t_max, self.geometry)

    def extra_repr(self) -> str:
        spec: ConvGeometry = self.spec.on(self.weight.shape[1])
        return f"{super().extra_repr()}, {spec.name}"


class FirstSpikePool2d(FirstSpikePool):
    """The earliest spike of every window, windows side by side; `Spikes` [N, C, H, W] to the same.

    Rows and columns that fill no window are left out. See `FirstSpikePool` for where errors go.

    Parameters
    ----------
    kernel_size : int or (int, int)
    """

    subject, kind = "FirstSpikePool2d", Pool2d.kind

    def __init__(self, kernel_size: Any) -> None:
        super().__init__(_pair(self.subject, "kernel_size", kernel_size, 1))

    @property
    def spec(self) -> PoolSpec:
        return PoolSpec(self.kernel)

    def forward(self, spikes: Spikes) -> Spikes:  # type: ignore[override]
        arriving(self.subject, spikes, 4)
        shape = tuple(spikes.times.shape[1:])
        try:
            Pool2d(self.kernel).output_shape(shape)
        except ShapeError as error:
            raise UserError(f"{self.subject} on an input of {list(shape)}: {error}") from None
        last = spikes.each(lambda one: one.permute(FIRST_AXIS_LAST))
        pooled = Spikes(*super().forward(last.times, last.margin), spikes.t_max)
        return pooled.each(lambda one: one.permute(LAST_AXIS_FIRST))

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel}"


class UntilDecision(nn.Sequential):
    """Layers that see no input spike after their first output spike; put all IF layers in here.

    The answer is known at the first output spike, so what comes later should teach nothing. With
    `DecisionLoss` margins are those at the decision only behind this. Costs a second forward pass
    without gradients.
    """

    def forward(self, spikes: Spikes) -> Spikes:
        arriving("UntilDecision", spikes)
        modes = [(module, module.training) for module in self.modules()]
        try:
            for module, _ in modes:
                module.training = False  # firing rates are counted in the pass that learns
            with torch.no_grad():
                answer = super().forward(spikes)
        finally:
            for module, mode in modes:
                module.training = mode
        left = up_to_decision(spikes.times, answer.times, spikes.t_max)
        return super().forward(spikes._replace(times=left))


def chain(model: nn.Module) -> Iterator[nn.Module]:
    """The modules of nested Sequentials in order, without those that do nothing."""
    if isinstance(model, nn.Sequential):
        for module in model:
            yield from chain(module)
    elif not isinstance(model, nn.Identity):
        yield model


@torch.no_grad()
def initialize(
    model: nn.Module, inputs: Tensor, *, drive: float = DEFAULT.hidden_drive,
    spread: float = DEFAULT.hidden_spread, output_drive: float = DEFAULT.output_drive,
    output_spread: float = DEFAULT.output_spread, generator: torch.Generator | None = None,
) -> None:  # fmt: skip
    """Draw the weights of all IF layers so that potentials end near their thresholds.

    Parameters
    ----------
    model : Sequential
    inputs : tensor
        Some hundred training images, as the model takes them.
    drive, spread : float
        Mean and deviation of hidden neurons' final potentials, in thresholds; 0.8 and 0.5 suit
        convolutions.
    output_drive, output_spread : float
        The same of the last layer.
    generator : torch.Generator, optional
    """
    modules = list(chain(model))
    layers = [module for module in modules if isinstance(module, PublicIF)]
    if not layers:
        raise UserError("initialize: the model must be a Sequential with IF layers, and has none")
    passed: Any = inputs
    for module in modules:
        if isinstance(module, PublicIF):
            last = module is layers[-1]
            module.draw(
                module.meet(passed), output_drive if last else drive,
                output_spread if last else spread, generator,
            )  # fmt: skip
        training = module.training
        passed = module.eval()(passed)
        module.train(training)


def _pair(subject: str, name: str, given: Any, low: int) -> tuple[int, int]:
    pair = (given, given) if isinstance(given, int) else tuple(given)
    if len(pair) != 2 or not all(isinstance(one, int) and one >= low for one in pair):
        raise UserError(f"{subject}: {name} must be one or two integers from {low}, not {given}")
    return pair[0], pair[1]


def _positive(subject: str, **numbers: int) -> None:
    for name, number in numbers.items():
        if not isinstance(number, int) or number < 1:
            raise UserError(f"{subject}: {name} must be an integer from 1, not {number}")
