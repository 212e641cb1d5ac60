"""Every detector by one recipe

Command:  python -m jaxdet.main --config=configs/detectors.py --config.data.root=DIR --workdir=RUNS
          --list shows the rows, --row=N|NAME runs one; :tiny takes minutes each on two cores
Source:   nearly the recipe of configs/small.py
Expected: see docs/evidence/systems.md; docs/reference/systems.md has the detectors' sources
"""

from jaxdet.experiments import Table, detectors, sized


def get_table(arg: str = "") -> Table:
    table = Table.of_file(__doc__, rows=detectors.all_detectors())
    return detectors.themselves(sized(table, arg))
