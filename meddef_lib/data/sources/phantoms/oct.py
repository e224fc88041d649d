"""Schematic OCT B-scans of the macula: normal, with drusen, with macular oedema, with a neovascular membrane.

A retina is a stack of layers above Bruch's membrane. Every layer has a thickness and a reflectivity in every
column; a disease changes these numbers where it sits, and the picture is drawn from them in one pass. Lengths
are shares of the image's height (vertical) or width (horizontal), so one retina can be drawn at any size. The
diseases are advanced ones, which a network learns to tell at 64 px in a hundred steps.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from meddef_lib.data.sources.phantoms.writing import Floats, Modality, Pixels

# from the top: mean thickness (share of the height) and reflectivity (of the brightest layer: 1)
LAYERS = {
    "nerve fibres": (0.022, 0.62),
    "ganglion cells": (0.060, 0.43),
    "inner nuclear": (0.030, 0.25),
    "outer plexiform": (0.022, 0.42),
    "outer nuclear": (0.048, 0.19),
    "limiting membrane": (0.006, 0.34),
    "myoid zone": (0.010, 0.22),
    "ellipsoid zone": (0.014, 0.86),
    "outer segments": (0.012, 0.40),
    "subretinal space": (0.0, 0.04),  # opens only where fluid or tissue lifts the retina
    "pigment epithelium": (0.020, 1.00),
    "beneath the epithelium": (0.0, 0.42),  # opens only over drusen and membranes
}
_ROW = {name: row for row, name in enumerate(LAYERS)}
_PIT = [_ROW[name] for name in ("nerve fibres", "ganglion cells", "inner nuclear", "outer plexiform")]
_CHOROID_REFLECTIVITY = 0.55
_SPECKLE = 0.26  # standard deviation of the logarithm of the intensity


class Retina(NamedTuple):
    """Everything that is drawn, sampled at the w columns of the picture."""

    x: Floats  # (w,), share of the width
    thickness: Floats  # (layers, w), share of the height
    reflectivity: Floats  # (layers, w), 0 to 1
    bruch: Floats  # (w,), height of Bruch's membrane from the top, share of the height
    fovea: float  # its column, share of the width
    cysts: list[tuple[float, float, float, float, float]]  # column, row, half-axes (shares), angle in degrees
    exudates: list[tuple[float, float, float]]  # column, row, radius


def size(rng: np.random.Generator) -> tuple[int, int]:
    """Height and width of a scan."""
    return 496, int(rng.choice((512, 768, 1024, 1536), p=(0.85, 0.12, 0.02, 0.01)))


def draw(class_name: str, *, height: int, width: int, rng: np.random.Generator) -> Floats:
    """Draw one B-scan: reflectivity with speckle, float32 (height, width), not yet grey levels."""
    retina = _healthy(width, rng)
    _DISEASES[class_name](retina, rng)
    picture = _layers(retina, height, rng)
    _paint_cysts(picture, retina)
    picture *= _vessel_shadows(retina.x, rng)
    _vitreous(picture, retina, rng)
    return _with_speckle(picture, rng)


def _healthy(width: int, rng: np.random.Generator) -> Retina:
    """A retina with a foveal pit, its own curvature, tilt and thickness."""
    x = np.linspace(0, 1, width, dtype=np.float32)
    fovea = rng.uniform(0.36, 0.64)
    thick, bright = np.array([*LAYERS.values()], dtype=np.float32).T
    thickness = np.repeat(thick[:, None] * rng.uniform(0.88, 1.15), width, axis=1)
    reflectivity = bright * rng.uniform(0.88, 1.12, len(LAYERS)).astype(np.float32)
    depth, breadth = rng.uniform(0.6, 0.9), rng.uniform(0.07, 0.12)
    if rng.random() < 0.15:  # a scan beside the fovea
        depth *= 0.15
    pit = 1 - depth * _bump(x, fovea, breadth) + 0.28 * _bump(x, fovea, 2.8 * breadth)
    thickness[_PIT] *= pit
    thickness[_ROW["outer nuclear"]] *= 1 + 0.45 * _bump(x, fovea, breadth)
    # The nerve fibres thicken towards the optic nerve, which lies to one side.
    nasal = x if rng.random() < 0.5 else 1 - x
    thickness[_ROW["nerve fibres"]] *= 0.5 + 1.2 * nasal**2
    thickness[: _ROW["limiting membrane"]] *= 1 + _wander(rng, width, knots=7, amplitude=0.05)
    bruch = (
        rng.uniform(0.50, 0.66) + rng.normal(0, 0.05) * (x - 0.5) + rng.normal(-0.06, 0.10) * (x - 0.5) ** 2
    )
    bruch = bruch + _wander(rng, width, knots=6, amplitude=0.004)
    return Retina(x, thickness, np.repeat(reflectivity[:, None], width, axis=1), bruch, fovea, [], [])


def _add_drusen(retina: Retina, rng: np.random.Generator) -> None:
    """DRUSEN: round deposits lift the pigment epithelium in a row of bumps; the retina above gives way."""
    x = retina.x
    first = retina.fovea + rng.normal(0, 0.05)
    places = first + 0.11 * (np.arange(rng.integers(4, 7)) - rng.uniform(1.5, 3.5))
    deposit = np.zeros_like(x)
    for place in places:
        breadth = rng.uniform(0.034, 0.058)
        dome = np.sqrt(np.clip(1 - ((x - place - rng.normal(0, 0.02)) / breadth) ** 2, 0, 1))
        deposit = np.maximum(deposit, breadth * rng.uniform(1.3, 1.8) * dome)
    blurred = cv2.blur(deposit[None], (max(round(0.008 * deposit.size), 1), 1))[0]
    deposit = np.asarray(blurred, dtype=np.float32)
    retina.reflectivity[_ROW["beneath the epithelium"]] *= 1.3
    retina.thickness[_ROW["beneath the epithelium"]] += deposit
    _compress(retina, ("outer nuclear", "outer plexiform"), deposit)


def _add_oedema(retina: Retina, rng: np.random.Generator) -> None:
    """DME: fluid swells the retina, fills the pit and collects in dark cysts; hard exudates glint there."""
    x = retina.x
    centre = retina.fovea + rng.normal(0, 0.08)
    swelling, breadth = rng.uniform(0.18, 0.29), rng.uniform(0.14, 0.22)
    swollen = swelling * _bump(x, centre, breadth)
    retina.thickness[_ROW["inner nuclear"]] += 0.35 * swollen
    retina.thickness[_ROW["outer nuclear"]] += 0.65 * swollen
    tops = retina.bruch - retina.thickness[::-1].cumsum(axis=0)[::-1]
    spread = np.linspace(-0.9, 0.9, rng.integers(5, 10)) * breadth
    for order, offset in enumerate(spread + rng.normal(0, 0.1 * breadth, spread.size)):
        cyst = np.clip(centre + offset, 0.04, 0.96)
        column = int(cyst * (x.size - 1))
        layer = "inner nuclear" if order % 3 == 2 else "outer nuclear"
        room = float(retina.thickness[_ROW[layer], column])
        middle = float(tops[_ROW[layer], column]) + room * rng.uniform(0.4, 0.6)
        half_height = min(0.48 * room, 0.07) * rng.uniform(0.75, 1.0)
        half_width = half_height * rng.uniform(0.55, 1.0)
        retina.cysts.append((cyst, middle, half_width, half_height, rng.normal(0, 15)))
    for _ in range(rng.integers(0, 5)):
        cyst = np.clip(centre + rng.normal(0, breadth), 0.02, 0.98)
        top = float(tops[_ROW["outer plexiform"], int(cyst * (x.size - 1))])
        retina.exudates.append((cyst, top + rng.normal(0, 0.01), rng.uniform(0.004, 0.008)))


def _add_membrane(retina: Retina, rng: np.random.Generator) -> None:
    """CNV: vessels grow under the pigment epithelium and through it; fluid lifts the retina beside them."""
    x, width = retina.x, retina.x.size
    centre, half = retina.fovea + rng.normal(0, 0.08), rng.uniform(0.09, 0.15)
    side = rng.choice([-1.0, 1.0])
    lesion = rng.uniform(0.15, 0.26) * _bump(x, centre, half)
    lesion += rng.uniform(0.04, 0.13) * _bump(x, centre + side * 0.7 * half, 0.4 * half)
    lesion *= 1 + _wander(rng, width, knots=20, amplitude=0.10)
    through = rng.uniform(0.03, 0.055) * _bump(x, centre - side * 0.25 * half, 0.6 * half)
    fluid = rng.uniform(0.13, 0.22) * _bump(x, centre + side * rng.uniform(1.1, 1.5) * half, 0.75 * half)
    covered = np.clip(1.4 * _bump(x, centre, 1.1 * half), 0, 1)
    space = _ROW["subretinal space"]
    tissue = through / (through + fluid + 1e-6)
    retina.thickness[_ROW["beneath the epithelium"]] += lesion
    retina.thickness[space] += np.maximum(through, fluid)
    retina.reflectivity[space] += tissue * (0.75 - retina.reflectivity[space])
    retina.reflectivity[_ROW["beneath the epithelium"]] += 0.35 * covered
    retina.reflectivity[_ROW["ellipsoid zone"]] *= 1 - 0.6 * covered
    gaps = np.clip(_wander(rng, width, knots=22, amplitude=0.8), 0, 0.8)
    retina.reflectivity[_ROW["pigment epithelium"]] *= 1 - covered * gaps
    _compress(retina, ("outer nuclear", "outer plexiform", "ganglion cells"), 0.5 * (lesion + through))


_DISEASES = {
    "CNV": _add_membrane,
    "DME": _add_oedema,
    "DRUSEN": _add_drusen,
    "NORMAL": lambda retina, rng: None,
}


def _compress(retina: Retina, layers: tuple[str, ...], by: NDArray[np.floating]) -> None:
    """Take `by` (w,) out of the named layers, but never all, so that what pushes from below stays below."""
    rows = [_ROW[name] for name in layers]
    room = retina.thickness[rows].sum(axis=0)
    retina.thickness[rows] *= 1 - np.minimum(by, 0.75 * room) / room


def _layers(retina: Retina, height: int, rng: np.random.Generator) -> Floats:
    """Vitreous, layers, choroid as a sum of soft steps: a boundary adds the difference of its two sides."""
    width = retina.bruch.size
    tops = height * (retina.bruch - retina.thickness[::-1].cumsum(axis=0)[::-1])
    edges = np.vstack((tops, height * retina.bruch)).astype(np.float32)
    bright = np.vstack((np.zeros(width), retina.reflectivity, np.full(width, _CHOROID_REFLECTIVITY)))
    steps = np.diff(bright, axis=0).astype(np.float32)
    picture = np.zeros((height, width), np.float32)
    first = max(int(edges.min()) - 2, 0)
    last = min(int(edges.max()) + 3, height)
    band, rows = picture[first:last], np.arange(first, last, dtype=np.float32)[:, None]
    ramp = np.empty_like(band)
    for edge, step in zip(edges, steps, strict=True):
        np.subtract(rows, edge - 0.5, out=ramp)
        np.clip(ramp, 0, 1, out=ramp)
        ramp *= step
        band += ramp
    picture[last:] = _CHOROID_REFLECTIVITY
    _choroid(picture, height * retina.bruch, rng)
    return picture


def _choroid(picture: Floats, bruch: Floats, rng: np.random.Generator) -> None:
    """Below Bruch's membrane: light fades with depth and the large vessels are dark."""
    height = len(picture)
    first = max(int(bruch.min()) - 1, 0)
    if first >= height:
        return
    below = picture[first:]
    depth = np.arange(first, height, dtype=np.float32)[:, None] - bruch
    np.maximum(depth, 0, out=depth)
    depth /= height
    fade = np.exp(depth * np.float32(-1 / rng.uniform(0.07, 0.13)))
    coarse = rng.standard_normal((14, 30), dtype=np.float32)
    cloud = cv2.resize(coarse, below.shape[::-1], interpolation=cv2.INTER_CUBIC)
    vessels = np.clip(cloud, 0, 1) * np.clip(depth / 0.02, 0, 1)
    below *= fade * (1 - 0.4 * vessels)


def _paint_cysts(picture: Floats, retina: Retina) -> None:
    """Dark, smooth cysts with a bright rim, and bright exudates with the shadow that they cast."""
    height, width = picture.shape
    if not retina.cysts:
        return
    dark = np.zeros((height, width), np.uint8)
    for column, row, half_width, half_height, angle in retina.cysts:
        # Half-axes are shares of the height in both directions, stretched with the picture like all the rest.
        axes = (16 * half_width * height * max(width / height, 1), 16 * half_height * height)
        centre = (round(16 * column * width), round(16 * row * height))
        axes_fixed = (max(round(axes[0]), 12), max(round(axes[1]), 12))
        cv2.ellipse(dark, centre, axes_fixed, angle, 0, 360, 255, -1, cv2.LINE_AA, 4)
    picture *= 1 - dark * np.float32(0.96 / 255)
    for column, row, radius in retina.exudates:
        x, y, r = column * width, row * height, max(radius * height, 1.0)
        left, right = max(int(x - r), 0), min(int(x + r) + 1, width)
        picture[max(int(y), 0) :, left:right] *= 0.7
        centre = (round(16 * x), round(16 * y))
        cv2.circle(picture, centre, round(16 * r), 0.95, -1, cv2.LINE_8, 4)


def _vessel_shadows(x: Floats, rng: np.random.Generator) -> Floats:
    """Brightness (w,) of the columns: uneven light, and the narrow shadows of retinal vessels."""
    light = 1 + _wander(rng, x.size, knots=5, amplitude=0.10)
    for _ in range(rng.integers(0, 5)):
        light *= 1 - rng.uniform(0.2, 0.5) * _bump(x, rng.random(), rng.uniform(0.004, 0.010))
    return light


def _vitreous(picture: Floats, retina: Retina, rng: np.random.Generator) -> None:
    """In some eyes the detached hyaloid membrane hangs as a thin grey line above the retina."""
    if rng.random() > 0.3:
        return
    height, width = picture.shape
    x = retina.x
    top = retina.bruch - retina.thickness.sum(axis=0)
    gap = rng.uniform(0.03, 0.08) + rng.normal(0, 0.05) * (x - 0.5) + 0.15 * (x - rng.random()) ** 2
    points = np.column_stack((x * (width - 1), (top.mean() - gap) * height))
    cv2.polylines(
        picture, [points.round().astype(np.int32)], False, rng.uniform(0.08, 0.16), max(height // 200, 1)
    )


def _with_speckle(picture: Floats, rng: np.random.Generator) -> Floats:
    """Multiply by log-normal speckle, slightly smeared along a row, and add the detector's noise floor."""
    noise = rng.standard_normal(picture.shape, dtype=np.float32)
    smeared = cv2.blur(noise, (2, 1)) * np.float32(2**0.5)
    floor = np.maximum(noise, 0)
    return (
        picture * np.exp(_SPECKLE * smeared - _SPECKLE**2 / 2) + np.float32(rng.uniform(0.02, 0.07)) * floor
    )


def _bump(x: Floats, centre: float, breadth: float) -> Floats:
    """A Gaussian of height 1 over x (w,)."""
    return np.exp(-(((x - np.float32(centre)) / np.float32(breadth)) ** 2))


def _wander(rng: np.random.Generator, width: int, *, knots: int, amplitude: float) -> Floats:
    """A smooth random curve (w,) around zero, through `knots` normal values of deviation `amplitude`."""
    values = rng.normal(0, amplitude, (1, knots)).astype(np.float32)
    return np.asarray(cv2.resize(values, (width, 1), interpolation=cv2.INTER_CUBIC)[0], dtype=np.float32)


def add_border(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Paint the white wedges of a tilted scan on every fourth picture, about as often as in real data."""
    if rng.random() > 0.25:
        return pixels
    height, width = pixels.shape
    slope, top, bottom = rng.normal(0, 0.05), rng.uniform(0, 0.07), rng.uniform(0, 0.07)
    rise = height * slope * np.linspace(-1, 1, 2)
    upper = np.column_stack(([0, width - 1], height * top + rise))
    lower = np.column_stack(([0, width - 1], height * (1 - bottom) + rise))
    corners = ([[width, -height], [0, -height]], [[width, 2 * height], [0, 2 * height]])
    for edge, far in zip((upper, lower), corners, strict=True):
        polygon = (np.vstack((edge, far)) * 16).round().astype(np.int32)
        cv2.fillPoly(pixels, [polygon], 255, cv2.LINE_AA, 4)
    return pixels


MODALITY = Modality(
    number=0,
    folder="OCT2017",
    classes=("CNV", "DME", "DRUSEN", "NORMAL"),
    size=size,
    draw=draw,
    finish=add_border,
    mean=(35, 52),
    std_to_mean=(0.75, 1.0),
)
