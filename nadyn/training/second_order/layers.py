"""The layers of one element's network, forward and three times backward.

Rows of atoms come in two kinds. The first `n_rows` of them are asked for derivatives in several directions,
so many copies of them follow each other; the others are asked for values only. With a layer z = h Wᵀ + b,
h' = f(z), a cotangent o of the outputs gives u = f'(z) (u' W') layer by layer down to the inputs. A
tangent q of the inputs gives q' = f'(z) (q Wᵀ) up to the outputs. The gradient of Σ o·q' in the weights is
then uᵀ q of each layer, and what f' itself contributes is f''(z) (q Wᵀ) (u' W') as a cotangent of z.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from nadyn.training.products.product import add_product, product
from nadyn.training.second_order.activations import DERIVATIVES, Activation


@dataclass(frozen=True)
class Layers:
    """A network at some rows.

    Attributes:
        weights: Of each layer; those of the first one for inputs that are not scaled.
        inputs: What each layer read; the first scaled.
        before: z of each hidden layer.
        slopes: f'(z) of each hidden layer.
        outputs: Of the last layer.
        scale: What inputs are multiplied by.
    """

    activation: Activation
    weights: list[Tensor]
    inputs: list[Tensor]
    before: list[Tensor]
    slopes: list[Tensor]
    outputs: Float[Tensor, "row output"]
    scale: Float[Tensor, "feature"]


@dataclass(frozen=True)
class Pulled:
    """Cotangents of all copies of the first rows: of each layer's result before and after its activation."""

    after: list[Tensor]
    before: list[Tensor]
    inputs: Float[Tensor, "copied feature"]


@dataclass(frozen=True)
class Pushed:
    """Tangents of all copies of the first rows: of what each layer reads, and before its activation."""

    inputs: list[Tensor]
    before: list[Tensor]
    outputs: Float[Tensor, "copied output"]


def parameters_of(network: nn.Sequential) -> list[Tensor]:
    """Return weights and biases, layer by layer."""
    return [p for layer in network if isinstance(layer, nn.Linear) for p in (layer.weight, layer.bias)]


def evaluate(
    network: nn.Sequential,
    mean: Float[Tensor, "feature"],
    scale: Float[Tensor, "feature"],
    rows: Float[Tensor, "row feature"],
) -> Layers:
    """Return the network at descriptors that are not scaled yet."""
    linear = [layer for layer in network if isinstance(layer, nn.Linear)]
    activation = DERIVATIVES[type(network[1])]
    hidden = (rows - mean) * scale
    inputs, before, slopes = [], [], []
    for layer in linear[:-1]:
        inputs.append(hidden)
        z = product(hidden, layer.weight.mT, bias=layer.bias)
        hidden, slope = activation.value_and_slope(z)
        before.append(z)
        slopes.append(slope)
    inputs.append(hidden)
    outputs = product(hidden, linear[-1].weight.mT, bias=linear[-1].bias)
    weights = [linear[0].weight * scale, *(layer.weight for layer in linear[1:])]
    return Layers(activation, weights, inputs, before, slopes, outputs, scale)


def pull_back(layers: Layers, cotangents: Float[Tensor, "copied output"], copies: int) -> Pulled:
    """Return cotangents down to the descriptors for cotangents of the outputs of the first rows."""
    after, before = [], [cotangents]
    own = cotangents
    for weight, slope in zip(layers.weights[:0:-1], layers.slopes[::-1], strict=True):
        own = product(own, weight)
        after.insert(0, own)
        own = _times(own, slope, copies)
        before.insert(0, own)
    return Pulled(after, before, product(own, layers.weights[0]))


def push_forward(layers: Layers, tangents: Float[Tensor, "copied feature"], copies: int) -> Pushed:
    """Return tangents up to the outputs for tangents of the descriptors of the first rows."""
    inputs, before = [tangents], []
    for weight, slope in zip(layers.weights[:-1], layers.slopes, strict=True):
        before.append(product(inputs[-1], weight.mT))
        inputs.append(_times(before[-1], slope, copies))
    return Pushed(inputs, before, product(inputs[-1], layers.weights[-1].mT))


def gradients(
    layers: Layers,
    pulled: Pulled | None,
    pushed: Pushed | None,
    cotangents: Float[Tensor, "row output"],
    copies: int,
) -> tuple[list[Tensor], Float[Tensor, "row feature"]]:
    """Return the gradient in weights and biases, layer by layer, and that in the descriptors.

    Args:
        layers: The network.
        pulled: Cotangents of the tangents of the outputs; None where no derivative was asked for.
        pushed: Tangents.
        cotangents: Of the outputs themselves.
        copies: How many times the first rows are asked.
    """
    result: list[Tensor] = []
    own = cotangents
    for number in range(len(layers.weights) - 1, -1, -1):
        of_weight = product(own.mT, layers.inputs[number])
        if pulled is not None:
            if number:
                add_product(of_weight, pulled.before[number].mT, pushed.inputs[number])
            else:
                # The tangents of the descriptors are not scaled.
                moved = product(pulled.before[0].mT, pushed.inputs[0])
                of_weight.addcmul_(moved, layers.scale)
        result = [of_weight, own.sum(dim=0), *result]
        if not number:
            break
        own = product(own, layers.weights[number]) * layers.slopes[number - 1]
        if pulled is not None:
            products = pushed.before[number - 1] * pulled.after[number - 1]
            n_rows = len(products) // copies
            bend = products.unflatten(0, (copies, n_rows)).sum(dim=0)
            own[:n_rows].addcmul_(bend, layers.activation.curvature(layers.before[number - 1][:n_rows]))
    return result, product(own, layers.weights[0])


def has_derivatives(networks: Iterable[nn.Sequential]) -> bool:
    """Tell whether all networks are made of layers that are known here."""
    return all(
        len(network) % 2 == 1
        and all(isinstance(layer, nn.Linear) and layer.bias is not None for layer in network[::2])
        and len(network) > 1
        and len({type(layer) for layer in network[1::2]}) == 1
        and type(network[1]) in DERIVATIVES
        for network in networks
    )


def _times(copied: Tensor, slope: Tensor, copies: int) -> Tensor:
    """Return copies of the first rows, each times the slope of its row."""
    n_rows = len(copied) // copies
    return (copied.unflatten(0, (copies, n_rows)) * slope[:n_rows]).flatten(0, 1)
