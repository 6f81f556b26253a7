"""Workers, scheduler, client and shards killed with -9 at random moments change nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "swarm_after_kills.py"


@pytest.mark.slow
def test_a_swarm_among_kills_has_the_digest_of_one_run(tmp_path):
    small = ["--n", "200", "--width", "50", "--kills", "6", "--time-fs", "40"]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path), *small], capture_output=True, text=True
    )
    found = json.loads(done.stdout)
    assert found["swarm"] == found["one_run"] and len(found["killed"]) > 1, done.stderr
