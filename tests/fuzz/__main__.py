"""`python -m tests.fuzz [KIND ...] [--count=N] [--seed=S] [--first=I]`: 1 at any defect.

images: damaged pictures; files: damaged weights, stores, datasets and runs; nested: small files
that nest, share and claim; inside: pictures in pictures, and sides that are not those of a header;
places: pipes, links and such in place of files; values: options of a config; runs: records of a run
with odd values.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.fuzz.run import report, timed

COUNTS = {
    "images": 1000, "files": 200, "nested": 750, "inside": 250, "places": 200, "values": 1000,
    "runs": 500,
}  # fmt: skip


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("kinds", nargs="*", default=[], choices=[[], *COUNTS], metavar="KIND")
    parser.add_argument("--count", type=int, help=f"cases of each kind; {COUNTS} where left out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    options = parser.parse_args()
    defects = 0
    for kind in options.kinds or COUNTS:
        with tempfile.TemporaryDirectory() as folder:
            found, seconds = timed(
                kind, seed=options.seed, count=options.count or COUNTS[kind], first=options.first,
                folder=Path(folder),
            )  # fmt: skip
        print("\n".join(report(kind, found, seconds=seconds)), flush=True)
        defects += len(found.defects)
    sys.exit(bool(defects))


if __name__ == "__main__":
    main()
