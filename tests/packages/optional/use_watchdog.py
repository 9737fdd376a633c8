# /// script
# dependencies = ["watchdog"]
# ///
from watchdog.events import FileModifiedEvent, FileSystemEventHandler
from watchdog.utils.patterns import match_any_paths

seen = []


class Handler(FileSystemEventHandler):
    def on_modified(self, event):
        seen.append(event.src_path)


Handler().dispatch(FileModifiedEvent("/tmp/a.csv"))
assert seen == ["/tmp/a.csv"]
assert match_any_paths(["a.csv", "b.txt"], included_patterns=["*.csv"])
