"""Where blocks are scored: in this process, or on the workers of Ray, of one machine or of a cluster."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Iterator, Sequence
from typing import Any

from keras_anogan.runs.bulk.blocks import Block
from keras_anogan.serving.cluster import begin_worker, no_chatter, start_ray

MOST_TASKS = 10_000  # of Ray; more blocks go several to a task


def here(blocks: Sequence[Block], given: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The summary of each block, scored one after the other in this process.

    Args:
        blocks: to score.
        given: arguments of `Worker`.
    """
    from keras_anogan.runs.bulk.work import Worker

    worker = Worker(**given)
    for block in blocks:
        yield worker(block)


class RayWorker:
    """A `Worker` on one core, as Ray's `map_batches` calls it: texts of JSON in, texts of JSON out.

    What a worker is made of comes with each block. Ray keeps arguments of a constructor on one of the machines, and can
    replace no worker once that one is lost.
    """

    worker: Any = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        blocks = [Block(**json.loads(str(text))) for text in batch["block"]]
        try:
            self.worker = self.worker or self._made(json.loads(str(batch["worker"][0])))
        except (OSError, ValueError) as error:  # a machine that does not see the run, say
            return {"summary": [json.dumps({"number": block.number, "error": str(error)}) for block in blocks]}
        return {"summary": [json.dumps(self.worker(block)) for block in blocks]}

    def _made(self, given: dict[str, Any]) -> Any:
        begin_worker(1)
        from keras_anogan.runs.bulk.work import Worker

        return Worker(**given)


def on_ray(
    blocks: Sequence[Block], given: dict[str, Any], address: str | None = None, workers: int | None = None
) -> Iterator[dict[str, Any]]:
    """The summary of each block as Ray's workers finish them. A worker that dies is replaced, and its block done again.

    Args:
        blocks: to score.
        given: arguments of `Worker`; every worker has to see these paths.
        address: of a running cluster, such as "auto"; None starts Ray on this machine, unless it runs in this process.
        workers: how many, of one core each; default: as many as the cluster has cores, and no more than blocks.

    Raises:
        ImportError: without Ray: what to install.
        ValueError: for an address where no cluster is.
    """
    ray = start_ray(address)
    import ray.data as ray_data

    ray_data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    count = workers or int(ray.cluster_resources().get("CPU", 1))
    count = max(1, min(count, len(blocks)))
    made = json.dumps(given)
    texts = [{"block": json.dumps(dataclasses.asdict(block)), "worker": made} for block in blocks]
    scored = ray_data.from_items(texts, override_num_blocks=min(len(texts), MOST_TASKS)).map_batches(
        RayWorker,
        batch_size=1,
        num_cpus=1,
        compute=ray_data.ActorPoolStrategy(size=count),
    )
    with no_chatter():  # Ray's C++ warns of what `RayWorker` takes care of
        for row in scored.iter_rows():
            yield json.loads(row["summary"])
