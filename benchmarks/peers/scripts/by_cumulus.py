"""Scrub FHIR bulk files with the scrubber of a checkout of cumulus-etl: decoded, scrubbed, encoded, line by line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from timing import tell, timed


def main() -> None:
    """Do the job of the first argument: `source`, `out`, and `checkout`, the folder that holds `cumulus_etl`."""
    job = json.loads(sys.argv[1])
    sys.path.insert(0, job["checkout"])
    from cumulus_etl.deid.scrubber import Scrubber

    out = Path(job["out"])
    out.mkdir(parents=True)
    scrubber = Scrubber(str(out))
    tell(timed(lambda: scrubbed(scrubber, Path(job["source"]), out)))


def scrubbed(scrubber: Any, source: Path, out: Path) -> dict[str, Any]:
    """Scrub every resource and write those that may leave, then save the codebook."""
    count = 0
    for path in sorted(source.glob("*.ndjson")):
        with path.open(encoding="utf-8") as lines, (out / path.name).open("w", encoding="utf-8") as target:
            for line in lines:
                count += 1
                resource = json.loads(line)
                if scrubber.scrub_resource(resource):
                    target.write(json.dumps(resource) + "\n")
    scrubber.save()
    return {"count": count}


if __name__ == "__main__":
    main()
