"""What scripts/check-documents.sh runs: PROGRAM PLUGINS [DOCUMENT...]. Reads documents, looks at what can be looked at, and runs the rest."""

import functools, os, random, re, shlex, shutil, signal, socket, subprocess, sys, tempfile, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from documents import DATA, blocks, looked_at, program, root

plugins = Path(sys.argv[2]).resolve()

# Whose blocks are run.
DOCUMENTS = ["README.md", "deploy/**/*.md", "config/*.md", "plugins/README.md", "elk/README.md", "alertmanager/README.md", "traefik/README.md"]
# What a document's commands find among the plugins: enough for the examples, for compiling one takes a second.
PLUGINS = ["isolation-forest", "local-outlier-factor", "autoencoder"]
# Seconds that a document may take.
LONGEST = 400

SHELL = r"""set -euo pipefail
servers=()
# Ends a server, with all that it has started.
end() { kill -- "-$1" 2>/dev/null || true; wait "$1" 2>/dev/null || true; }
stop() { end "${servers[-1]}"; unset 'servers[-1]'; }
trap 'for server in "${servers[@]}"; do end "$server"; done' EXIT
ready() {
    servers+=("$1")
    for _ in {1..900}; do
        grep -q '"message":"ready"' "$2" && return 0
        kill -0 "$1" 2>/dev/null || break
        sleep 0.1
    done
    echo "the server did not become ready:"; tail -n 20 "$2"; return 1
}
# Waits until so many acts of a kind are on record: a server follows what commands do a little later.
audited() {
    for _ in {1..300}; do
        [ "$(synod audit list --action "$1" | wc -l)" -lt "${2:-1}" ] || return 0
        sleep 0.1
    done
    echo "not on record: $1"; return 1
}
exec 2>&1
"""


@functools.cache
def sources():
    """The files that a copy of the repository has: those that are, or would be, committed."""
    listed = subprocess.run(["git", "ls-files", "-coz", "--exclude-standard"], cwd=root, capture_output=True, check=True)
    return [name for name in listed.stdout.decode().split("\0") if name and (root / name).is_file()]


def copy(folder):
    """A copy of the repository, with the program on the path `bin` and a few plugins."""
    for name in sources():
        there = folder / "copy" / name
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, there)
    for made in ("bin", "home", "logs", "copy/plugins/dist"):
        (folder / made).mkdir(exist_ok=True)
    (folder / "bin/synod").symlink_to(program)
    for name in PLUGINS:
        (folder / f"copy/plugins/dist/{name}.wasm").symlink_to(plugins / f"{name}.wasm")


# From below those that the system gives away by itself, lest another connection has one before its server is started; each once.
candidates = iter(random.sample(range(20_000, 32_000), 12_000))


def free_port():
    """A port of the loopback that nobody listens on."""
    while True:
        port = next(candidates)
        try:
            socket.create_server(("127.0.0.1", port)).close()
            return str(port)
        except OSError:
            pass


def ports(text):
    """The text with other ports in place of those of this machine, and what stands for which."""
    named = re.findall(r"(?:127\.0\.0\.1|localhost):(\d{4,5})\b", text)
    chosen = {port: free_port() for port in dict.fromkeys(["8080", "8081", *named])}
    return re.sub(r"(127\.0\.0\.1|localhost):(\d{4,5})\b", lambda match: f"{match[1]}:{chosen[match[2]]}", text), chosen


def steps(block):
    """The commands of a block, each with what is to be seen (None: anything), its exit code, and whether it runs beside."""
    if block.kind != "console" and not block.kind.startswith("console "):
        return [(block.text(), None, 0, block.kind == "sh server")]
    found = []
    for line in block.lines:
        if line.startswith("$ "):
            found.append(([line[2:]], []))
        elif found and not found[-1][1] and found[-1][0][-1].endswith("\\"):
            found[-1][0].append(line)
        elif found:
            found[-1][1].append(line)
    code = int(block.kind.split(" ")[-1]) if " " in block.kind else 0
    return [("\n".join(command), seen, code if at == len(found) - 1 else 0, False) for at, (command, seen) in enumerate(found)]


def pattern(lines):
    """What is to be seen, as an expression."""
    parts = ["(?:.*\n)*?" if line.strip() == "…" else ".*?".join(map(re.escape, line.rstrip().split("…"))) + "\n" for line in lines]
    return "".join(parts)


def script(to_run, folder):
    """One script of all steps; a line of marks before each says which it is."""
    parts = [SHELL]
    for number, (_, command, _, code, beside) in enumerate(to_run):
        parts.append(f"printf '\\n@@ {number}\\n'")
        if beside:
            log = shlex.quote(str(folder / f"logs/{number}"))
            parts.append(f"set -m\n(\n{command}\n) >{log} 2>&1 </dev/null &\nset +m\nready $! {log}")
        elif code:
            parts.append(f"code=0\n{{\n{command}\n}} || code=$?\n[ $code = {code} ] || {{ echo \"the exit code is $code, and not {code}\"; exit 1; }}")
        else:
            parts.append(command)
    return "\n".join([*parts, "printf '\\n@@ end\\n'", ""])


def execute(text, folder, chosen):
    """What the script says, and whether it went well."""
    (folder / "script").write_text(text)
    environment = {
        "PATH": f"{folder}/bin:{os.environ['PATH']}", "HOME": f"{folder}/home", "USER": "documents", "LANG": "C.UTF-8", "TERM": "dumb",
        "SYNOD_LISTEN__DATA": f"127.0.0.1:{chosen['8080']}", "SYNOD_LISTEN__ADMINISTRATION": f"127.0.0.1:{chosen['8081']}",
    }  # fmt: skip
    with open(folder / "said", "w") as said:
        files = {"stdin": subprocess.DEVNULL, "stdout": said, "stderr": said}
        shell = subprocess.Popen(["bash", folder / "script"], cwd=folder / "copy", env=environment, start_new_session=True, **files)
        try:
            code = shell.wait(LONGEST)
        except subprocess.TimeoutExpired:
            os.killpg(shell.pid, signal.SIGTERM)
            shell.wait()
            code = f"none, after {LONGEST} s"
    return code, (folder / "said").read_text(errors="replace")


def unlike(command, seen, output):
    """How what was said differs from what one is to see, or None."""
    output = "".join(f"{line.rstrip()}\n" for line in output.rstrip("\n").split("\n")) if output.strip() else ""
    if seen is None or re.fullmatch(pattern(seen), output):
        return None
    return f"{command}\n--- one is to see:\n" + "\n".join(seen) + f"\n--- and sees:\n{output[-4000:]}"


def judged(to_run, code, said, folder):
    """The mistakes of a run, each with its line: the step at which it ended, or what was seen otherwise."""
    parts = re.split(r"\n?@@ (\w+)\n", said)[1:]
    outputs = list(zip(parts[::2], parts[1::2]))
    last, output = outputs[-1] if outputs else ("0", said)
    if code != 0 or last != "end":
        line, command, *_ = to_run[int(last) if last.isdigit() else -1]
        logs = "".join(f"\n--- a server's log ends:\n{''.join(log.open().readlines()[-8:])}" for log in sorted((folder / "logs").iterdir()))
        return [(line, f"exit code {code}:\n{command}\n--- it said:\n{output[-4000:]}{logs}")]
    compared = ((line, unlike(command, seen, output)) for (line, command, seen, *_), (_, output) in zip(to_run, outputs))
    return [(line, why) for line, why in compared if why]


def run(found):
    """Runs the blocks of a document that are run here: the mistakes, each with its line."""
    if not (wanted := [block for block in found if re.match(r"(sh|console)\b", block.kind) and not block.elsewhere()]):
        return []
    with tempfile.TemporaryDirectory(prefix="synod-documents-") as name:
        folder = Path(name)
        copy(folder)
        # All at once, so that a port is another one everywhere alike.
        text, chosen = ports("\0".join(block.text() for block in wanted))
        for block, changed in zip(wanted, text.split("\0")):
            block.lines = changed.split("\n")
        to_run = [(block.line, *step) for block in wanted for step in steps(block)]
        return judged(to_run, *execute(script(to_run, folder), folder, chosen), folder)


def check(path):
    """The mistakes of a document. It is run if nothing can be seen to be wrong with it."""
    started = time.monotonic()
    found, prose = blocks(path.read_text())
    mistakes = looked_at(path, found, prose)
    if not mistakes:
        mistakes = run(found)
    here = sum(not block.elsewhere() and block.kind.split(" ")[0] not in DATA for block in found)
    print(f"{path.relative_to(root)}: {here} of {len(found)} blocks run, in {time.monotonic() - started:.0f} s", flush=True)
    return [f"{path.relative_to(root)}:{line}: {text}" for line, text in mistakes]


def read_only(path):
    """Of all other documents, what their text names: commands, files, links."""
    return [f"{path.relative_to(root)}:{line}: {text}" for line, text in looked_at(path, [], blocks(path.read_text())[1])]


def main():
    for needed in [program, *(plugins / f"{name}.wasm" for name in PLUGINS)]:
        if not needed.is_file():
            sys.exit(f"check-documents: {needed} is not built: cargo build --workspace --bins; scripts/plugins.sh")
    named = [Path(name).resolve() for name in sys.argv[3:]]
    paths = named or sorted({path for pattern in DOCUMENTS for path in root.glob(pattern)})
    # The changelog names what was.
    others = [] if named else [root / name for name in sources() if name.endswith(".md") and name != "CHANGELOG.md" and root / name not in paths]
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        mistakes = [mistake for found in [*workers.map(read_only, others), *workers.map(check, paths)] for mistake in found]
    if mistakes:
        sys.exit("\n\n".join(["", *mistakes]))
    print(f"{len(paths)} documents are true" + (f", and {len(others)} others name what there is" if others else ""))


main()
