"""Clusters, started once for all tests of the folder, and a service that a Sentinel watches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.redis_servers import Cluster, StandingTime, Watched, cluster, watched


@pytest.fixture(scope="package")
def standing_cluster(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Cluster, StandingTime]]:
    """A cluster whose time stands still, on all nodes."""
    folder = tmp_path_factory.mktemp("cluster")
    clock = StandingTime(folder)
    with cluster(folder, clock=clock) as nodes:
        yield nodes, clock


@pytest.fixture(scope="package")
def running_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    arguments = "--cluster-node-timeout", "1000", "--cluster-require-full-coverage", "no"
    with cluster(tmp_path_factory.mktemp("running"), *arguments, replicas=1) as nodes:
        yield nodes


@pytest.fixture
def running_cluster(running_nodes: Cluster) -> Cluster:
    """A cluster that does without a node quickly; the first has a replica. It is empty."""
    running_nodes.flush()
    return running_nodes


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Watched]:
    with watched(tmp_path) as service:
        yield service
