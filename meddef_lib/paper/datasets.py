"""What the paper prints of its data sets: counts, pixels, duplicates, confusion matrices, class metrics."""

from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import Field, model_validator

from meddef_lib.paper.addresses import Address, PrintedValue, Quantity, printed_at
from meddef_lib.params.dataset import SplitRule
from meddef_lib.params.types import Count, Flag, Params, Share, Whole

Images = Annotated[Whole, Field(ge=0)]
METRICS: tuple[Quantity, ...] = ("precision", "recall", "f1")


class Pixels(Params):
    """Statistics of the training pixels, in [0, 1]."""

    section: str
    mean: Share
    std: Share


class Duplicates(Params):
    section: str
    identified: Images
    removed: Flag


class Archive(Params):
    """The public archive that a data set is, as counted outside the paper."""

    images: Count
    source: str


class DatasetFacts(Params):
    """Counts that the paper gives of a data set, and how it is used."""

    id: str
    title: str
    section: str
    classes: tuple[str, ...]
    total: Count
    split: dict[str, Images]
    per_class: dict[str, dict[str, Images]] = Field(default_factory=dict)
    split_rule: SplitRule | None = None
    batch_size: Count | None = None
    pixels: Pixels | None = None
    duplicates: Duplicates | None = None
    archive: Archive | None = None  # not from the paper

    @model_validator(mode="after")
    def _classes_are_its_own(self) -> "DatasetFacts":
        for split, of_class in self.per_class.items():
            self.check_classes(f"per_class.{split}", of_class)
        return self

    def check_classes(self, what: str, names: Iterable[str]) -> None:
        """Refuse a class that the data set does not have."""
        unknown = [name for name in names if name not in self.classes]
        if unknown:
            raise ValueError(
                f"{what} names {unknown[0]}, which is none of the classes of {self.id}: "
                f"{', '.join(self.classes)}"
            )

    @property
    def support(self) -> dict[str, int]:
        """Test images of each class."""
        return self.per_class.get("test", {})

    def values(self) -> Iterator[PrintedValue]:
        counts = {"total": self.total, **self.split}
        for split, classes in self.per_class.items():
            counts |= {f"{split}/{name}": images for name, images in classes.items()}
        for item, images in counts.items():
            yield self._value("images", images, self.section, item=item)
        if self.duplicates:
            yield self._value("duplicates", self.duplicates.identified, self.duplicates.section)
        if self.pixels:
            yield self._value("pixel_mean", self.pixels.mean, self.pixels.section, decimals=8)
            yield self._value("pixel_std", self.pixels.std, self.pixels.section, decimals=8)

    def _value(
        self, quantity: Quantity, value: float, section: str, *, item: str = "", decimals: int = 0
    ) -> PrintedValue:
        at = Address(dataset=self.id, quantity=quantity, item=item)
        facts = {"section": section, "source": "Data", "decimals": decimals}
        return printed_at(at, id=f"data/{self.id}/{item or quantity}", value=float(value), **facts)


class Confusion(Params):
    """A confusion matrix: true class -> predicted class -> images; what is not printed is left out."""

    id: str  # the data set's
    section: str
    variant: str
    rows: dict[str, dict[str, Images]]

    def completed(self, facts: DatasetFacts, metrics: "PerClass | None") -> dict[str, dict[str, int]]:
        """The matrix, with the cells that a row's total or a recall of 1 leaves no choice about."""
        full = {}
        for true in facts.classes:
            row, images = dict(self.rows.get(true, {})), facts.support[true]
            if not row and metrics and true in metrics.classes and metrics.classes[true].recall == 1:
                row = {true: images}
            if sum(row.values()) == images:
                row = {name: row.get(name, 0) for name in facts.classes}
            full[true] = row
        return full

    def values(self, facts: DatasetFacts, metrics: "PerClass | None") -> Iterator[PrintedValue]:
        """Every cell of the completed matrix, as a share of its row."""
        for true, row in self.completed(facts, metrics).items():
            size = facts.support[true]
            for predicted, images in row.items():
                why = "the row's total" if self.rows.get(true) else "the recall of the class"
                printed = predicted in self.rows.get(true, {})
                implied = "" if printed else f", inferred from {why}: not printed"
                item = f"{true}/{predicted}"
                yield printed_at(
                    Address(dataset=self.id, quantity="confusion", variant=self.variant, item=item),
                    id=f"confusion/{self.id}/{item}",
                    section=self.section,
                    source="Confusion matrix",
                    value=images / size,
                    decimals=4,
                    n=size,
                    note=f"{images} of {size} images{implied}",
                )


class ClassMetrics(Params):
    """Printed precision, recall and F1 of one class, as shares."""

    precision: Share
    recall: Share
    f1: Share


class PerClass(Params):
    id: str  # the data set's
    section: str
    variant: str
    decimals: Whole
    classes: dict[str, ClassMetrics]

    def values(self, facts: DatasetFacts) -> Iterator[PrintedValue]:
        for name, row in self.classes.items():
            for quantity in METRICS:
                yield printed_at(
                    Address(dataset=self.id, quantity=quantity, variant=self.variant, item=name),
                    id=f"per_class/{self.id}/{name}/{quantity}",
                    section=self.section,
                    source="Per-class metrics",
                    value=getattr(row, quantity),
                    decimals=self.decimals,
                    n=facts.support.get(name),
                )
