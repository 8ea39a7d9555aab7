"""Passwords, mails that reset them, proofs of mail addresses, and the second factor."""

import asyncio
import re
import statistics
import time

import pyotp
import pytest
from argon2 import PasswordHasher, Type, extract_parameters

from agentflow.identity import passwords
from agentflow.identity.models import UserRow
from agentflow.identity.passwords import Passwords
from tests.identity.people import PASSWORD, bearer, hire, one_database, sign_in, speaking

ADA = {"username": "ada", "email": "ada@example.com"}
NEW = "another four words here now"


@pytest.fixture
async def ada(app, client, stranger, quick_hashes):
    """Give a client of somebody with a mail address, who is signed in."""
    await hire(client, "ada", "developer", email=ADA["email"])
    tokens = await sign_in(stranger, "ada")
    async with speaking(app, bearer(tokens)) as person:
        person.tokens = tokens
        yield person


def token_in(mail):
    """Return the token that a mail holds."""
    return re.search(r"\baf[pe]_[\w-]+", mail.text)[0]


@one_database
async def test_s15_a_hash_costs_what_it_should(container):
    """Argon2id with 46 MiB and one lane; a hash made with less effort is found out, to be made anew at the next sign-in."""
    checker = Passwords(15)
    stored = await checker.hash(PASSWORD)
    made = extract_parameters(stored)
    assert (made.type.name, made.parallelism) == ("ID", 1)
    assert made.memory_cost >= 46 * 1024
    assert await checker.verify(stored, PASSWORD)
    assert not await checker.verify(stored, PASSWORD + "x")
    assert not checker.is_outdated(stored)
    assert checker.is_outdated(stored.replace(f"m={made.memory_cost}", "m=1024"))


@one_database
async def test_s15_an_old_hash_is_made_anew_at_sign_in(container, client, stranger, quick_hashes, monkeypatch):
    """Whoever signs in with a hash of little effort has one of today's effort afterwards."""
    user_id = (await hire(client, "ada", "developer"))["id"]

    async def stored():
        async with container.database.reading() as session:
            return (await session.get_one(UserRow, user_id)).password_hash

    before = await stored()
    monkeypatch.setattr(passwords, "_hasher", lambda: PasswordHasher(time_cost=2, memory_cost=64, parallelism=1, type=Type.ID))
    await sign_in(stranger, "ada")
    after = await stored()
    assert (extract_parameters(before).time_cost, extract_parameters(after).time_cost) == (1, 2)


@one_database
async def test_s17_an_unknown_account_takes_as_long(container, client, stranger, monkeypatch):
    """All that differs between the two, over two hundred pairs, is less than a twentieth of what one sign-in takes.

    The hash, nearly all of that time, is measured by itself and made cheap for the pairs, or they would take half a minute.
    """
    real = await _cost_of_a_hash()
    hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1, type=Type.ID)
    monkeypatch.setattr(passwords, "_hasher", lambda: hasher)
    passwords._nobody.cache_clear()
    monkeypatch.setattr(container.identity.sign_in._attempts, "_limit", 10_000)
    container.identity.traffic._sign_in = None
    await hire(client, "ada", "developer")
    differences = []
    for number in range(200):
        times = {}
        for name in ("ada", "eve") if number % 2 else ("eve", "ada"):
            begun = time.perf_counter()
            answer = await stranger.post("/auth/login", json={"username": name, "password": "not the password at all"})
            times[name] = time.perf_counter() - begun
            assert answer.status_code == 401
        differences.append(times["ada"] - times["eve"])
    passwords._nobody.cache_clear()
    assert abs(statistics.median(differences)) < 0.05 * real


async def _cost_of_a_hash():
    """Return the seconds of one check; of nobody's password it takes the same effort, by the same parameters."""
    checker, times = Passwords(15), []
    stored = await checker.hash(PASSWORD)
    assert extract_parameters(stored) == extract_parameters(passwords._nobody())
    for _ in range(5):
        begun = time.perf_counter()
        assert not await checker.verify(None, "not the password at all")
        times.append(time.perf_counter() - begun)
    return min(times)


async def test_a_password_is_changed_with_the_present_one(app, ada, stranger):
    """Other devices are signed out, this one goes on, and only the new password works."""
    other = await sign_in(stranger, "ada")
    wrong = await ada.put("/auth/password", json={"current_password": "not the password", "new_password": NEW})
    assert wrong.status_code == 401
    assert (await ada.put("/auth/password", json={"new_password": NEW})).status_code == 401
    weak = await ada.put("/auth/password", json={"current_password": PASSWORD, "new_password": "passwordpassword"})
    assert weak.json()["code"] == "PASSWORD_REFUSED"
    assert (await ada.put("/auth/password", json={"current_password": PASSWORD, "new_password": NEW})).status_code == 204
    assert (await ada.get("/auth/me")).status_code == 200
    async with speaking(app, bearer(other)) as elsewhere:
        assert (await elsewhere.get("/auth/me")).status_code == 401
    assert (await stranger.post("/auth/login", json={"username": "ada", "password": PASSWORD})).status_code == 401
    await sign_in(stranger, "ada", NEW)


async def test_the_owner_sets_the_first_password_with_the_key(client, stranger, quick_hashes):
    """There is none to know; afterwards it is asked for."""
    assert (await client.put("/auth/password", json={"new_password": NEW})).status_code == 204
    await sign_in(stranger, "owner", NEW)
    assert (await client.put("/auth/password", json={"new_password": PASSWORD})).status_code == 401


async def test_s13_a_forgotten_password_is_set_by_the_token_of_a_mail(app, ada, stranger, mails, container):
    """Once, with the newest token; every device is signed out, and the address is proven by it."""
    for _ in range(2):
        assert (await stranger.post("/auth/password/forgot", json={"email": "ADA@example.com"})).status_code == 202
    await container.identity.post.settle()
    old, token = [token_in(mail) for mail in mails]
    for bad in (old, "", "afp_nothing", token[:-1], f"{token}x"):
        answer = await stranger.post("/auth/password/reset", json={"token": bad, "password": NEW})
        assert answer.status_code == 422, bad
    for bad in (None, [], True, {}):
        assert (await stranger.post("/auth/password/reset", json={"token": bad, "password": NEW})).status_code == 422
    assert (await stranger.post("/auth/password/reset", json={"password": NEW})).status_code == 422
    weak = await stranger.post("/auth/password/reset", json={"token": token, "password": "short"})
    assert weak.json()["code"] == "PASSWORD_REFUSED"
    await sign_in(stranger, "ada")
    assert (await stranger.post("/auth/password/reset", json={"token": token, "password": NEW})).status_code == 204
    assert (await stranger.post("/auth/password/reset", json={"token": token, "password": PASSWORD})).status_code == 422
    assert (await ada.get("/auth/me")).status_code == 401
    fresh = await sign_in(stranger, "ada", NEW)
    async with speaking(app, bearer(fresh)) as person:
        assert (await person.get("/auth/me")).json()["account"]["email_verified"] is True


async def test_s13_a_token_ends_at_its_time(ada, stranger, mails, container, later):
    """After half an hour it is worth nothing."""
    await stranger.post("/auth/password/forgot", json={"email": ADA["email"]})
    await container.identity.post.settle()
    later(minutes=31)
    answer = await stranger.post("/auth/password/reset", json={"token": token_in(mails[0]), "password": NEW})
    assert answer.json()["code"] == "TOKEN_NOT_GOOD"


async def test_s14_nobody_learns_who_has_an_account(ada, stranger, mails, container):
    """A known address, an unknown one and no address at all get the same answer, which holds no token; mail goes to the known one alone."""
    answers = [await stranger.post("/auth/password/forgot", json={"email": email}) for email in (ADA["email"], "nobody@example.com", "x")]
    assert [(answer.status_code, answer.content) for answer in answers] == [(202, b"")] * 3
    await container.identity.post.settle()
    assert [mail.to for mail in mails] == [ADA["email"]]


async def test_s14_mail_cannot_be_ordered_without_end(ada, stranger, mails):
    """Ten a minute for one address."""
    answers = [(await stranger.post("/auth/password/forgot", json={"email": ADA["email"]})).status_code for _ in range(12)]
    assert answers == [202] * 10 + [429] * 2


async def test_a_mail_address_is_proven_and_a_new_one_is_not(ada, mails, container):
    """The token of the mail proves the address that it was sent to, and no other."""
    assert (await ada.post("/auth/email/send")).status_code == 202
    await container.identity.post.settle()
    token = token_in(mails[0])
    no_password = await ada.patch("/auth/me", json={"email": "new@example.com"})
    assert no_password.status_code == 401
    changed = await ada.patch("/auth/me", json={"email": "new@example.com", "password": PASSWORD})
    assert (changed.json()["email"], changed.json()["email_verified"]) == ("new@example.com", False)
    assert (await ada.post("/auth/email/verify", json={"token": token})).status_code == 422
    await ada.post("/auth/email/send")
    await container.identity.post.settle()
    assert (await ada.post("/auth/email/verify", json={"token": token_in(mails[-1])})).status_code == 204
    assert (await ada.get("/auth/me")).json()["account"]["email_verified"] is True


@pytest.fixture
async def factor(ada, later):
    """Give the authenticator app of somebody who has just turned the second factor on, and the recovery codes."""
    begun = (await ada.post("/auth/totp", json={"password": PASSWORD})).json()
    app = pyotp.TOTP(begun["secret"])
    assert (await ada.post("/auth/totp/confirm", json={"code": "000000"})).status_code == 401
    confirmed = await ada.post("/auth/totp/confirm", json={"code": app.now()})
    assert confirmed.status_code == 200, confirmed.text
    return app, confirmed.json()["recovery_codes"]


def at(app, container, shift=0):
    """Return the code of the container's time, some steps away."""
    return app.at(container.owners._clock.now(), counter_offset=shift)


async def test_s24_a_code_is_asked_for_and_works_once(container, stranger, factor, later):
    """The password alone is not enough; a code works once, and only near its time."""
    app, _ = factor
    body = {"username": "ada", "password": PASSWORD}
    alone = await stranger.post("/auth/login", json=body)
    assert (alone.status_code, alone.json()["code"]) == (401, "SECOND_FACTOR_REQUIRED")
    later(minutes=2)
    for shift in (-3, -2, 2, 3):
        assert (await stranger.post("/auth/login", json={**body, "code": at(app, container, shift)})).status_code == 401
    code = at(app, container)
    assert (await stranger.post("/auth/login", json={**body, "code": code})).status_code == 200
    again = await stranger.post("/auth/login", json={**body, "code": code})
    assert (again.status_code, again.json()["code"]) == (401, "WRONG_CREDENTIALS")
    before = await stranger.post("/auth/login", json={**body, "code": at(app, container, -1)})
    assert before.status_code == 401


async def test_s24_codes_cannot_be_guessed(stranger, factor):
    """Ten wrong codes a minute, then 429."""
    body = {"username": "ada", "password": PASSWORD}
    statuses = [(await stranger.post("/auth/login", json={**body, "code": f"{number:06}"})).status_code for number in range(20)]
    assert statuses.count(429) >= 9
    assert set(statuses) == {401, 429}


async def test_s24_recovery_codes_work_once_each(container, stranger, factor):
    """Also when one is sent twice at once; only hashes of them are kept."""
    _, codes = factor
    body = {"username": "ada", "password": PASSWORD}
    twins = await asyncio.gather(*(stranger.post("/auth/login", json={**body, "code": codes[0]}) for _ in range(2)))
    assert sorted(answer.status_code for answer in twins) == [200, 401]
    assert (await stranger.post("/auth/login", json={**body, "code": codes[1].upper()})).status_code == 200
    async with container.database.reading() as session:
        user = next(iter((await session.execute(UserRow.__table__.select().where(UserRow.username == "ada"))).all()))
    assert len(user.recovery_codes) == 8
    assert not set(codes) & set(user.recovery_codes)


async def test_a_second_factor_is_taken_away_with_the_password(ada, stranger, factor):
    """Afterwards the password is enough again."""
    assert (await ada.post("/auth/totp/remove", json={"password": "wrong wrong wrong"})).status_code == 401
    assert (await ada.post("/auth/totp", json={"password": PASSWORD})).json()["code"] == "SECOND_FACTOR_STATE"
    assert (await ada.post("/auth/totp/remove", json={"password": PASSWORD})).status_code == 204
    await sign_in(stranger, "ada")


async def test_a_reset_password_does_not_replace_the_second_factor(ada, stranger, factor, mails, container):
    """Whoever reads the mails of somebody still needs the code."""
    assert (await stranger.post("/auth/password/forgot", json={"email": ADA["email"]})).status_code == 202
    await container.identity.post.settle()
    assert (await stranger.post("/auth/password/reset", json={"token": token_in(mails[-1]), "password": NEW})).status_code == 204
    refused = await stranger.post("/auth/login", json={"username": "ada", "password": NEW})
    assert (refused.status_code, refused.json()["code"]) == (401, "SECOND_FACTOR_REQUIRED")
    _, codes = factor
    await sign_in(stranger, "ada", NEW, code=codes[0])


@one_database
async def test_s96_a_flood_of_sign_ins_hashes_two_at_a_time(container, monkeypatch):
    """Fifty passwords at once take two processors, and other work goes on beside them."""
    at_once, most, beside = 0, 0, 0
    check = passwords._matches

    def counted(stored, password):
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        try:
            return check(stored, password)
        finally:
            at_once -= 1

    monkeypatch.setattr(passwords, "_matches", counted)
    monkeypatch.setattr(passwords, "_hasher", lambda: PasswordHasher(time_cost=1, memory_cost=4_096, parallelism=1, type=Type.ID))
    checker = Passwords(15)
    flood = asyncio.gather(*(checker.verify(None, f"wrong {number}") for number in range(50)))
    while not flood.done():
        await asyncio.sleep(0)
        beside += 1
    assert await flood == [False] * 50
    assert most <= passwords.AT_ONCE
    assert beside > 50
