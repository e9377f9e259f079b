"""What can be said of a face: attributes and a sentence."""

from __future__ import annotations

from torch import Tensor

from .grids import sigmoid
from .hair import has_glasses, has_hat, length
from .layout import Layout, layout
from .parameters import FaceParameters
from .skin import beard_density

_CONTINUOUS = (
    "yaw", "pitch", "roll", "smile", "mouth_open", "eye_opening", "skin_darkness", "age", "masculinity",
    "hair_length", "hair_lightness", "hair_grayness", "beard_density", "moustache_density", "face_width", "nose_length",
    "lip_fullness",
)  # fmt: skip
_BINARY = (
    "glasses", "sunglasses", "hat", "beard", "moustache", "smiling", "open_mouth", "eyes_closed", "dark_skin",
    "male_like", "old", "long_hair", "blond_hair", "gray_hair", "black_hair", "bald", "big_nose", "full_lips",
    "thick_brows", "lipstick", "turned_left", "turned_right",
)  # fmt: skip
ATTRIBUTE_NAMES: tuple[str, ...] = _CONTINUOUS + _BINARY


def _continuous(f: Layout) -> dict[str, Tensor]:
    w, how = f.who, f.how
    _, beard, moustache = beard_density(f)
    values = (
        0.29 * how["yaw"], 0.13 * how["pitch"], 0.10 * how["roll"], f.smile, f.mouth_open, f.eye_up,
        sigmoid(1.05 * w["melanin"] + 0.15 * w["african"] - 0.9), w["age"], w["sex"], length(f), w["hair_lightness"],
        w["hair_gray"], beard, moustache, w["face_width"], w["nose_length"], 0.5 * (w["lip_upper"] + w["lip_lower"]),
    )  # fmt: skip
    return {name: value.flatten() for name, value in zip(_CONTINUOUS, values)}


def _binary(f: Layout, c: dict[str, Tensor]) -> dict[str, Tensor]:
    w, how = f.who, f.how
    glasses = has_glasses(f).flatten()
    gray = c["hair_grayness"] > 1.0
    top = (w["hair_temples"] + w["hair_line"] - 1.7).flatten()
    values = (
        glasses, glasses & (how["glasses_lens"].flatten() > 1.3), has_hat(f).flatten(), c["beard_density"] > 0.35,
        c["moustache_density"] > 0.35, c["smile"] > 0.55, f.gap.flatten() > 0.03, c["eye_opening"] < 0.14,
        c["skin_darkness"] > 0.5, c["masculinity"] > 0, c["age"] > 1.0, c["hair_length"] > 0.5,
        ~gray & (c["hair_lightness"] > 1.0), gray, ~gray & (c["hair_lightness"] < -0.3),
        (top > 0.4) & (f.male.flatten() > 0.5), w["nose_width"].flatten() + c["nose_length"] > 1.5,
        c["lip_fullness"] > 0.8, w["brow_thickness"].flatten() > 0.8,
        (how["lipstick"].flatten() > 0.8) & (f.male.flatten() < 0.5), c["yaw"] < -0.25, c["yaw"] > 0.25,
    )  # fmt: skip
    return dict(zip(_BINARY, values))


def attributes(parameters: FaceParameters) -> dict[str, Tensor]:
    """The true attributes of N faces.

    Returns:
        One (N,) tensor per name in `ATTRIBUTE_NAMES`: float32 for the continuous ones (angles in radians, positive yaw
        to the viewer's right; openness and densities in [0, 1.3]; the others in units of the population's standard
        deviation), bool for the binary ones.
    """
    f = layout(parameters)
    continuous = _continuous(f)
    return {**continuous, **_binary(f, continuous)}


def _listed(items: list[str]) -> str:
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]


def _sentence(has: dict[str, bool], age: float) -> str:
    years = "old" if has["old"] else "young" if age < -0.8 else "middle-aged"
    who = "man" if has["male_like"] else "woman"
    skin = "dark" if has["dark_skin"] else "light"
    colours = [name for name in ("blond", "gray", "black") if has[f"{name}_hair"]]
    tone = colours[0] if colours else "brown"
    hair = "a bald head" if has["bald"] else f"{'long' if has['long_hair'] else 'short'} {tone} hair"
    with_ = [f"{skin} skin", hair]
    with_ += [text for name, text in (("beard", "a beard"), ("thick_brows", "thick brows"), ("big_nose", "a big nose"),
                                      ("full_lips", "full lips")) if has[name]]  # fmt: skip
    if has["moustache"] and not has["beard"]:
        with_.append("a moustache")
    worn = [text for name, text in (("hat", "a hat"), ("lipstick", "lipstick")) if has[name]]
    if has["glasses"]:
        worn.append("dark glasses" if has["sunglasses"] else "glasses")
    doing = ["smiling"] if has["smiling"] else []
    doing += [f"turned to the {side}" for side in ("left", "right") if has[f"turned_{side}"]]
    sentence = f"A {years} {who} with {_listed(with_)}".replace("A old", "An old")
    sentence += f", wearing {_listed(worn)}" if worn else ""
    return sentence + (f", {_listed(doing)}" if doing else "") + "."


def captions(parameters: FaceParameters) -> list[str]:
    """One English sentence for each of N faces, true to `attributes`."""
    known = attributes(parameters)
    rows = zip(*(known[name].tolist() for name in _BINARY))
    return [_sentence(dict(zip(_BINARY, row)), age) for row, age in zip(rows, known["age"].tolist())]
