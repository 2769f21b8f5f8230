"""Commands that the documents show, in their code blocks, and what they say comes of them.

A block is fenced and marked sh, or indented by four blanks. Comment lines right behind a command are
what it prints; "…" stands for any text, and a new line for any blanks.
"""
import glob
import os
import re
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GUIDE = "docs/new-service.md"


class Command:
    """A command of a document, with what the document says that it prints (None: nothing is said)."""

    def __init__(self, where, text):
        self.where = where
        self.text = text
        self.prints = None

    def bare(self):
        """The command without the comment behind it."""
        return re.sub(r"\s+# .*$", "", self.text)

    def expected(self):
        """A regular expression for the output."""
        parts = [re.escape(part.strip()) for part in re.split("…", self.prints)]
        return r"\s*" + r"[\s\S]*?".join(re.sub(r"(\\ |\\\n|\s)+", r"\\s*", part) for part in parts) + r"\s*"


def documents():
    """Names of the documents, below the root."""
    names = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"]
    names += glob.glob("docs/*.md", root_dir=ROOT) + glob.glob("deploy/helm/*/README.md", root_dir=ROOT)
    return sorted(names)


def read(name):
    """The lines of a document."""
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        return file.read().split("\n")


def blocks(name):
    """Yields (language, number of the first line, lines) for each block of code."""
    language, first, block, indent = None, 0, [], ""
    before = ""
    for number, line in enumerate(read(name) + [""], 1):
        fence = re.match(r"( *)```(\w*)", line)
        if language is not None and language != "indented":
            if fence:
                yield language, first, block
                language = None
            else:
                block.append(line[len(indent):] if line.startswith(indent) else line)
        elif fence:
            language, first, block, indent = fence[2], number + 1, [], fence[1]
        elif language is None and line.startswith("    ") and before == "":
            language, first, block = "indented", number, [line[4:]]
        elif language == "indented" and (line.startswith("    ") or line == ""):
            block.append(line[4:])
        elif language == "indented":
            yield "sh", first, block
            language = None
        before = line
    if language == "indented":
        yield "sh", first, block


def is_whole(text):
    """Whether a text is a command to its end, and no part of one."""
    if text.endswith("\\"):
        return False
    return subprocess.run(["bash", "-n", "-c", text], stderr=subprocess.DEVNULL, check=False).returncode == 0


def commands_of_block(name, first, lines):
    """Yields the commands of a block of the shell."""
    text, start, command = "", 0, None
    for number, line in enumerate(lines, first):
        if text == "" and line.startswith("#"):
            if command:
                command.prints = (command.prints or "") + line.lstrip("# ") + "\n"
        elif text != "" or line.strip() != "":
            start = number if text == "" else start
            text += line
            if is_whole(text):
                if command:
                    yield command
                command, text = Command(f"{name}:{start}", text), ""
            else:
                text += "\n"
    if text != "":
        raise ValueError(f"{name}:{start}: the shell does not understand: {text}")
    if command:
        yield command


def commands(names=None):
    """All commands of some documents, in their order: of all but the guide, which new_service_test.py follows."""
    found = []
    for name in names or [name for name in documents() if name != GUIDE]:
        for language, first, lines in blocks(name):
            if language == "sh":
                found += commands_of_block(name, first, lines)
    return found


def sources(language):
    """All blocks of a language as (where, text)."""
    return [(f"{name}:{first}", "\n".join(lines))
            for name in documents() for found, first, lines in blocks(name) if found == language]  # fmt: skip
