"""What a command tells its user instead of a traceback."""

from __future__ import annotations

from typing import ClassVar


class CommandError(Exception):
    """Base of every error that a user can cause or cure: its text is the whole message, and `exit_code` how
    the command ends (2: bad input or config, 3: the engine or the machine)."""

    exit_code: ClassVar[int] = 2
