"""A pipeline without gradients, and its differentiable twin: deep features, components, boosted trees.

xgboost is imported where it is used: the trees are an extra (`pip install -e '.[comparison]'`).
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from meddef_lib.models.network import Network
from meddef_lib.models.state import fill, read_state

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of torchvision's weights
LEAST_VARIANCE = 1e-6  # of a component, as a share of the first one's: below is rounding
MOST_ITERATIONS = 10_000
Features = NDArray[np.floating]  # float32
Labels = NDArray[np.int64]


class Pooled(nn.Module):
    """The features that feed a network's head: images (n, 3, h, w) in [0, 1] to (n, channels)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        if isinstance(self.network, Network):
            return self.network.backbone(self.network.normalise(images)).mean(dim=(2, 3))
        mean, std = (images.new_tensor(each)[:, None, None] for each in (IMAGENET_MEAN, IMAGENET_STD))
        return self.network((images - mean) / std)


def of_torchvision(architecture: str, weights: Path) -> nn.Module:
    """A network of torchvision without its last layer, with the weights of a file, in eval mode.

    Raises ModelFileError where the file holds others.
    """
    network = torchvision.models.get_model(architecture, weights=None)
    network.fc = nn.Identity()
    state = {name: value for name, value in read_state(weights).items() if not name.startswith("fc.")}
    fill(network, state, str(weights))
    return network.eval()


class Projected(nn.Module):
    """Standardised features on their principal components, each of variance 1: images to (n, components)."""

    def __init__(self, features: nn.Module, arrays: dict[str, Features]) -> None:
        super().__init__()
        self.features = features
        for name in ("mean", "scale", "components"):
            self.register_buffer(name, torch.from_numpy(arrays[name]))

    def forward(self, images: Tensor) -> Tensor:
        return ((self.features(images) - self.mean) / self.scale) @ self.components


class Boosted(nn.Module):
    """The pipeline as a network without gradients: images to logits (n, classes), the trees' sums."""

    def __init__(self, projected: Projected, booster: Any) -> None:
        super().__init__()
        self.projected, self.booster = projected, booster

    def forward(self, images: Tensor) -> Tensor:
        margins = self.booster.predict(_matrix(self.projected(images).detach().cpu()), output_margin=True)
        return torch.from_numpy(margins).to(images)


# --- fitting --------------------------------------------------------------------------------------


def projection(features: Features, components: int) -> dict[str, Features]:
    """What `Projected` projects by, of features (n, d): mean, scale (d,) and components (d, k).

    k is at most `components`, and fewer where the features have no more directions.
    """
    mean, scale = features.mean(axis=0), features.std(axis=0)
    scale[scale == 0] = 1  # a feature that never changes
    found = PCA(min(components, *features.shape), svd_solver="full").fit((features - mean) / scale)
    variance = found.explained_variance_
    kept = variance > LEAST_VARIANCE * variance[0]
    along = (found.components_[kept] / np.sqrt(variance[kept])[:, None]).T
    arrays = {"mean": mean, "scale": scale, "components": along}
    return {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in arrays.items()}


def linear(inputs: Features, labels: Labels) -> tuple[Features, Features]:
    """Weight (classes, k) and bias (classes,) of a logistic regression on inputs (n, k)."""
    found = LogisticRegression(max_iter=MOST_ITERATIONS).fit(inputs, labels)
    weight, bias = found.coef_, found.intercept_
    if len(weight) == 1:  # of two classes it fits the difference of their logits
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return weight.astype(np.float32), bias.astype(np.float32)


def boost(inputs: Features, labels: Labels, trees: int, depth: int, seed: int) -> Any:
    """Boosted trees for inputs (n, k) and labels (n,): the same for the same inputs, on one thread."""
    import xgboost

    options = {
        "objective": "multi:softprob",
        "num_class": int(labels.max()) + 1,
        "max_depth": depth,
        "seed": seed,
        "nthread": 1,  # two threads on two cores took a hundred times as long
        "verbosity": 0,
    }
    return xgboost.train(options, _matrix(inputs, labels), num_boost_round=trees)


def read_trees(file: Path) -> Any:
    import xgboost

    return xgboost.Booster({"nthread": 1}, model_file=file)


def _matrix(inputs: Any, labels: Labels | None = None) -> Any:
    import xgboost

    return xgboost.DMatrix(np.asarray(inputs), labels, nthread=1)


def head_of(projected: Projected, weight: Features, bias: Features) -> nn.Module:
    """A linear layer on the components: the differentiable twin of the pipeline."""
    last = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        last.weight.copy_(torch.from_numpy(weight))
        last.bias.copy_(torch.from_numpy(bias))
    return nn.Sequential(projected, last.to(projected.components.device)).eval()  # type: ignore[arg-type]


def projected_by(arrays: dict[str, Features], features: Features) -> Features:
    return ((features - arrays["mean"]) / arrays["scale"]) @ arrays["components"]
