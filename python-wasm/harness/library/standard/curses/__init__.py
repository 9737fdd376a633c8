"""curses for a run, which has no terminal: it can be imported, and every use is refused."""

import _refused


class error(Exception):
    """What packages that look for a terminal expect."""


_refused.functions(
    globals(),
    "baudrate beep can_change_color cbreak color_content color_pair curs_set def_prog_mode def_shell_mode doupdate echo "
    "endwin erasechar flash flushinp getmouse getsyx has_colors has_key halfdelay init_color init_pair initscr isendwin "
    "keyname killchar longname meta mousemask napms newpad newwin nl nocbreak noecho nonl noqiflush noraw pair_content "
    "pair_number putp qiflush raw reset_prog_mode reset_shell_mode resetty resize_term resizeterm savetty setsyx setupterm "
    "start_color termattrs termname tigetflag tigetnum tigetstr tparm typeahead unctrl ungetch ungetmouse use_default_colors "
    "use_env wrapper",
    "a run has no terminal; print plain text",
)
A_NORMAL, A_BOLD, A_DIM, A_REVERSE, A_STANDOUT, A_UNDERLINE, A_BLINK = 0, 1 << 21, 1 << 20, 1 << 18, 1 << 16, 1 << 17, 1 << 19
COLOR_BLACK, COLOR_RED, COLOR_GREEN, COLOR_YELLOW, COLOR_BLUE, COLOR_MAGENTA, COLOR_CYAN, COLOR_WHITE = range(8)
KEY_DOWN, KEY_UP, KEY_LEFT, KEY_RIGHT, KEY_HOME, KEY_BACKSPACE, KEY_ENTER, KEY_RESIZE = 258, 259, 260, 261, 262, 263, 343, 410
