# expect: succeeded|failed result_kind=text fuel=20e9 memory=256MiB timeout=20s
# str(value) of 50 MB: bounded. Cut or refused is the harness's choice.
class Huge:
    def __str__(self):
        return "x" * 50_000_000


def run():
    return Huge()
