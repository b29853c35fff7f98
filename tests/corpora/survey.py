"""Tries every file of a corpus and reports: ``python -m tests.corpora.survey FOLDER [--sample N] [--every N]``."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from eventflux_codegen.well_known import is_well_known
from tests.corpora.corpus import Corpus, Subject, fetch_google_proto_files, fetch_wheels
from tests.corpora.trial import Result, try_text, try_whole
from tests.corpora.type_check import bare_python, has_pyright, run_mypy, run_pyright

__all__ = ["main", "survey"]

_SHOWN: Final = 50
"""How many refusals and failures are shown in full."""

_held: list[Corpus] = []
"""The corpus of a process, which is forked with it, because it is large."""


def _try_text(subject: Subject) -> Result:
    return try_text(_held[0], subject)


def survey(corpus: Corpus, folder: Path, every: int, sample: int, processes: int) -> bool:
    """Tries the files and directories, prints what came of it, and tells whether nothing failed."""
    subjects = {subject.name: subject for subject in corpus.subjects(every)}
    files = sum(len(subject.files) == 1 for subject in subjects.values())
    trees = sum(subject.is_tree for subject in subjects.values())
    print(f"{len(corpus.names)} files, and {len(corpus.broken)} more that are not whole: {', '.join(corpus.broken)}")
    others = len(subjects) - files - trees
    print(
        f"{files} of them are generated alone, {others} directories as a whole, {trees} trees of packages", flush=True
    )
    _held[:] = [corpus]
    with get_context("fork").Pool(processes) as pool:
        texts = pool.map(_try_text, subjects.values(), chunksize=8)
    is_right = report("generated", texts)
    # protobuf's own files need not be as new as those that the installed protobuf was made of.
    usable = (
        result for result in texts if result.messages and not any(map(is_well_known, subjects[result.name].files))
    )
    passed = [subjects[result.name] for result in usable if result.verdict == "passed"]
    chosen = passed[:: max(1, len(passed) // sample)][:sample] if sample else []
    packages = {f"corpus_{index}": subject for index, subject in enumerate(chosen)}
    with ThreadPoolExecutor(processes) as pool_of_runs:
        runs = [pool_of_runs.submit(try_whole, corpus, subject, name, folder) for name, subject in packages.items()]
        whole = [run.result() for run in runs]
    is_right &= report("imported and sent through all encodings", whole)
    made = [name for name, result in zip(packages, whole, strict=True) if result.verdict == "passed"]
    few = made[:: max(1, len(made) * 4 // sample)] if sample else []
    return is_right & (not few or type_check(few, folder))


def type_check(packages: list[str], folder: Path) -> bool:
    """Prints what type checkers say of packages, and tells whether it is nothing."""
    python = bare_python(folder / "bare")
    said = {f"mypy --strict: {len(packages)} packages": run_mypy(packages, folder, python)}
    if has_pyright():
        said[f"pyright, strict: {len(packages)} packages"] = run_pyright(packages, folder, python)
    else:
        print("pyright: not asked, because it is not installed")
    for checker, text in said.items():
        print(f"{checker}: {text or 'nothing to say'}")
    return not any(said.values())


def report(what: str, results: Iterable[Result]) -> bool:
    """Prints counts, each refusal, and each failure; tells whether there is none."""
    results = list(results)
    counts = Counter(result.verdict for result in results)
    messages, objects = sum(result.messages for result in results), sum(result.objects for result in results)
    print(f"{what}: {dict(counts)}, {messages} messages, {objects} objects")
    reasons = Counter(_reason(result.text) for result in results if result.verdict == "refused")
    for reason, count in reasons.most_common():
        print(f"  refused {count} x: {reason}")
    others = [result for result in results if result.verdict != "passed"]
    for result in others[:_SHOWN]:
        print(f"  {result.verdict} {result.name}: {result.text}")
    return counts["failed"] == 0


def _reason(text: str) -> str:
    """A refusal without the names in it."""
    return re.sub(r"\S*\.proto(?::\d+:)?|\w+(?:\.\w+)+", "…", text.splitlines()[0])


def main() -> None:
    """Fetches a corpus if none is given, and ends with 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", nargs="?", type=Path, help="a tree of .proto files; otherwise one is fetched")
    parser.add_argument("--installed", help="the distribution whose modules are taken instead")
    parser.add_argument("--every", type=int, default=1, help="only every Nth file and directory (%(default)s)")
    parser.add_argument("--sample", type=int, default=100, help="how many go the whole way (%(default)s)")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="where what is fetched stays")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        kept = options.keep or folder
        if options.installed is not None:
            corpus = Corpus.installed(options.installed)
        elif options.root is not None:
            corpus = Corpus.of(options.root.resolve(), folder)
        elif shutil.which("npm"):
            corpus = Corpus.of(fetch_google_proto_files(kept), folder)
        else:
            print("there is no npm: taking wheels of PyPI")
            corpus = Corpus.of_modules(fetch_wheels(kept).rglob("*_pb2.py"))
        is_right = survey(corpus, folder, options.every, options.sample, options.processes)
    sys.exit(0 if is_right else 1)


if __name__ == "__main__":
    main()
