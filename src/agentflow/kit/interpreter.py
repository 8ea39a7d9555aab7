"""How soon another thread gets the interpreter while one computes."""

import sys

_CALM_S = sys.getswitchinterval()
_OFTEN_S = 0.0002


def switch_often(often: bool) -> None:
    """Let waiting threads have the interpreter after a fifth of a millisecond, or after Python's usual time.

    A thread that writes to the database lets go of the interpreter at each call, and waits for it again while the event loop computes:
    under full load a commit of twenty calls takes a tenth of a second. Switching often makes such waits short, but everything together
    slower (ten-node chains ran at 120 instead of 200 a second), so it is for times when answering soon counts for more.
    """
    sys.setswitchinterval(_OFTEN_S if often else _CALM_S)
