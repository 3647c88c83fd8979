"""The one kind of error a user can cause, and how a command reports it."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Callable, Iterable


class UserError(ValueError):
    """Something the user can mend. Its message is one clear sentence."""


def nearest(name: str, options: Iterable[str]) -> str:
    """Return ``' (nearest valid: x)'`` for the option most like `name`, or ``''``."""
    found = difflib.get_close_matches(name, list(options), n=1, cutoff=0.0)
    return f" (nearest valid: {found[0]})" if found else ""


def one_of(what: str, name: str, options: Iterable[str]) -> str:
    """Return `name` if it is among `options`.

    Raises:
        UserError: it is not; the sentence lists what is valid.
    """
    valid = list(options)
    if name not in valid:
        raise UserError(
            f"unknown {what} '{name}'{nearest(name, valid)}: choose from {', '.join(valid)}."
        )
    return name


def run_command(main: Callable[[], int]) -> None:
    """Run a command line, turning a `UserError` into one sentence and exit status 2."""
    try:
        status = main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        print("interrupted.", file=sys.stderr)
        status = 130
    except BrokenPipeError:  # whoever read the output has had enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    sys.exit(status)
