"""termios for a run, which has no terminal."""

import _refused


class error(Exception):
    """What a call on a descriptor without a terminal raises."""


B9600, BRKINT, CS8, CSIZE, ECHO, ECHOE, ECHOK, ECHONL, ICANON, ICRNL = 13, 2, 48, 48, 8, 16, 32, 64, 2, 256
IEXTEN, INPCK, ISIG, ISTRIP, IXON, OPOST, PARENB, TCSADRAIN, TCSAFLUSH, TCSANOW = 32768, 16, 1, 32, 1024, 1, 256, 1, 2, 0
TCIFLUSH, TCIOFLUSH, TCOFLUSH, VMIN, VTIME, TIOCGWINSZ, TIOCSWINSZ, FIONREAD, TIOCSTI = 0, 2, 1, 6, 5, 21523, 21524, 21531, 21522

_refused.functions(
    globals(),
    "tcgetattr tcsetattr tcsendbreak tcdrain tcflush tcflow tcgetwinsize tcsetwinsize",
    "a run has no terminal; print plain text",
)
