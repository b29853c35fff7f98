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
from tests.corpora.corpus import Corpus, fetch_google_proto_files, fetch_wheels
from tests.corpora.trial import Result, remove, try_text, try_whole, type_check

__all__ = ["main", "survey"]

_SHOWN: Final = 50
"""How many refusals and failures are shown in full."""

_held: list[Corpus] = []
"""The corpus of a process, which is forked with it, because it is large."""


def _try_text(name: str) -> Result:
    return try_text(_held[0], name)


def survey(corpus: Corpus, folder: Path, every: int, sample: int, processes: int) -> bool:
    """Tries the files, prints what came of it, and tells whether nothing failed."""
    names = corpus.names[::every]
    print(f"{len(corpus.names)} files, {len(corpus.broken)} more that protoc refuses; {len(names)} are generated")
    _held[:] = [corpus]
    with get_context("fork").Pool(processes) as pool:
        texts = pool.map(_try_text, names, chunksize=8)
    is_right = report("generated", texts)
    # protobuf's own files need not be as new as those that the installed protobuf was made of.
    usable = (result for result in texts if result.messages and not is_well_known(result.name))
    passed = [result.name for result in usable if result.verdict == "passed"]
    chosen = passed[:: max(1, len(passed) // sample)][:sample] if sample else []
    packages = {f"corpus_{index}": name for index, name in enumerate(chosen)}
    with ThreadPoolExecutor(processes) as pool_of_runs:
        runs = [pool_of_runs.submit(try_whole, corpus, name, package, folder) for package, name in packages.items()]
        whole = [run.result() for run in runs]
    is_right &= report("imported and sent through all encodings", whole)
    said = type_check(list(packages)[: max(1, sample // 10)], folder) if packages else ""
    print(f"type-checked: {said or 'nothing to say'}")
    for package in packages:
        remove(package, folder)
    return is_right and not said


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
    parser.add_argument("--every", type=int, default=1, help="only every Nth file (%(default)s)")
    parser.add_argument("--sample", type=int, default=100, help="how many go the whole way (%(default)s)")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="where what is fetched stays")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        kept = options.keep or folder
        root = options.root
        if root is None:
            root = fetch_google_proto_files(kept) if shutil.which("npm") else fetch_wheels(kept)
        corpus = Corpus.of(root.resolve(), folder)
        is_right = survey(corpus, folder, options.every, options.sample, options.processes)
    sys.exit(0 if is_right else 1)


if __name__ == "__main__":
    main()
