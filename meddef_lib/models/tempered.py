"""A network at a temperature (Hinton et al. 2015): its softmax is softer, its answers are the same."""

from torch import Tensor, nn


class Tempered(nn.Module):
    """Images (n, 3, h, w) to the logits (n, classes) of `network` divided by the temperature."""

    def __init__(self, network: nn.Module, temperature: float) -> None:
        super().__init__()
        self.network, self.temperature = network, temperature

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images) / self.temperature
