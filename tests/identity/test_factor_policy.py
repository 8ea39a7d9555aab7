"""Organisations that demand a second factor of their members."""

import pyotp
import pytest

from tests.identity.people import PASSWORD, bearer, hire, sign_in, speaking

pytestmark = pytest.mark.usefixtures("quick_hashes")

REFUSED = (403, "SECOND_FACTOR_DEMANDED")


async def told(person, method="GET", path="/workflows", **more):
    answer = await person.request(method, path, **more)
    return answer.status_code, answer.json().get("code")


async def entered(person, tenant):
    """Return the header of a session after it went to work in another organisation."""
    answer = await person.post("/auth/tenant", json={"tenant_id": tenant})
    assert answer.status_code == 200, answer.text
    return bearer(answer.json())


async def test_s24_without_a_second_factor_a_member_may_only_set_one_up_or_leave(app, client, stranger):
    """Elsewhere the same session works as before; keys do everywhere; and with a factor all is as it was."""
    await hire(client, "ada", "admin")
    async with speaking(app, bearer(await sign_in(stranger, "ada"))) as ada:
        own = (await ada.post("/tenants", json={"name": "Branch"})).json()
        assert own["second_factor_required"] is False
        changed = (await client.patch("/tenants/current", json={"second_factor_required": True})).json()
        assert changed["second_factor_required"] is True
        assert await told(ada) == REFUSED
        assert await told(ada, "PATCH", "/tenants/current", json={"second_factor_required": False}) == REFUSED
        async with speaking(app, await entered(ada, own["id"])) as elsewhere:
            assert (await elsewhere.get("/workflows")).status_code == 200
            headers = await entered(elsewhere, changed["id"])
    async with speaking(app, headers) as back:
        assert await told(back) == REFUSED
        begun = (await back.post("/auth/totp", json={"password": PASSWORD})).json()
        assert (await back.post("/auth/totp/confirm", json={"code": pyotp.TOTP(begun["secret"]).now()})).status_code == 200
        assert (await back.get("/workflows")).status_code == 200
    assert (await client.get("/workflows")).status_code == 200
    records = (await client.get("/audit?action=tenant.updated")).json()["items"]
    assert records[0]["details"]["second_factor_required"] is True


async def test_who_may_not_change_an_organisation_demands_nothing(app, client, stranger):
    """A developer is refused, and from within another organisation there is nothing to change."""
    demand = {"second_factor_required": True}
    await hire(client, "bob", "developer")
    async with speaking(app, bearer(await sign_in(stranger, "bob"))) as bob:
        assert (await told(bob, "PATCH", "/tenants/current", json=demand))[0] == 403
    await hire(client, "ada", "admin")
    async with speaking(app, bearer(await sign_in(stranger, "ada"))) as ada:
        here = (await ada.get("/auth/me")).json()["tenant_id"]
        own = (await ada.post("/tenants", json={"name": "Branch"})).json()["id"]
        async with speaking(app, await entered(ada, own)) as elsewhere:
            assert await told(elsewhere, "PATCH", f"/tenants/{here}", json=demand) == (404, "TENANT_NOT_FOUND")
    assert (await client.get("/tenants/current")).json()["second_factor_required"] is False
