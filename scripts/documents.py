"""Documents: their blocks, and what of them can be seen without running them. Used by check-documents.py."""

import functools, re, shlex, subprocess, sys
from dataclasses import dataclass
from pathlib import Path

root = Path.cwd()
program = Path(sys.argv[1]).resolve()

# What no commands stand in.
DATA = {"yaml", "json", "jsonnet", "text", "mermaid", "rust", "python"}


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
