"""Count lines of code: tokens outside docstrings, comments and blank lines, by folder; name the largest files.

python tools/count_code.py [FOLDER]
"""

from __future__ import annotations

import ast
import sys
import tokenize
from collections import Counter
from pathlib import Path

_SILENT = "COMMENT NL NEWLINE INDENT DEDENT ENCODING ENDMARKER"
SILENT = {getattr(tokenize, name) for name in _SILENT.split()}


def code_lines(path: Path) -> int:
    """Return the number of lines of a file that hold code."""
    prose: set[int] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(
            node
        ):
            first = node.body[0]
            prose |= set(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    with path.open("rb") as file:
        tokens = [t for t in tokenize.tokenize(file.readline) if t.type not in SILENT]
    return len({line for t in tokens for line in range(t.start[0], t.end[0] + 1)} - prose)


def main() -> None:
    """Print the counts."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else "src/cxlab")
    sizes = {path: code_lines(path) for path in sorted(root.rglob("*.py"))}
    lines: Counter[str] = Counter()
    files: Counter[str] = Counter()
    for path, size in sizes.items():
        folder = path.relative_to(root).parts[0]
        lines[folder] += size
        files[folder] += 1
    for folder, size in lines.most_common():
        print(f"{size:7,} lines {files[folder]:4} files  {folder}")
    print(f"{sum(sizes.values()):7,} lines {len(sizes):4} files  in all")
    for path, size in sorted(sizes.items(), key=lambda x: -x[1])[:5]:
        print(f"{size:7,} {path}")


if __name__ == "__main__":
    main()
