"""Why a replay ends early.

Belongs here: the one error of this package, a sentence for the person who started the replay.
Does not belong here: what is retried.
"""

from __future__ import annotations


class ReplayStoppedError(RuntimeError):
    """Going on makes no sense; the message says why and what to do. What was acknowledged stays remembered."""
