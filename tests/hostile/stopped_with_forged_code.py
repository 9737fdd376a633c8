# expect: out_of_fuel fuel=1e9 stopped_at=run:18
# The host looks for the line where a stopped script stood. Names with control characters and a line table of garbage
# must neither reach anybody's terminal nor harm the host: the frame below is told instead.


def spin():
    while True:
        pass


def run():
    code = spin.__code__
    spin.__code__ = code.replace(
        co_filename="/app/\x1b[31mred\x07" + "x" * 200,
        co_qualname="\x1b]0;title\x07" * 30,
        co_linetable=b"\xff\x00" * 3 + b"\xf0\x7f\x7f\x7f\x7f\x7f\x7f",
    )
    spin()
