"""What is asked every few seconds reads an index: its cost must not grow with the history, nor with the runs that wait."""

from sqlalchemy import Engine, event

from agentflow.infra.db.engine import Database
from agentflow.kit.clock import SystemClock
from agentflow.kit.ids import new_id
from agentflow.runtime.interrupts.mailbox import deliver
from agentflow.runtime.queue.leases import Leases
from agentflow.runtime.queue.presence import FilePresence


async def test_no_sweep_reads_a_whole_table(tmp_path, migrated_file):
    """Renewing, waking, finding lost runs and delivering an event: SQLite searches an index for each, also without statistics."""
    database, clock = Database(f"sqlite:///{migrated_file}"), SystemClock()
    asked: list[tuple[str, object]] = []

    def note(_connection, _cursor, statement, parameters, *_):
        asked.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    leases = Leases(database, clock, FilePresence(tmp_path), new_id(), 10)
    await leases.renew()
    await leases.wake_due()
    await leases.release_orphans()
    async with database.transaction() as session:
        await deliver(session, new_id(), "paid", "7", None, "somebody", clock.now())
    event.remove(Engine, "before_cursor_execute", note)
    plans: dict[str, list[str]] = {}
    async with database.engine.connect() as connection:
        for statement, parameters in asked:
            if statement.startswith(("SELECT", "UPDATE")):
                rows = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
                plans[statement] = [row[-1] for row in rows.all()]
    await database.close()
    assert len(plans) >= 6
    scans = {statement: plan for statement, plan in plans.items() if any(line.startswith("SCAN") for line in plan)}
    assert scans == {}
    used = {word for plan in plans.values() for line in plan for word in line.split() if word.startswith("ix_")}
    assert used == {"ix_runs_live", "ix_runs_parked", "ix_runs_signalled", "ix_interrupts_event"}
