"""How bright colours are, and how they stand out from each other: WCAG 2.2."""

from __future__ import annotations

import re


def brightness(color: str) -> float:
    """A colour's relative luminance: WCAG 2.2."""
    channels = [int(channel) / 255 for channel in re.findall(r"\d+", color)[:3]]
    red, green, blue = (
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
        for channel in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, from 1 to 21."""
    darker, lighter = sorted([brightness(one), brightness(other)])
    return (lighter + 0.05) / (darker + 0.05)
