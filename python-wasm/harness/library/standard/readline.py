"""readline for a run, which has no terminal: importing it changes how `input` edits a line, and there is no line."""


def _nothing(*args):
    return None


parse_and_bind = read_init_file = insert_text = redisplay = clear_history = add_history = set_auto_history = _nothing
read_history_file = write_history_file = append_history_file = set_history_length = set_completer = _nothing
get_completer = set_completer_delims = set_completion_display_matches_hook = set_startup_hook = _nothing
set_pre_input_hook = remove_history_item = replace_history_item = get_history_item = _nothing
backend = "readline"


def get_line_buffer():
    """No line is edited."""
    return ""


def get_completer_delims():
    """The characters between words."""
    return " \t\n`~!@#$%^&*()-=+[{]}\\|;:'\",<>/?"


def get_history_length():
    """No history is kept."""
    return -1


def get_current_history_length():
    """No history is kept."""
    return 0
