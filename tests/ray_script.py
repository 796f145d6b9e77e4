"""Runs a study of fakes on a local Ray cluster of two nodes; one is killed while it trains: FOLDER.

A script of its own, because Ray leaves threads and handlers behind. Prints one JSON object: the
candidate whose node was killed, the nodes that evaluations were started on by candidate, and what
became of evaluations that fail or end their process.
"""

import json
import os
import sys
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ray
import study_fakes as fakes
from ray.cluster_utils import Cluster

from sparse_search.candidate import Candidate, Outcome, Rejection
from sparse_search.workers import open_workers

CANDIDATES = 8
SECONDS = 0.3
DOOMED = 3
"""Starts on the second node after which it is killed in the middle of an evaluation."""
HELD_BACK = 4
"""From this candidate on the first node waits for that, however slow the second one is."""

_FAST_DETECTION = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 300,
    "health_check_failure_threshold": 3,
}
_NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}


@dataclass(frozen=True)
class TracedEvaluator(fakes.FakeEvaluator):
    """Leaves a line in a file of this machine when an evaluation begins."""

    trace: Path = Path()

    def __call__(self, candidate: Candidate) -> Outcome:
        """Hangs on the node that is about to be killed; the other one lets it get that far."""
        node = ray.get_runtime_context().get_node_id()
        second = (self.trace.parent / "second").read_text()
        with self.trace.open("a") as trace:
            trace.write(f"{candidate.id} {node}\n")
        if node == second and count(self.trace, second) >= DOOMED:
            time.sleep(600)
        while node != second and candidate.id >= HELD_BACK and count(self.trace, second) < DOOMED:
            time.sleep(0.05)
        return super().__call__(candidate)

    def at(self, folder: Path) -> "TracedEvaluator":
        """The same for another folder; the trace stays where it is."""
        return replace(self, folder=folder)


def starts(trace: Path) -> list[tuple[int, str]]:
    """Candidate and node of each evaluation that began, in order."""
    if not trace.exists():
        return []
    lines = [line.split() for line in trace.read_text().splitlines()]
    return [(int(candidate), node) for candidate, node in lines]


def count(trace: Path, node: str) -> int:
    """Evaluations that began on a node."""
    return sum(found == node for _, found in starts(trace))


def kill_while_training(cluster: Cluster, node: Any, trace: Path) -> None:
    """Kills a node, and with it its worker, once it hangs in its last evaluation."""
    while count(trace, node.node_id) < DOOMED:
        time.sleep(0.05)
    time.sleep(0.3)
    cluster.remove_node(node, allow_graceful=False)


def accidents() -> dict[int, str]:
    """Kinds of the outcomes of an exception, a process that exits, and a good evaluation."""
    kinds: dict[int, str] = {}
    with open_workers("ray", fakes.TroubledEvaluator()) as workers:
        for number in (0, 1, 9):
            while not workers.free:
                kinds |= {o.candidate.id: kind(o) for o in workers.wait()}
            workers.submit(fakes.candidate(number))
        while outcomes := workers.wait():
            kinds |= {o.candidate.id: kind(o) for o in outcomes}
    return kinds


def kind(outcome: Outcome) -> str:
    """Kind and reason of a rejection; or "evaluation"."""
    return f"{outcome.kind}: {outcome.reason}" if isinstance(outcome, Rejection) else "evaluation"


def main(folder: Path) -> None:
    """Runs the study and prints what happened."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    head = {"include_dashboard": False, "_system_config": _FAST_DETECTION}
    cluster = Cluster(initialize_head=True, head_node_args=_NODE | head)
    second = cluster.add_node(**_NODE)
    os.environ["RAY_ADDRESS"] = cluster.address
    trace = folder / "trace.txt"
    (folder / "second").write_text(second.node_id)
    arguments = (cluster, second, trace)
    killer = threading.Thread(target=kill_while_training, args=arguments, daemon=True)
    killer.start()
    evaluate = TracedEvaluator(folder / "fake", SECONDS, trace=trace)
    fakes.study(folder, workers="ray", evaluate=evaluate).run(CANDIDATES)
    assert not ray.is_initialized()
    killer.join(10)
    assert not killer.is_alive()
    nodes = defaultdict(list)
    for candidate, node in starts(trace):
        nodes[candidate].append(node)
    killed = [candidate for candidate, node in starts(trace) if node == second.node_id][-1]
    with_accidents = {"killed": killed, "nodes": nodes, "accidents": accidents()}
    print(json.dumps(with_accidents))
    cluster.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
