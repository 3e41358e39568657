"""The colors of a treemap, for the screen and for the HTML report: a hue for each directory shown, a lightness by depth."""

from __future__ import annotations

from colorsys import hls_to_rgb
from dataclasses import dataclass

HUES = (214, 174, 262, 42, 196, 96, 236, 22, 150, 284)
"""Hues in degrees, of the boxes of the shown directory in order of size; everything inside a box has its hue."""
SHADES = 5
"""Levels of depth that differ in lightness."""


@dataclass(frozen=True, slots=True)
class Shading:
    """Saturation and lightness of the outermost boxes, and what each level adds to the lightness, in percent."""

    saturation: int
    lightness: int
    step: int

    def rgb(self, hue: int, depth: int, *, is_rest: bool = False) -> tuple[int, int, int]:
        """Return the color of a box, three numbers from 0 to 255. `is_rest`: it stands for many small things."""
        saturation = self.saturation / 3 if is_rest else self.saturation
        lightness = self.lightness + min(depth, SHADES - 1) * self.step
        red, green, blue = hls_to_rgb(HUES[hue % len(HUES)] / 360, lightness / 100, saturation / 100)
        return round(255 * red), round(255 * green), round(255 * blue)

    @property
    def css(self) -> str:
        """Return the variables of the report's style."""
        return f":root{{--saturation:{self.saturation}%;--lightness:{self.lightness}%;--step:{self.step}%}}"


ON_LIGHT, ON_DARK = Shading(34, 86, -4), Shading(24, 27, 4)
STYLE = f"{ON_LIGHT.css}@media (prefers-color-scheme:dark){{{ON_DARK.css}}}"
"""The style sheet of the report's treemap: its colors."""
