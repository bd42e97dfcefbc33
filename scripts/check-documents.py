"""What scripts/check-documents.sh runs: PROGRAM PLUGINS [DOCUMENT...]. Reads documents, looks at what can be looked at, and runs the rest."""

import functools, os, re, shlex, shutil, signal, socket, subprocess, sys, tempfile, time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

root = Path.cwd()
program, plugins = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()

DOCUMENTS = ["README.md", "deploy/**/*.md", "config/*.md", "plugins/README.md", "elk/README.md", "alertmanager/README.md", "traefik/README.md"]
# The changelog names what was, and is left alone.
# What no commands stand in.
DATA = {"yaml", "json", "jsonnet", "text", "mermaid", "rust", "python"}
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
exec 2>&1
"""


@dataclass
class Block:
    """A piece of a document: what its first line says that it is, its lines, and the number of its first line."""

    kind: str
    lines: list
    line: int

    def text(self):
        return "\n".join(self.lines)

    def elsewhere(self):
        return self.kind.startswith("sh elsewhere")


def blocks(text):
    """The fenced blocks of a document and the comments with commands, in order; and its other lines, with their numbers."""
    found, prose, block, end = [], [], None, None
    for number, line in enumerate(text.split("\n"), 1):
        fence = re.match(r"( *)```(.*)$", line)
        hidden = re.match(r"<!-- (sh.*)$", line)
        if block is not None:
            if line.strip() == end:
                found, block = [*found, block], None
            else:
                block.lines.append(line.removeprefix(indent))
        elif fence:
            block, end, indent = Block(fence[2].strip(), [], number + 1), "```", fence[1]
        elif hidden:
            block, end, indent = Block(hidden[1].strip(), [], number + 1), "-->", ""
        else:
            prose.append((number, line))
    return found + ([block] if block else []), prose


# Looking.


@functools.cache
def parses(arguments):
    """Why the program does not take these arguments, or None: with --help behind them nothing else happens."""
    ran = subprocess.run([program, *arguments, "--help"], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
    return None if ran.returncode == 0 else ran.stderr.strip().split("\n")[0]


@functools.cache
def help_of(command):
    return subprocess.run([program, *command, "--help"], capture_output=True, text=True, check=True).stdout


def commands(text):
    """The simple commands of a piece of shell, as lists of words. Bodies of here-documents are none."""
    text = re.sub(r"<<-?\s*['\"]?(\w+)['\"]?(.*?)\n.*?\n\1(?=\n|$)", r"\2", text, flags=re.S)
    for line in re.sub(r"\\\n", " ", text).split("\n"):
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        try:
            words = list(lexer)
        except ValueError:
            words = line.split()
        command = []
        for word in [*words, ";"]:
            if set(word) <= set("();<>|&"):
                if command:
                    yield command
                command = []
            else:
                command.append(word)


def of_program(words):
    """What is said to the program in a command, if it is called there, by itself or in a container."""
    for at, word in enumerate(words[:-1]):
        if word.rsplit("/", 1)[-1] in ("synod", "as_synod") and re.fullmatch(r"[a-z][a-z-]*|--version|--help", words[at + 1]) and words[at + 1] != "synod":
            return [word for word in words[at + 1 :] if word not in ("…", "...", "--help")]
    return None


def alternatives(words):
    """`models keygen|sign` are two."""
    at = next((at for at, word in enumerate(words) if re.fullmatch(r"[a-z-]+(\|[a-z-]+)+", word)), None)
    return [words] if at is None else [found for word in words[at].split("|") for found in alternatives([*words[:at], word, *words[at + 1 :]])]


def says(words):
    """What is wrong with a command of the program."""
    told = of_program(words)
    found = [] if told is None else [(one, parses(tuple(one))) for one in alternatives(told)]
    return [f"synod {' '.join(one)}: {why}" for one, why in found if why]


def mentions(words):
    """What is wrong with a command in the text, whose values may be placeholders: its subcommands and options are looked up."""
    told = of_program(words) or []
    for one in alternatives(told):
        known = []
        for word in one:
            why = parses((*known, word)) if re.fullmatch(r"[a-z][a-z-]*", word) else "a value"
            if why and "unrecognized subcommand" in why:
                yield f"synod {' '.join(one)}: {why}"
            if why:
                break
            known.append(word)
        for option in (word for word in one[len(known) :] if re.match(r"--\w", word)):
            if not re.search(rf"(?m)^\s+(-\w, )?{re.escape(option)}\b", help_of(tuple(known))):
                yield f"synod {' '.join(known)} has no {option}"


TOP = "alertmanager|config|core|deploy|elk|plugins|scripts|tests|traefik"


def missing(words, folder):
    """The files of the repository that words name, and that are not there."""
    for word in words:
        # A word in capitals stands for another.
        path = re.sub(r"(?<=/)[A-Z]+(?=[/.]|$)(?!\.md)", "*", word.removeprefix("./"))
        if not re.fullmatch(rf"({TOP})/[\w./*@-]+", path) or re.search(r"(^|/)dist(/|$)", path):
            continue
        if not any(list(place.glob(path.rstrip("/"))) for place in (root, folder, root / "core/gateway/src")):
            yield f"there is no {word}"
    if words[:1] == ["cargo"] and "-p" in words:
        package = words[words.index("-p") + 1]
        manifests = [path for path in root.glob("*/**/Cargo.toml") if "target" not in path.parts]
        if not any(f'name = "{package}"' in path.read_text() for path in manifests):
            yield f"there is no package {package}"
        if "--test" in words and not list(root.glob(f"*/tests/{words[words.index('--test') + 1]}.rs")):
            yield f"there is no test {words[words.index('--test') + 1]}"


def anchors(text):
    """The names that links into a document can have, as they are made of its headings."""
    headings = [line.lstrip("#").strip().lower() for _, line in blocks(text)[1] if re.match(r"#+ ", line)]
    return {re.sub(r" ", "-", re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading))) for heading in headings}


def links(path, line):
    """The links of a line that lead nowhere."""
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", line)):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file) if file else path
        if not there.exists():
            yield f"there is no {target}"
        elif anchor and there.suffix == ".md" and anchor not in anchors(there.read_text()):
            yield f"{file or path.name} has no heading #{anchor}"


def looked_at(path, found, prose):
    """The mistakes of a document that can be seen without running it, each with its line."""
    mistakes = []
    for block in found:
        note = lambda text, line=block.line: mistakes.append((line, text))
        language = block.kind.split(" ")[0]
        if language in DATA:
            if any(re.match(r"\s*(\$ |(synod|curl|docker|kubectl|helm|cargo) |scripts/\S+( |$))", line) for line in block.lines):
                note(f"a block of {language} has a command in it")
            continue
        if block.elsewhere():
            if not re.fullmatch(r"sh elsewhere: \S.*", block.kind):
                note("a block that is run elsewhere says why: `sh elsewhere: REASON`")
            checked = subprocess.run(["bash", "-n"], input=block.text(), capture_output=True, text=True)
            if checked.returncode:
                note(checked.stderr.strip())
            for words in commands(block.text()):
                for mistake in [*says(words), *missing(words, path.parent)]:
                    note(mistake)
        elif not re.fullmatch(r"sh( server)?|console( exit \d+)?", block.kind):
            note(f"a block is `sh`, `sh server`, `sh elsewhere: REASON`, `console`, or of {', '.join(sorted(DATA))}, and not `{block.kind}`")
    for number, line in prose:
        for span in re.findall(r"`([^`]+)`", line):
            words = re.sub(r"…|\.\.\.", "", span).split()
            mistakes += [(number, mistake) for mistake in mentions(words)] if span.startswith("synod ") else []
            mistakes += [(number, mistake) for mistake in missing(words[:1], path.parent)]
        mistakes += [(number, mistake) for mistake in links(path, line)]
    return mistakes


# Running.


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


def ports(text):
    """The text with other ports in place of those of this machine, and what stands for which."""
    held, chosen = [], {}
    for port in dict.fromkeys(["8080", "8081", *re.findall(r"(?:127\.0\.0\.1|localhost):(\d{4,5})\b", text)]):
        held.append(socket.create_server(("127.0.0.1", 0)))
        chosen[port] = str(held[-1].getsockname()[1])
    for listener in held:
        listener.close()
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


def script(run, folder):
    """One script of all steps; a line of marks before each says which it is."""
    parts = [SHELL]
    for number, (_, command, _, code, beside) in enumerate(run):
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
        shell = subprocess.Popen(["bash", folder / "script"], cwd=folder / "copy", env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True)
        try:
            code = shell.wait(LONGEST)
        except subprocess.TimeoutExpired:
            os.killpg(shell.pid, signal.SIGTERM)
            shell.wait()
            code = f"none, after {LONGEST} s"
    return code, (folder / "said").read_text(errors="replace")


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
        code, said = execute(script(to_run, folder), folder, chosen)
        parts = re.split(r"\n?@@ (\w+)\n", said)[1:]
        outputs = list(zip(parts[::2], parts[1::2]))
        mistakes = []
        if code != 0 or outputs[-1:] == [] or outputs[-1][0] != "end":
            number, output = outputs[-1] if outputs else ("0", said)
            number = int(number) if number.isdigit() else len(to_run) - 1
            logs = "".join(f"\n--- a server's log ends:\n{''.join(log.open().readlines()[-8:])}" for log in sorted((folder / "logs").iterdir()))
            return [(to_run[number][0], f"exit code {code}:\n{to_run[number][1]}\n--- it said:\n{output[-4000:]}{logs}")]
        for (line, command, seen, _, _), (_, output) in zip(to_run, outputs):
            output = "".join(f"{line.rstrip()}\n" for line in output.rstrip("\n").split("\n")) if output.strip() else ""
            if seen is not None and not re.fullmatch(pattern(seen), output):
                mistakes.append((line, f"{command}\n--- one is to see:\n" + "\n".join(seen) + f"\n--- and sees:\n{output[-4000:]}"))
        return mistakes


def check(path):
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
    others = [] if named else [root / name for name in sources() if name.endswith(".md") and name != "CHANGELOG.md" and root / name not in paths]
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        mistakes = [mistake for found in [*workers.map(read_only, others), *workers.map(check, paths)] for mistake in found]
    if mistakes:
        sys.exit("\n\n".join(["", *mistakes]))
    print(f"{len(paths)} documents are true" + (f", and {len(others)} others name what there is" if others else ""))


main()
