"""Reads one PDF file from standard input and writes its text as JSON; a process of its own, since hostile files can make any parser run away.

It must import nothing of the product: it is started as a bare script, once a file.
"""

import io
import json
import sys


def _limit(memory_bytes: int, seconds: int) -> None:
    try:
        import resource
    except ImportError:  # not on Windows; there only the parent's clock stops a runaway
        return
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))


def _read(data: bytes, max_pages: int, max_characters: int) -> dict[str, object]:
    from pypdf import PdfReader

    reader = PdfReader(io.BytesIO(data))
    if reader.is_encrypted and not reader.decrypt(""):
        return {"error": "encrypted"}
    if len(reader.pages) > max_pages:
        return {"error": "pages", "found": len(reader.pages)}
    pages, characters = [], 0
    for page in reader.pages:
        text = page.extract_text().replace("\0", " ").encode(errors="replace").decode()
        characters += len(text)
        if characters > max_characters:
            return {"error": "characters", "found": characters}
        pages.append(text)
    facts = reader.metadata or {}
    return {
        "pages": pages,
        "metadata": {name: str(facts[key])[:1000] for name, key in (("title", "/Title"), ("author", "/Author")) if facts.get(key)},
    }


def main() -> None:
    """Read the file under the limits given as arguments: memory bytes, CPU seconds, pages, characters."""
    memory, seconds, pages, characters = map(int, sys.argv[1:5])
    _limit(memory, seconds)
    try:
        answer = _read(sys.stdin.buffer.read(), pages, characters)
    except Exception as error:  # noqa: BLE001 - a broken file may make the parser fail in any way
        answer = {"error": "broken", "reason": type(error).__name__}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
