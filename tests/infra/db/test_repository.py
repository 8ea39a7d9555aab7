"""Every query names its tenant."""

import pytest

from agentflow.infra.db.repository import UnscopedQuery, scoped
from agentflow.kit.ids import new_id
from agentflow.workflows.definitions.models import WorkflowRow


@pytest.mark.parametrize("tenant", [None, ""])
def test_a_query_without_a_tenant_is_refused(tenant):
    """It is a fault of ours, found before the database is asked."""
    with pytest.raises(UnscopedQuery, match="WorkflowRow"):
        scoped(WorkflowRow, tenant)


def test_a_query_is_narrowed_to_its_tenant():
    """The condition is part of the query from its beginning."""
    assert "workflows.tenant_id = " in str(scoped(WorkflowRow, new_id()))
