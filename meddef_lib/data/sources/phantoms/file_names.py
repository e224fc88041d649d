"""File names for phantoms: those of the published archives, with patients who turn up where they should not.

A number belongs to one patient, with one image or two, unless it is lent on purpose: some patients of `val`
and `test` carry the number of a patient of `train`, and some of DRUSEN that of a patient with CNV. A name
depends on data set, split, class and index alone, not on how many images there are.
"""

from typing import NamedTuple

SPLITS = ("train", "val", "test")
_PLANTED = len(SPLITS)  # planted files are numbered as if of a fourth split
_NUMBERINGS = len(SPLITS) + 1
_LENT_EVERY = 8  # patients
_MOST_CLASSES = 4
_FIRST_PLANTED = 7  # scans of one patient: 2 in each of three splits come before
# with seven digits: multiplying modulo a prime scatters numbers without collisions
_LARGEST_PRIME = 9_999_991
_SCATTER = 48_271


class Person(NamedTuple):
    """Whom a file shows, by its name; `series` of a film is `bacteria`, `virus`, `IM` or `NORMAL2-IM`."""

    class_name: str
    number: int
    series: str = ""

    def file(self, n: int) -> str:
        """The name of this subject's image n (from 1)."""
        if self.series.endswith("IM"):
            further = f"-{n:04d}" if n > 1 else ""
            return f"{self.series}-{self.number:04d}-0001{further}.jpeg"
        if self.series:
            return f"person{self.number}_{self.series}_{n}.jpeg"
        return f"{self.class_name}-{self.number}-{n}.jpeg"


class Shot(NamedTuple):
    """One image file of a subject."""

    split: str
    subject: Person
    file: str

    @property
    def path(self) -> str:
        """Relative to the data set's folder."""
        return f"{self.split}/{self.subject.class_name}/{self.file}"


def shot(classes: tuple[str, ...], split: str, label: int, index: int) -> Shot:
    """The image `index` (from 0) of a class in a split.

    Where two splits share a number in the chest data, the series changes for every other patient: whether
    that is one patient then depends on the reading.
    """
    pair, rest = divmod(index, 3)  # patients have one and two images in turn
    patient, member = (2 * pair, 0) if rest == 0 else (2 * pair + 1, rest - 1)
    lent = split != "train" and patient % _LENT_EVERY == 1
    owner = 0 if lent else SPLITS.index(split)
    n = 1 + member + (2 * SPLITS.index(split) if lent else 0)
    if "CNV" in classes:
        two_classes = classes[label] == "DRUSEN" and patient % _LENT_EVERY == 3
        number = _scan_number(patient, classes.index("CNV") if two_classes else label, owner)
        subject = Person(classes[label], number)
    else:
        changed = lent and patient // _LENT_EVERY % 2 == 0
        series = _film_series(classes[label], patient, changed=changed)
        subject = Person(classes[label], _film_number(patient, owner), series)
        if classes[label] == "PNEUMONIA":  # their films are counted through, whoever they show
            n = 1 + index * _NUMBERINGS + SPLITS.index(split)
    return Shot(split, subject, subject.file(n))


def planted_shot(
    classes: tuple[str, ...], split: str, source: Person, order: int, *, new_patient: bool
) -> Shot:
    """A name for planted file `order` (from 0): one more image of the source's patient, or of a new one."""
    if not new_patient:
        subject = source
    elif not source.series:
        label = classes.index(source.class_name)
        subject = source._replace(number=_scan_number(order, label, _PLANTED))
    else:
        subject = source._replace(number=_film_number(order, _PLANTED))
    counted_through = source.class_name == "PNEUMONIA"
    n = (order + 1) * _NUMBERINGS if counted_through else 1 if new_patient else _FIRST_PLANTED + order
    return Shot(split, subject, subject.file(n))


def _scan_number(patient: int, label: int, owner: int) -> int:
    """A number of up to seven digits that no other patient, class or owner has."""
    serial = (patient * _MOST_CLASSES + label) * _NUMBERINGS + owner + 1
    return serial * _SCATTER % _LARGEST_PRIME


def _film_number(patient: int, owner: int) -> int:
    """Numbers from 1, dealt to the splits in turn."""
    return patient * _NUMBERINGS + owner + 1


def _film_series(class_name: str, patient: int, *, changed: bool) -> str:
    if class_name == "NORMAL":
        return ("IM", "NORMAL2-IM")[(patient // 2 + changed) % 2]
    return "virus" if (patient % 3 == 2) != changed else "bacteria"
