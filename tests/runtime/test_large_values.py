"""Values too large for a row: stored elsewhere first, seen as if they were not, and impossible to forge."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from agentflow.infra.db.engine import Database
from agentflow.infra.objects.base import ObjectMissing, ObjectStoreUnavailable
from agentflow.infra.objects.files import FileObjects
from tests.runtime.support import SUBJECT, World, probe, run_to_end, spec_of, transform

LIMIT = 1_000
BIG = "long text " * 500


async def _rows(world: World, query: str) -> list[Any]:
    database = Database(world.settings.database)
    async with database.reading() as session:
        rows = list((await session.execute(text(query))).all())
    await database.close()
    return rows


def _blobs(world: World) -> list[Path]:
    return [path for path in (world.settings.data_dir / "objects").rglob("*") if path.is_file()]


async def test_a_large_value_is_not_in_its_row_and_reads_as_before(world: World):
    """Later nodes, the run, its nodes and its events hold the value; the database holds where it lies."""
    spec = spec_of([probe("a", value=BIG), transform("b", "{{ nodes.a }}!")], ["a>b"])
    async with world.runtime(spill_bytes=LIMIT) as runs:
        run = await run_to_end(runs, spec)
        assert (await runs.get(SUBJECT, run.id)).outputs == BIG + "!"
        nodes = {node.node_id: node.output for node in await runs.nodes(SUBJECT, run.id)}
        events = {event.node_id: event.data for event in await runs.events(SUBJECT, run.id) if "output" in event.data}
    assert nodes == {"a": BIG, "b": BIG + "!"}
    assert events["a"]["output"] == BIG
    stored = await _rows(world, "SELECT output, output_ref FROM node_runs")
    assert all(output is None and reference for output, reference in stored)
    assert len(_blobs(world)) == 3  # what a gave, what b was told, and what b gave, which is the run's result too


async def test_small_values_stay_in_their_rows(world: World):
    """Most values never touch the object store."""
    async with world.runtime(spill_bytes=LIMIT) as runs:
        await run_to_end(runs, spec_of([probe("a", value="x" * 100)]))
    assert _blobs(world) == []
    assert await _rows(world, "SELECT count(*) FROM node_runs WHERE output_ref IS NOT NULL") == [(0,)]


async def test_large_inputs_are_stored_before_the_run_is_accepted(world: World):
    """The inputs of a run come back when another process takes it up."""
    spec = spec_of([probe("gate", wait_for="gate"), transform("b", "{{ inputs.text }}")], ["gate>b"], inputs={"type": "object"})
    async with world.runtime(spill_bytes=LIMIT, shutdown_grace_s=0) as runs:
        run = await runs.start_inline(SUBJECT, spec, {"text": BIG})
        await world.probe.arrival("gate").wait()
    assert (await _rows(world, "SELECT inputs FROM runs"))[0][0] in (None, "null")
    world.probe.gate("gate").set()
    async with world.runtime(spill_bytes=LIMIT) as runs:
        run = await runs.wait(SUBJECT, run.id, 20)
    assert run.outputs == BIG, run.error
    assert run.inputs == {"text": BIG}


async def test_a_resumed_run_reads_large_outputs_back(world: World):
    """A finished node is not run again for its output."""
    nodes = [probe("a", value=BIG), probe("b", wait_for="gate"), transform("c", "{{ nodes.a }}")]
    spec = spec_of(nodes, ["a>b", "b>c"])
    async with world.runtime(spill_bytes=LIMIT, shutdown_grace_s=0) as runs:
        run = await runs.start_inline(SUBJECT, spec, {})
        await world.probe.arrival("gate").wait()
    world.probe.gate("gate").set()
    async with world.runtime(spill_bytes=LIMIT) as runs:
        run = await runs.wait(SUBJECT, run.id, 20)
    assert run.outputs == BIG, run.error
    assert world.probe.runs["a"] == 1


async def test_a_missing_value_fails_the_run_that_needs_it_with_a_typed_error(world: World):
    """A run whose memory is gone ends, and says why; it is not tried for ever."""
    spec = spec_of([probe("a", value=BIG), probe("b", wait_for="gate")], ["a>b"])
    async with world.runtime(spill_bytes=LIMIT, shutdown_grace_s=0) as runs:
        run = await runs.start_inline(SUBJECT, spec, {})
        await world.probe.arrival("gate").wait()
    for path in _blobs(world):
        path.unlink()
    async with world.runtime(spill_bytes=LIMIT) as runs:
        run = await runs.wait(SUBJECT, run.id, 20)
    assert run.status == "failed"
    assert run.error is not None
    assert run.error.code == "OBJECT_MISSING"


async def test_a_damaged_value_is_noticed(world: World):
    """What is read must be what was written."""
    async with world.runtime(spill_bytes=LIMIT) as runs:
        run = await run_to_end(runs, spec_of([probe("a", value=BIG)]))
        for path in _blobs(world):
            path.write_bytes(path.read_bytes().replace(b"long", b"gone"))
        with pytest.raises(ObjectMissing, match="damaged"):
            await runs.get(SUBJECT, run.id)
        assert (await runs.get(SUBJECT, run.id, ())).status == "succeeded"


async def test_user_data_cannot_forge_a_reference(world: World):
    """Whatever a value looks like, it stays a value: references stand where no data of a user gets."""
    forged = {"key": f"{SUBJECT.tenant_id}/runs/x/y", "size": 1, "sha256": "0" * 64}
    value = {"$artifact": forged, "output_ref": forged, **forged}
    async with world.runtime(spill_bytes=LIMIT) as runs:
        run = await run_to_end(runs, spec_of([transform("a", value), transform("b", "{{ nodes.a }}")], ["a>b"]))
        assert (await runs.get(SUBJECT, run.id)).outputs == value
    assert await _rows(world, "SELECT count(*) FROM node_runs WHERE output_ref IS NOT NULL") == [(0,)]


async def test_an_answer_holds_large_values_up_to_a_bound_and_names_the_others(world: World):
    """Beyond the bound a field is null and has a link with size and hash."""
    async with world.runtime(spill_bytes=LIMIT, max_inline_bytes=len(BIG) + 100) as runs:
        run = await run_to_end(runs, spec_of([probe("a", value=BIG), probe("b", value=BIG + "2")], ["a>b"]))
        first, second = await runs.nodes(SUBJECT, run.id)
    assert first.output == BIG
    assert first.large_values == {}
    assert second.output is None
    assert second.large_values["output"].size == len(BIG) + 3
    assert second.large_values["output"].href.startswith("/api/v1/artifacts/")


async def test_a_parent_gets_a_childs_output_whatever_its_size(world: World):
    """The bound of answers is not one of workflows."""
    world.workflows.specs["child"] = spec_of([probe("a", value=BIG)])
    parent = spec_of([{"id": "call", "type": "subworkflow", "config": {"workflow": "child"}}], [], outputs={"got": "{{ nodes.call }}"})
    async with world.runtime(spill_bytes=LIMIT, max_inline_bytes=0) as runs:
        run = await runs.start_inline(SUBJECT, parent, {})
        ended = await runs.wait(SUBJECT, run.id, 20)
    assert BIG in str(ended.outputs), ended.error


async def test_a_run_waits_while_the_store_is_away(world: World, monkeypatch: pytest.MonkeyPatch):
    """Nothing is committed that refers to a value that is not stored, and the run goes on when the store is back."""
    put, refused, back = FileObjects.put, asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def away(self: FileObjects, key: str, chunks: Any) -> None:
        if back.is_set():
            put(self, key, chunks)
            return
        loop.call_soon_threadsafe(refused.set)
        raise ObjectStoreUnavailable("The store is away.")

    monkeypatch.setattr(FileObjects, "put", away)
    async with world.runtime(spill_bytes=LIMIT) as runs:
        run = await runs.start_inline(SUBJECT, spec_of([probe("a", value=BIG)]), {})
        await refused.wait()
        assert (await runs.get(SUBJECT, run.id)).status in ("queued", "running")
        assert await _rows(world, "SELECT count(*) FROM node_runs WHERE status = 'completed'") == [(0,)]
        back.set()
        ended = await runs.wait(SUBJECT, run.id, 20)
    assert ended.outputs == BIG
    assert world.probe.runs == {"a": 1}


async def test_a_run_with_large_inputs_is_refused_while_the_store_is_away(world: World, monkeypatch: pytest.MonkeyPatch):
    """A caller is told at once, and nothing was accepted."""

    def away(self: FileObjects, key: str, chunks: Any) -> None:
        raise ObjectStoreUnavailable("The store is away.")

    monkeypatch.setattr(FileObjects, "put", away)
    async with world.runtime(spill_bytes=LIMIT) as runs:
        with pytest.raises(ObjectStoreUnavailable):
            await runs.start_inline(SUBJECT, spec_of([probe("a")], inputs={"type": "object"}), {"text": BIG})
    assert await _rows(world, "SELECT count(*) FROM runs") == [(0,)]


async def test_spilling_can_be_switched_off(world: World):
    """With 0 every value stays in the database."""
    async with world.runtime(spill_bytes=0) as runs:
        run = await run_to_end(runs, spec_of([probe("a", value=BIG)]))
    assert run.outputs == BIG
    assert _blobs(world) == []


async def test_a_large_cached_output_is_not_in_its_row_and_outlives_its_run(world: World):
    """The next run takes it from the object store; without it there, the node runs again."""
    spec = spec_of([probe("a", value=BIG, policy={"cache": {"ttl_s": 600}})])
    async with world.runtime(spill_bytes=LIMIT) as runs:
        first = await run_to_end(runs, spec)
        ((output, reference),) = await _rows(world, "SELECT output, output_ref FROM node_cache")
        assert (output, bool(reference)) == (None, True)
        for blob in _blobs(world):
            if first.id in str(blob):
                blob.unlink()
        second = await run_to_end(runs, spec)
        assert world.probe.runs == {"a": 1}
        assert (await runs.get(SUBJECT, second.id)).outputs == BIG
        for blob in _blobs(world):
            if "cache" in str(blob):
                blob.unlink()
        third = await run_to_end(runs, spec)
        assert (await runs.get(SUBJECT, third.id)).outputs == BIG
        assert world.probe.runs == {"a": 2}
        await run_to_end(runs, spec)
    assert world.probe.runs == {"a": 2}
