"""A network of a run by name."""

from dataclasses import dataclass

from meddef_lib.params.profile import GIVEN


@dataclass(frozen=True)
class Model:
    dataset: str
    variant: str
    mode: str
    seed: int
    image_size: int | None = None  # None: the profile's; another one is for saliency alone

    @property
    def id(self) -> str:
        size = f"/{self.image_size}px" if self.image_size else ""
        return f"{self.dataset}/{self.variant}/{self.mode}/seed={self.seed}{size}"

    @property
    def is_given(self) -> bool:
        return self.mode == GIVEN
