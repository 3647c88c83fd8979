"""Single values of the configuration: their ranges, and the check against their declared types."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

from goodharts_lib.errors import UserError


@dataclass(frozen=True)
class Range:
    """Closed range of a number; `tenths` admits only multiples of 0.1, for energy is exact."""

    low: float
    high: float = math.inf
    tenths: bool = False


def tenths(value: float) -> int:
    """Return an energy as an exact integer number of tenths.

    Energies are integers so that an agent at exactly 0 is dead on every device.
    """
    return round(value * 10)


def checked(name: str, value: Any, hint: Any) -> Any:
    """Return `value`, converted to its declared type if that loses nothing.

    Args:
        name: full key, for the sentence.
        value: what was read.
        hint: a type, a Literal, or either annotated with a `Range`.

    Raises:
        UserError: a wrong type, or a value out of range.
    """
    limits = Range(-math.inf)
    if get_origin(hint) is Annotated:
        hint, limits = get_args(hint)
    words = _words(hint)
    if isinstance(value, str) and words:
        if value not in words:
            raise UserError(f"'{name}' must be one of {', '.join(words)}, not '{value}'.")
        return value
    accepted = get_args(hint) if words else (hint,)
    if float in accepted and type(value) is int:
        value = float(value) if abs(value) < 1e300 else math.inf
    if type(value) not in accepted:
        expected = " or ".join([t.__name__ for t in accepted if isinstance(t, type)] + words)
        raise UserError(f"'{name}' must be {expected}, not {value!r}.")
    if isinstance(value, int | float) and not limits.low <= value <= limits.high:
        span = f"at least {limits.low:g}"
        if limits.high < math.inf:
            span = f"between {limits.low:g} and {limits.high:g}"
        raise UserError(f"'{name}' must be {span}, not {value}.")
    if limits.tenths and abs(value * 10 - tenths(value)) > 1e-9:
        raise UserError(f"'{name}' must be a multiple of 0.1, not {value}: energy is exact.")
    return value


def _words(hint: Any) -> list[str]:
    """Return the literal strings that a type hint admits."""
    if get_origin(hint) is Literal:
        return list(get_args(hint))
    return [word for part in get_args(hint) for word in _words(part)]
