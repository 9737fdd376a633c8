# expect: failed fuel=2e9
# A dataclass that has a hostile list of fields.
import dataclasses


@dataclasses.dataclass
class Evil:
    a: int = 1

    def __getattribute__(self, name):
        raise SystemExit(0)


def run():
    return Evil()
