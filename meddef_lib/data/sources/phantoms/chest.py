"""Schematic chest films in the sizes, brightness and shares of classes of Kermany's archive.

Soft tissue is painted as flat shapes (body, lungs, belly, heart), bones and vessels as strokes, the thickness
of the body as a coarse shading; their sum goes through the film's saturating curve. A pneumonia fills parts
of a lung again. Lengths are shares of the film's width (x) or height (y), so a chest can have any size.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from meddef_lib.data.sources.phantoms.writing import Floats, Modality, Pixels

Points = NDArray[np.float64]  # (points, 2): x, y
Size = tuple[int, int]  # height, width

# Attenuation on the scale of the canvas (0 to 255); bones and vessels add to what lies behind them.
_BODY, _LUNG, _BELLY, _HEART, _GAS = 95, 30, 118, 132, 84
_SPINE, _BACK_RIB, _FRONT_RIB, _CLAVICLE, _JOINT, _VESSEL = 34, 25, 13, 30, 34, 25
_THICKNESS, _OPACITY = 45.0, 130.0
_SATURATION = 170.0  # attenuation at which the film has reached 63 % of its white
_COARSE = 40  # pixels a side of what varies slowly
_ALONG = (np.arange(_COARSE) + 0.5) / _COARSE  # their middles, shares of the film
_FIXED_POINT_BITS = 4  # cv2 draws at 1/16 of a pixel


class Lung(NamedTuple):
    """One lung; x runs from the film's left, where the patient's right lung is."""

    wall: Points  # from the apex down the chest wall to the angle with the diaphragm
    floor: Points  # along the dome of the diaphragm to the mediastinum
    inside: Points  # up beside the mediastinum
    middle: float  # x of the body's middle line
    side: float  # -1 on the film's left, +1 on its right


def size(rng: np.random.Generator) -> tuple[int, int]:
    """Height and width of a film: smaller than most published ones (384 to 2,916 wide), for speed."""
    width = rng.uniform(480, 960)
    return round(width / rng.uniform(1.0, 1.5)), round(width)


def draw(class_name: str, *, height: int, width: int, rng: np.random.Generator) -> Floats:
    """Draw one film as a negative: float32 (height, width), 0 where nothing stopped the rays, 1 at most."""
    size = (height, width)
    middle, breadth = rng.uniform(0.46, 0.54), rng.uniform(0.31, 0.39)
    apex, base = rng.uniform(0.06, 0.17), rng.uniform(0.77, 0.89)
    torso = _torso(middle, breadth, rng)
    lungs = [_lung(middle, side, breadth + rng.normal(0, 0.008), apex, base, rng) for side in (-1.0, 1.0)]

    heart = _heart(middle, apex, base, rng)
    flesh, air = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    _fill(flesh, torso, _BODY)
    body = np.where(flesh, np.uint8(255), np.uint8(0))
    for lung in lungs:
        outline = np.vstack((lung.wall, lung.floor, lung.inside))
        _fill(flesh, outline, _LUNG)
        _fill(air, outline, 255)
    # liver and stomach: everything below the two domes
    right, left = lungs[0].floor, lungs[1].floor[::-1]
    below = np.array([[left[-1, 0] - 0.02, 1.1], [right[0, 0] + 0.02, 1.1]])
    _fill(flesh, np.vstack((right, left, below)), _BELLY)
    _stomach_bubble(flesh, middle, base, rng)
    _fill(flesh, heart, _HEART)
    _fill(air, heart, 0)
    air = _blurred(air, 0.005)

    bones = np.zeros(size, np.uint8)
    _ribs(bones, lungs, rng)
    _spine(bones, middle, rng)
    _clavicles(bones, middle, breadth, apex, rng)
    vessels = np.zeros(size, np.uint8)
    _vessels(vessels, lungs, rng)
    cv2.min(vessels, air, dst=vessels)
    strokes = np.minimum(bones + vessels, body)  # far below 255, so the sum cannot wrap around

    film = (_blurred(flesh, 0.005) + _blurred(strokes, 0.003)).astype(np.float32)
    film += _shading(size, torso, middle, base, rng)
    if class_name == "PNEUMONIA":
        film += _consolidation(size, lungs, rng) * air
    film *= np.float32(-1 / _SATURATION)
    film = 1 - np.exp(film)
    grain = rng.random(size, dtype=np.float32)
    grain -= 0.5
    grain *= np.float32(rng.uniform(0.015, 0.04))
    film += grain
    return film


def _torso(middle: float, breadth: float, rng: np.random.Generator) -> Points:
    """Neck, shoulders, upper arms and flanks."""
    flank, shoulder = breadth + rng.uniform(0.03, 0.10), rng.uniform(0.06, 0.18)
    right = np.array([
        (0.09, -0.10), (0.10, -0.01), (0.16, 0.25 * shoulder), (0.28, 0.5 * shoulder), (0.42, shoulder),
        (0.52, 2 * shoulder), (0.60, 0.50), (0.53, 0.56), (flank + 0.04, 0.42), (flank + 0.01, 0.52),
        (flank, 0.75), (flank + 0.02, 1.10),
    ])  # fmt: skip
    return np.add(_smooth_closed(np.vstack((right, right[::-1] * (-1, 1)))), (middle, 0))


def _lung(
    middle: float, side: float, breadth: float, apex: float, base: float, rng: np.random.Generator
) -> Lung:
    """A lung between its apex and the angle at its base; the liver pushes the patient's right dome up."""
    inner = 0.062
    down = np.linspace(0, 1, 24)
    wall = inner + 0.04 + (breadth - inner - 0.04) * (1 - (1 - down) ** 2.4) ** 0.62 - 0.012 * down**4
    wall_y = apex + (base - apex) * down
    along = np.linspace(0, 1, 16)
    dome = rng.uniform(0.09, 0.13) + (0.02 if side < 0 else 0.0)
    floor = wall[-1] + (inner + 0.03 - wall[-1]) * along
    floor_y = base - dome * np.sin(0.5 * np.pi * np.minimum(along / 0.62, 1)) ** 0.9
    floor_y += 0.05 * np.clip(along - 0.7, 0, 1)
    up = np.linspace(0, 1, 12)
    inside = inner + 0.03 * (1 - up) + 0.02 * np.sin(np.pi * up)
    inside_y = floor_y[-1] + (apex + 0.01 - floor_y[-1]) * up

    def points(x: Points, y: Points) -> Points:
        return np.column_stack((middle + side * x, y))

    return Lung(points(wall, wall_y), points(floor, floor_y), points(inside, inside_y), middle, side)


def _heart(middle: float, apex: float, base: float, rng: np.random.Generator) -> Points:
    """Mediastinum with the aortic knob, and a heart that lies to the patient's left."""
    bulge, low = rng.uniform(0.11, 0.17), base - 0.03
    outline = [
        (-0.045, -0.10), (0.045, -0.10), (0.05, apex + 0.06), (0.078, apex + 0.15), (0.062, apex + 0.23),
        (0.085, apex + 0.31), (0.03 + bulge, low - 0.17), (0.05 + bulge, low - 0.07),
        (0.02 + 0.8 * bulge, low), (0.0, low + 0.01), (-0.075, low - 0.03), (-0.10, low - 0.14),
        (-0.085, apex + 0.38), (-0.055, apex + 0.28), (-0.06, apex + 0.05),
    ]  # fmt: skip
    return np.add(_smooth_closed(np.array(outline)), (middle, 0))


def _stomach_bubble(canvas: Pixels, middle: float, base: float, rng: np.random.Generator) -> None:
    """Gas in the stomach under the patient's left dome."""
    turn = np.linspace(0, 2 * np.pi, 24)
    x = middle + rng.uniform(0.13, 0.20) + rng.uniform(0.04, 0.08) * np.cos(turn)
    y = base + rng.uniform(-0.01, 0.03) + rng.uniform(0.015, 0.035) * np.sin(turn)
    _fill(canvas, np.column_stack((x, y)), _GAS)


def _ribs(canvas: Pixels, lungs: Sequence[Lung], rng: np.random.Generator) -> None:
    """Posterior ribs run outwards and down from the spine; anterior ends, fainter, run back inwards."""
    along = np.linspace(0, 1, 14)
    thickness, contrast = 0.024, rng.uniform(0.7, 1.3)
    spacing, drop = rng.uniform(0.072, 0.084), rng.uniform(0.05, 0.09)
    fronts, backs = [], []
    for lung in lungs:
        apex, base = lung.wall[0, 1], lung.wall[-1, 1]
        for order in range(10):
            root = apex - 0.015 + spacing * order
            end = root + drop * (0.5 + 0.12 * order)
            if end > base:
                break
            reach = float(np.interp(end, lung.wall[:, 1], np.abs(lung.wall[:, 0] - lung.middle))) + 0.012
            x = 0.035 + (reach - 0.035) * np.sin(0.5 * np.pi * along) ** 0.85
            y = root + (end - root) * along**1.8 - 0.018 * np.sin(np.pi * along)
            backs.append(np.column_stack((lung.middle + lung.side * x, y)))
            if order > 1 and end < base - 0.14:
                x, y = reach - (reach - 0.13) * along**0.9, end + 0.10 * along**0.7
                fronts.append(np.column_stack((lung.middle + lung.side * x, y)))
    _stroke(canvas, fronts, thickness, round(contrast * _FRONT_RIB))
    _stroke(canvas, backs, thickness, round(contrast * _BACK_RIB))


def _spine(canvas: Pixels, middle: float, rng: np.random.Generator) -> None:
    """A column of vertebrae with dark gaps between them."""
    step, half = rng.uniform(0.050, 0.058), rng.uniform(0.028, 0.034)
    for top in np.arange(-0.03, 1.0, step):
        bottom = top + 0.78 * step
        corners = [(-half, top), (half, top), (0.9 * half, bottom), (-0.9 * half, bottom)]
        _fill(canvas, np.add(corners, (middle, 0)), _SPINE)


def _clavicles(canvas: Pixels, middle: float, breadth: float, apex: float, rng: np.random.Generator) -> None:
    """Two S-shaped bars over the lung apices, and the shoulder joints at the film's edge."""
    lift, along = rng.uniform(-0.02, 0.05), np.linspace(0, 1, 12)
    for side in (-1, 1):
        x = middle + side * (0.045 + (breadth + 0.04) * along)
        y = apex + 0.075 - lift * along - 0.03 * np.sin(2 * np.pi * along)
        _stroke(canvas, [np.column_stack((x, y))], 0.026, _CLAVICLE)
        _disc(canvas, middle + side * (breadth + 0.11), apex + 0.11 - lift, 0.034, _JOINT)


def _vessels(canvas: Pixels, lungs: Sequence[Lung], rng: np.random.Generator) -> None:
    """Pulmonary vessels fan out from each hilum and thin towards the wall."""
    along = np.linspace(0, 1, 7)[:, None]
    for lung in lungs:
        apex, base = lung.wall[0, 1], lung.wall[-1, 1]
        hilum = np.array((lung.middle + lung.side * 0.09, apex + 0.44 * (base - apex)))
        angles = np.linspace(-1.1, 1.25, 9) + rng.normal(0, 0.1, 9)
        bends = angles[:, None, None] + rng.normal(0, 0.3, (9, 1, 1)) * along
        reach = rng.uniform(0.12, 0.24, (9, 1, 1))
        branches = hilum + np.concatenate((lung.side * np.cos(bends), np.sin(bends)), axis=2) * reach * along
        _stroke(canvas, branches, 0.006, round(0.6 * _VESSEL))
        _stroke(canvas, branches[:, :4], 0.011, round(0.8 * _VESSEL))
        _disc(canvas, hilum[0], hilum[1], 0.026, _VESSEL)


def _shading(size: Size, torso: Points, middle: float, base: float, rng: np.random.Generator) -> Floats:
    """What varies slowly: a body is thickest in its middle and belly, and the exposure is uneven."""
    coarse = np.zeros((_COARSE, _COARSE), np.uint8)
    _fill(coarse, torso, 255)
    thick = cv2.GaussianBlur(coarse, (0, 0), 0.05 * _COARSE).astype(np.float32) / 255
    x, y = _ALONG[None], _ALONG[:, None]
    centre = 0.45 + 0.55 * np.exp(-(((x - middle) / 0.33) ** 2))
    belly = 1 / (1 + np.exp((base - 0.02 - y) / 0.035))
    shade = thick**2 * (centre + 0.8 * belly)
    shade += rng.uniform(0.06, 0.14) * _enlarged(rng.standard_normal((4, 4)), (_COARSE, _COARSE))
    return _enlarged(_THICKNESS * shade, size)


def _consolidation(size: Size, lungs: Sequence[Lung], rng: np.random.Generator) -> Floats:
    """PNEUMONIA: cloudy patches in one lung or in both, as attenuation for each unit of air (0 to 255)."""
    x, y = _ALONG[None], _ALONG[:, None]
    filled = np.zeros_like(x + y)
    first = int(rng.integers(2))
    for lung in (lungs[first], lungs[1 - first])[: 2 if rng.random() < 0.5 else 1]:
        apex, base = lung.wall[0, 1], lung.wall[-1, 1]
        for _ in range(rng.integers(1, 3)):
            column = lung.middle + lung.side * rng.uniform(0.15, 0.26)
            row = rng.uniform(apex + 0.22, base - 0.12)
            across, down = rng.uniform(0.11, 0.16), rng.uniform(0.12, 0.19)
            distance = ((x - column) / across) ** 2 + ((y - row) / down) ** 2
            filled = np.maximum(filled, np.exp(-(distance**2)))
    mottled = np.clip(0.9 + 0.25 * _enlarged(rng.standard_normal((16, 16)), (_COARSE, _COARSE)), 0.3, 1.3)
    return _enlarged((_OPACITY * rng.uniform(0.9, 1.15) / 255) * filled * mottled, size)


def _enlarged(coarse: NDArray[np.floating], size: Size) -> Floats:
    large = cv2.resize(coarse.astype(np.float32), (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(large, dtype=np.float32)


def _smooth_closed(points: Points) -> Points:
    """A smooth closed curve (6 * points, 2) through the points (a Catmull-Rom spline)."""
    a, b, c, d = (np.roll(points, shift, axis=0)[:, None] for shift in (1, 0, -1, -2))
    t = (np.arange(6) / 6)[None, :, None]
    curve = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    return np.asarray(curve.reshape(-1, 2))


def _fixed(points: Points, canvas: Pixels) -> NDArray[np.int32]:
    """Shares of the film as the fixed-point pixels of cv2's drawing functions."""
    height, width = canvas.shape
    return np.asarray((points * (width << _FIXED_POINT_BITS, height << _FIXED_POINT_BITS)).round(), np.int32)


def _fill(canvas: Pixels, polygon: Points, value: int) -> None:
    cv2.fillPoly(canvas, [_fixed(polygon, canvas)], value, cv2.LINE_AA, _FIXED_POINT_BITS)


def _stroke(canvas: Pixels, lines: Sequence[Points] | Points, thickness: float, value: int) -> None:
    """Draw open lines of a thickness given as a share of the height."""
    pixels = max(round(thickness * canvas.shape[0]), 1)
    fixed = [_fixed(line, canvas) for line in lines]
    cv2.polylines(canvas, fixed, False, value, pixels, cv2.LINE_AA, _FIXED_POINT_BITS)


def _disc(canvas: Pixels, x: float, y: float, radius: float, value: int) -> None:
    """Draw a disc with a radius given as a share of the width."""
    centre = _fixed(np.array([[x, y]]), canvas)[0].tolist()
    fixed_radius = round(radius * canvas.shape[1]) << _FIXED_POINT_BITS
    cv2.circle(canvas, centre, fixed_radius, value, -1, cv2.LINE_AA, _FIXED_POINT_BITS)


def _blurred(canvas: Pixels, breadth: float) -> Pixels:
    """Blur over `breadth`, a share of the height."""
    return np.asarray(cv2.GaussianBlur(canvas, (0, 0), max(breadth * canvas.shape[0], 0.5)), dtype=np.uint8)


def add_marker(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Burn in the letter R at the patient's right, on most films."""
    if rng.random() < 0.7:
        height, width = pixels.shape
        place = (round(rng.uniform(0.03, 0.10) * width), round(rng.uniform(0.07, 0.25) * height))
        thickness = max(width // 250, 1)
        cv2.putText(pixels, "R", place, cv2.FONT_HERSHEY_SIMPLEX, width / 700, 250, thickness, cv2.LINE_AA)
    return pixels


MODALITY = Modality(
    number=1,
    folder="chest_xray",
    classes=("NORMAL", "PNEUMONIA"),
    size=size,
    draw=draw,
    finish=add_marker,
    mean=(108, 142),
    std_to_mean=(0.38, 0.50),
    share_of_first_class=1583 / 5856,  # NORMAL (MedDef, 3.1.1)
)
