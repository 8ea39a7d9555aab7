"""Coming in: registering, signing in and out, refreshing, guests."""

import asyncio

import pytest

from tests.identity.people import PASSWORD, bearer, hire, mint, one_database, sign_in, speaking, working_as

pytestmark = pytest.mark.usefixtures("quick_hashes")
EMAIL = "ada@example.com"


@pytest.fixture
def settings(settings):
    """Give settings of a server that everybody may register at."""
    return settings.model_copy(update={"registration": "open", "guest_access": True})


async def register(client, **more):
    return await client.post("/auth/register", json={"email": EMAIL, "password": PASSWORD, **more})


async def test_somebody_registers_signs_in_and_owns_an_organisation(stranger, app):
    """The account signs in by name and by mail address, in an organisation of its own, and the password is never shown."""
    made = await register(stranger, username="ada", display_name="Ada Lovelace", organisation="Analytical Engines")
    assert made.status_code == 201
    assert (made.json()["user"]["username"], made.json()["token_type"], made.json()["expires_in"]) == ("ada", "bearer", 900)
    for name in ("ada", "ADA", EMAIL, "Ada@Example.COM"):
        tokens = await sign_in(stranger, name)
    async with speaking(app, bearer(tokens)) as ada:
        me = (await ada.get("/auth/me")).json()
        assert (me["roles"], me["account"]["email"], me["credential"]) == (["owner"], EMAIL, "session")
        assert "tenants:delete" in me["permissions"]
        assert "metrics:read" not in me["permissions"]  # concerns all organisations
        assert (await ada.get("/tenants/current")).json()["name"] == "Analytical Engines"
    assert PASSWORD not in made.text
    assert "$argon2" not in made.text


async def test_a_name_or_address_is_taken_once(stranger):
    """A second account with the same name or mail address is refused, whatever the letters' case."""
    assert (await register(stranger, username="ada")).status_code == 201
    for body in ({"username": "ada", "email": "other@example.com"}, {"username": "other", "email": "ADA@example.com"}):
        answer = await register(stranger, **body)
        assert (answer.status_code, answer.json()["code"]) == (409, "ACCOUNT_EXISTS")


@one_database
@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"email": "a@b"}, "INVALID_EMAIL"),
        ({"email": "no address"}, "INVALID_EMAIL"),
        ({"password": "short"}, "PASSWORD_REFUSED"),
        ({"password": "passwordpassword"}, "PASSWORD_REFUSED"),
        ({"password": "qwertyuiopasdfgh"}, "PASSWORD_REFUSED"),
        ({"password": "aaaaaaaaaaaaaaaaaaaa"}, "PASSWORD_REFUSED"),
        ({"username": "ada.lovelace", "password": "ada.lovelace1234"}, "PASSWORD_REFUSED"),
        ({"username": "not a name"}, "INVALID"),
        ({"role": "owner"}, "INVALID"),
        ({"tenant_id": "x"}, "INVALID"),
        ({"password": None}, "INVALID"),
    ],
)
async def test_s15_bad_passwords_and_addresses_are_refused(stranger, body, code):
    """Common, short and personal passwords, and what is no mail address, are refused by name; fields that nobody asked for too."""
    answer = await register(stranger, **body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_s15_any_characters_and_long_passwords_are_taken(stranger):
    """There are no rules about kinds of characters: Unicode and 64 and more characters are fine, in either Unicode form."""
    password = "große Wölfe heulen leise im Ödland " * 3
    assert (await register(stranger, username="ada", password=password)).status_code == 201
    decomposed = password.replace("ö", "o\u0308").replace("Ö", "O\u0308")
    assert (await stranger.post("/auth/login", json={"username": "ada", "password": decomposed})).status_code == 200


async def test_only_the_invited_register_where_registration_is_closed(container, stranger):
    """By default a stranger is turned away."""
    object.__setattr__(container.identity.registration._policy, "is_open", False)
    answer = await register(stranger)
    assert (answer.status_code, answer.json()["code"]) == (403, "REGISTRATION_CLOSED")


async def test_a_wrong_password_and_an_unknown_account_look_the_same(stranger):
    """S17: nothing in the answer tells whether there is an account."""
    await register(stranger, username="ada")
    answers = [
        await stranger.post("/auth/login", json={"username": name, "password": "something else entirely"}) for name in ("ada", "nobody")
    ]
    assert [answer.status_code for answer in answers] == [401, 401]
    first, second = ({**answer.json(), "instance": ""} for answer in answers)
    assert first == second


async def test_s16_guessing_is_slow(app, stranger, later, monkeypatch):
    """Ten wrong attempts a minute for one account, also when they come at once; sessions that are open go on."""
    tokens = (await register(stranger, username="ada")).json()
    guesses = await asyncio.gather(
        *(stranger.post("/auth/login", json={"username": "ada", "password": f"wrong {number} wrong wrong"}) for number in range(25))
    )
    assert sorted(answer.status_code for answer in guesses) == [401] * 10 + [429] * 15
    right = await stranger.post("/auth/login", json={"username": "ada", "password": PASSWORD}, headers={"X-Forwarded-For": "192.0.2.1"})
    assert right.status_code == 429
    assert int(right.headers["retry-after"]) > 0
    async with speaking(app, bearer(tokens)) as ada:
        assert (await ada.get("/auth/me")).status_code == 200
    later(seconds=61)
    await sign_in(stranger, "ada")


async def test_right_passwords_are_not_counted(stranger):
    """Whoever signs in often is not held up."""
    await register(stranger, username="ada")
    for _ in range(15):
        await sign_in(stranger, "ada")


async def test_a_guest_works_and_keeps_it_all_as_a_full_account(app, stranger):
    """A guest makes a workflow and runs it; with a password the account owns the organisation and everything in it."""
    guest = (await stranger.post("/auth/guest")).json()
    assert guest["user"]["is_guest"] is True
    spec = {"name": "w", "nodes": [{"id": "a", "type": "input"}], "edges": [], "start_node": "a"}
    async with speaking(app, bearer(guest)) as person:
        made = await person.post("/workflows", json={"name": "mine", "spec": spec})
        assert made.status_code == 201, made.text
        ran = await person.post(f"/workflows/{made.json()['id']}/execute?wait=10", json={"inputs": {}})
        assert ran.status_code == 200, ran.text
        full = await register(person, username="ada")
        assert (full.status_code, full.json()["user"]["is_guest"]) == (201, False)
        assert full.json()["user"]["id"] == guest["user"]["id"]
        again = await register(person, username="ada2", email="ada2@example.com")
        assert again.status_code == 409
    async with speaking(app, bearer(await sign_in(stranger, "ada"))) as ada:
        assert [item["id"] for item in (await ada.get("/workflows")).json()["items"]] == [made.json()["id"]]
        assert (await ada.get("/auth/me")).json()["roles"] == ["owner"]


async def test_guests_go_some_day(app, container, stranger, later):
    """The account of a guest that was not upgraded is shut after its time."""
    guest = (await stranger.post("/auth/guest")).json()
    later(days=5)
    refreshed = (await stranger.post("/auth/refresh", json={"refresh_token": guest["refresh_token"]})).json()
    async with speaking(app, bearer(refreshed)) as person:
        assert (await person.get("/auth/me")).status_code == 200
        later(days=26)
        await container.identity.housekeeping.clean()
        assert (await person.get("/auth/me")).status_code == 401


async def test_a_refresh_token_is_exchanged_for_the_next_pair(app, stranger):
    """Both new tokens work."""
    tokens = (await register(stranger, username="ada")).json()
    fresh = (await stranger.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})).json()
    assert fresh["refresh_token"] != tokens["refresh_token"]
    async with speaking(app, bearer(fresh)) as ada:
        assert (await ada.get("/auth/me")).status_code == 200
    assert (await stranger.post("/auth/refresh", json={"refresh_token": fresh["refresh_token"]})).status_code == 200


async def test_s10_a_spent_refresh_token_ends_its_family(app, stranger, later):
    """Whoever uses a refresh token twice ends the session: its newest tokens are worth nothing, other sessions go on."""
    first = (await register(stranger, username="ada")).json()
    other = await sign_in(stranger, "ada")
    second = (await stranger.post("/auth/refresh", json={"refresh_token": first["refresh_token"]})).json()
    later(seconds=31)
    reused = await stranger.post("/auth/refresh", json={"refresh_token": first["refresh_token"]})
    assert (reused.status_code, reused.json()["code"]) == (401, "REFRESH_TOKEN_REUSED")
    assert (await stranger.post("/auth/refresh", json={"refresh_token": second["refresh_token"]})).status_code == 401
    later(seconds=5)
    async with speaking(app, bearer(second)) as ada:
        assert (await ada.get("/auth/me")).status_code == 401
    async with speaking(app, bearer(other)) as ada:
        assert (await ada.get("/auth/me")).status_code == 200


async def test_s11_fifty_refreshes_at_once_have_one_successor(stranger):
    """A client that sends the same token many times at once gets the same answer each time, and stays signed in."""
    tokens = (await register(stranger, username="ada")).json()
    answers = await asyncio.gather(*(stranger.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]}) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    successors = {answer.json()["refresh_token"] for answer in answers}
    assert len(successors) == 1
    assert (await stranger.post("/auth/refresh", json={"refresh_token": successors.pop()})).status_code == 200


@one_database
@pytest.mark.parametrize("token", ["", "afr_", "afr_AAAA", "afr_" + "A" * 107, "x" * 200, "afs_" + "A" * 107, "afr_é"])
async def test_s10_what_is_no_refresh_token_ends_nothing(stranger, token):
    """A forged token is refused, and no session ends by it."""
    tokens = (await register(stranger, username="ada")).json()
    assert (await stranger.post("/auth/refresh", json={"refresh_token": token})).status_code in {401, 422}
    forged = tokens["refresh_token"][:-6] + "AAAAAA"
    assert (await stranger.post("/auth/refresh", json={"refresh_token": forged})).status_code == 401
    assert (await stranger.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})).status_code == 200


async def test_s12_signing_out_ends_both_tokens(app, stranger, later):
    """Access and refresh token of this session are worth nothing; other devices go on, unless all are signed out."""
    one = (await register(stranger, username="ada")).json()
    two, three = await sign_in(stranger, "ada"), await sign_in(stranger, "ada")
    async with speaking(app, bearer(one)) as ada:
        assert (await ada.post("/auth/logout")).status_code == 204
        assert (await ada.get("/auth/me")).status_code == 401
    assert (await stranger.post("/auth/refresh", json={"refresh_token": one["refresh_token"]})).status_code == 401
    async with speaking(app, bearer(two)) as ada:
        assert (await ada.get("/auth/me")).status_code == 200
        assert (await ada.post("/auth/logout", json={"everywhere": True})).status_code == 204
    for tokens in (two, three):
        async with speaking(app, bearer(tokens)) as ada:
            assert (await ada.get("/auth/me")).status_code == 401
        assert (await stranger.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})).status_code == 401


async def test_s12_a_browser_signs_in_and_out_by_cookie(app, stranger):
    """S25: the answer holds no token; signing out deletes the cookie with the attributes that it was set with."""
    await register(stranger, username="ada")
    answer = await stranger.post("/auth/login", json={"username": "ada", "password": PASSWORD, "browser": True})
    assert "access_token" not in answer.json()
    (pair, *attributes) = [part.strip() for part in answer.headers["set-cookie"].split(";")]
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(attributes)
    stranger.cookies.clear()
    same_site = {"Cookie": pair, "Sec-Fetch-Site": "same-origin"}
    assert (await stranger.get("/auth/me", headers={"Cookie": pair})).json()["credential"] == "session"
    gone = await stranger.post("/auth/logout", headers=same_site)
    assert gone.status_code == 204
    (_, *attributes_of_deletion) = [part.strip() for part in gone.headers["set-cookie"].split(";")]
    assert [a for a in attributes_of_deletion if not a.startswith(("Max-Age", "expires"))] == [
        a for a in attributes if not a.startswith("Max-Age")
    ]
    assert (await stranger.get("/auth/me", headers={"Cookie": pair})).status_code == 401


async def test_s20_nobody_raises_themselves(app, stranger):
    """Fields that say who may do what are refused where one changes one's own account, and nothing changes."""
    tokens = (await register(stranger, username="ada")).json()
    async with speaking(app, bearer(tokens)) as ada:
        before = (await ada.get("/auth/me")).json()
        for extra in ({"roles": ["owner"]}, {"tenant_id": "x"}, {"is_admin": True}, {"permissions": ["*"]}, {"kind": "service"}):
            assert (await ada.patch("/auth/me", json=extra)).status_code == 422
        assert (await ada.get("/auth/me")).json() == before
        changed = await ada.patch("/auth/me", json={"display_name": "Countess"})
        assert changed.json()["display_name"] == "Countess"


async def test_s29_two_credentials_are_none(app, client, stranger):
    """A request that shows a key and a token, or one of them twice, is refused: nobody could say which counts."""
    tokens = (await register(stranger, username="ada")).json()
    key = client.headers["x-api-key"]
    for headers in (
        [("X-API-Key", key), ("Authorization", f"Bearer {tokens['access_token']}")],
        [("X-API-Key", key), ("X-API-Key", key)],
        [("Authorization", f"Bearer {key}"), ("Authorization", f"Bearer {tokens['access_token']}")],
    ):
        answer = await stranger.get("/auth/me", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "MALFORMED")


async def test_an_oauth_client_signs_in_with_a_form(stranger):
    """The password flow of OAuth 2, as the page of the docs uses it."""
    await register(stranger, username="ada")
    good = await stranger.post("/auth/token", data={"grant_type": "password", "username": "ada", "password": PASSWORD})
    assert (good.status_code, good.json()["token_type"]) == (200, "bearer")
    bad = await stranger.post("/auth/token", data={"grant_type": "password", "username": "ada", "password": "no"})
    assert bad.status_code == 401


async def test_s45_a_disabled_account_is_out_at_once(app, client, stranger, later):
    """Tokens and keys of a user whose account is shut open nothing, and nobody signs in; opened again, keys work."""
    async with working_as(app, client, "bob", "developer") as bob:
        key = await mint(bob)
        user_id = (await bob.get("/auth/me")).json()["user_id"]
        assert (await client.patch(f"/users/{user_id}", json={"is_disabled": True})).status_code == 200
        assert (await bob.get("/auth/me")).status_code == 401
        assert (await stranger.get("/auth/me", headers={"X-API-Key": key["secret"]})).status_code == 401
        assert (await stranger.post("/auth/login", json={"username": "bob", "password": PASSWORD})).status_code == 401
        assert (await client.patch(f"/users/{user_id}", json={"is_disabled": False})).status_code == 200
        assert (await stranger.get("/auth/me", headers={"X-API-Key": key["secret"]})).status_code == 200
        assert (await bob.get("/auth/me")).status_code == 401  # the session ended for good


async def test_s18_what_the_database_holds_opens_nothing(container, client, stranger):
    """Neither passwords nor tokens nor keys stand in the database as they are."""
    await hire(client, "bob", "developer")
    tokens = await sign_in(stranger, "bob")
    secret = (await mint(client))["secret"]
    if container.database.is_sqlite:
        files = [file.read_bytes() for file in container.settings.data_dir.glob("agentflow.db*")]
        for text in (PASSWORD, tokens["refresh_token"], tokens["access_token"], secret, tokens["refresh_token"][4:]):
            assert all(text.encode() not in content for content in files)
