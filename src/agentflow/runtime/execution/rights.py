"""What one run may use: the rights of who started it, looked up at each use and never remembered for longer than seconds."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from agentflow.errors import NodeError, Unauthenticated
from agentflow.identity.permissions import ALL_PERMISSIONS, Permission
from agentflow.identity.subject import Resource, ResourceKind, Subject
from agentflow.infra.audit.trail import Deed
from agentflow.nodes.context import Match
from agentflow.runtime.execution.failures import RunFailed, run_error
from agentflow.runtime.execution.ports import Ports
from agentflow.runtime.records.records import RunRecord

SEARCHING = frozenset({Permission.COLLECTIONS_USE, Permission.COLLECTIONS_READ})
FILLING = frozenset({Permission.COLLECTIONS_USE, Permission.COLLECTIONS_WRITE})


class Rights:
    """What one run may use.

    Args:
        run: acts for the user who started it, and for the key if it was one.
        ports: know whom; without ``principals``, as in a simulation, everything is allowed.
    """

    def __init__(self, run: RunRecord, ports: Ports) -> None:
        self._run = run
        self._ports = ports

    async def subject(self) -> Subject:
        """Return for whom the run acts, with the rights of now.

        Raises:
            NodeError: ``PRINCIPAL_GONE``.
        """
        run = self._run
        if self._ports.principals is None:
            return Subject(run.tenant_id, run.user_id, ALL_PERMISSIONS)
        try:
            return await self._ports.principals.of(run.tenant_id, run.user_id, run.key_id)
        except Unauthenticated as error:
            raise NodeError(
                "The run acts for a user or key that may do nothing here any more: shut, removed or revoked.",
                error_code="PRINCIPAL_GONE",
                hint="Let somebody who may retry the run: it then acts for them.",
            ) from error

    async def check(self) -> None:
        """Let the run go on only as long as there is somebody whom it acts for.

        Raises:
            RunFailed: with ``PRINCIPAL_GONE``.
        """
        try:
            await self.subject()
        except NodeError as error:
            raise RunFailed(run_error(error)) from error

    async def use_source(self, source_id: str, name: str) -> None:
        """Let the run use a stored source.

        Raises:
            NodeError: ``NOT_PERMITTED``, or ``PRINCIPAL_GONE``.
        """
        subject = await self.subject()
        self._require(subject, {Permission.SOURCES_USE}, Resource(ResourceKind.SOURCE, source_id), f"the source {name}")

    async def use_secrets(self, names: Collection[str]) -> None:
        """Let the run use stored secrets that its own specification names.

        Raises:
            NodeError: ``NOT_PERMITTED``, or ``PRINCIPAL_GONE``.
        """
        subject = await self.subject()
        self._require(subject, {Permission.SECRETS_USE}, None, f"the secret {', '.join(sorted(names))}")

    async def for_collections(self, wanted: frozenset[Permission], name: str) -> Subject:
        """Return the subject that collections are asked on behalf of: of all, or of those that are granted one by one.

        Args:
            wanted: ``SEARCHING`` or ``FILLING``; one of them is enough.
            name: of the collection.

        Raises:
            NodeError: ``NOT_PERMITTED``, or ``PRINCIPAL_GONE``.
        """
        subject, run = await self.subject(), self._run
        single = {
            resource: frozenset({Permission.COLLECTIONS_READ})
            for resource, allowed in subject.grants.items()
            if resource.kind is ResourceKind.COLLECTION and wanted & allowed
        }
        if single and not self._may(subject, wanted, None):
            self._require_author(subject, f"the collection {name}")
            return Subject(run.tenant_id, run.user_id, frozenset(), subject.username, grants=single)
        self._require(subject, wanted, None, f"the collection {name}")
        return Subject(run.tenant_id, run.user_id, ALL_PERMISSIONS, subject.username)

    def require_workflow(self, subject: Subject, workflow_id: str, name: str) -> None:
        """Let the run start a child of another workflow.

        Raises:
            NodeError: ``NOT_PERMITTED``.
        """
        if not subject.may(Permission.WORKFLOWS_EXECUTE, Resource(ResourceKind.WORKFLOW, workflow_id)):
            raise self._refused(subject, Permission.WORKFLOWS_EXECUTE, f"the workflow {name}")

    def _may(self, subject: Subject, wanted: Collection[Permission], resource: Resource | None) -> bool:
        """Tell whether the subject has one of some permissions: on everything, on the thing, or on the workflow that uses it."""
        workflow_id = self._run.workflow_id
        through = None if workflow_id is None else Resource(ResourceKind.WORKFLOW, workflow_id)
        return any(subject.may(permission, resource) or subject.may(permission, through) for permission in wanted)

    def _require(self, subject: Subject, wanted: Collection[Permission], resource: Resource | None, what: str) -> None:
        if not self._may(subject, wanted, resource):
            raise self._refused(subject, min(wanted, key=lambda permission: not permission.endswith(":use")), what)
        self._require_author(subject, what)

    def _require_author(self, subject: Subject, what: str) -> None:
        """Refuse an unsaved specification of somebody who makes no workflows.

        To run what others have made is one thing; to write oneself what is done with a source is another.
        """
        if self._run.workflow_id is None and Permission.WORKFLOWS_WRITE not in subject.permissions:
            raise self._refused(subject, Permission.WORKFLOWS_WRITE, what)

    def _refused(self, subject: Subject, missing: Permission, what: str) -> NodeError:
        if self._ports.denials is not None:
            facts = {"run_id": self._run.id, "permission": missing.value, "code": "NOT_PERMITTED"}
            self._ports.denials.note(subject, Deed("access.denied", self._run.id, facts))
        return NodeError(
            f"The run acts for {subject.username or subject.user_id}, who may not use {what} here: {missing.value} is missing.",
            error_code="NOT_PERMITTED",
            hint="Let the user, or the key that the run was started with, have it; or let somebody who has it start the run.",
            details={"permission": missing.value},
        )


class RightfulKnowledge:
    """The collections that a run may use. Fulfils ``nodes.context.Knowledge``.

    Args:
        rights: of the run.
        ports: give the collections.
    """

    def __init__(self, rights: Rights, ports: Ports) -> None:
        self._rights = rights
        self._ports = ports

    async def search(
        self,
        collection: str,
        query: str | Sequence[float],
        *,
        top_k: int,
        min_score: float,
        where: Mapping[str, Any] | None,
        hybrid: bool,
    ) -> Sequence[Match]:
        """Return the nearest chunks, best first; see ``Knowledge.search``."""
        knowledge = self._ports.knowledge(await self._rights.for_collections(SEARCHING, collection))
        return await knowledge.search(collection, query, top_k=top_k, min_score=min_score, where=where, hybrid=hybrid)

    async def upsert(
        self, collection: str, documents: Sequence[Mapping[str, Any]], *, chunk_size: int, chunk_overlap: int, create: bool
    ) -> Sequence[str]:
        """Chunk, embed and store documents; see ``Knowledge.upsert``. Who may fill single collections only makes no new ones."""
        subject = await self._rights.for_collections(FILLING, collection)
        create = create and not subject.grants
        return await self._ports.knowledge(subject).upsert(
            collection, documents, chunk_size=chunk_size, chunk_overlap=chunk_overlap, create=create
        )
