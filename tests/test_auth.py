"""Tokens: what is made is accepted, and thirty ways of cheating are not."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import socket
import subprocess
import sys
from base64 import urlsafe_b64encode
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from reconnect import limits
from reconnect.auth import TOKEN_TYPE, TokenAuthenticator, make_token, peek
from reconnect.core.frames import Join
from reconnect.errors import BadArgument, TokenRejected
from reconnect.ports import Authenticator, Principal
from reconnect.reasons import Reason

SECRET = "canary-secret-of-thirty-two-bytes-and-more"
NOW = 1_700_000_000.0
UNSIGNED = "the token is not one that this hub accepts"

GOOD_HEADER: dict[str, Any] = {"alg": "HS256", "typ": TOKEN_TYPE}
GOOD_CLAIMS: dict[str, Any] = {"session": "room", "role": "publisher", "sub": "alice", "exp": NOW + 60, "data": "canary-claim"}


def authenticate(token: str, *, session: str = "room", key: Any = SECRET, now: float = NOW, **options: Any) -> Principal:
    authenticator: Authenticator = TokenAuthenticator(key, wall=lambda: now, **options)
    return asyncio.run(authenticator(Join(token=token, session=session, sender="s")))


def refused(token: str, **options: Any) -> TokenRejected:
    with pytest.raises(TokenRejected) as caught:
        authenticate(token, **options)
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None
    return caught.value


def segment(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def written(value: Any) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def forge(
    header: Any = GOOD_HEADER, claims: Any = GOOD_CLAIMS, *, key: str | bytes = SECRET, digest: Any = hashlib.sha256
) -> str:
    """Return a token signed with `key`, whatever its parts say."""
    signed = f"{segment(written(header))}.{segment(written(claims))}"
    key = key.encode() if isinstance(key, str) else key
    return f"{signed}.{segment(hmac.new(key, signed.encode(), digest).digest())}"


def but(**changes: Any) -> dict[str, Any]:
    """Return the good claims with some changed, or, where None, left out."""
    return {name: value for name, value in (GOOD_CLAIMS | changes).items() if value is not None}


def claims_text(more: str) -> bytes:
    return (json.dumps(GOOD_CLAIMS)[:-1] + ", " + more + "}").encode()


# -- what is accepted ----------------------------------------------------------------------------------------------------------


def test_a_token_that_was_made_is_accepted() -> None:
    token = make_token(SECRET, session="room", role="moderator", client_id="alice", data="seat 4", lifetime_seconds=60, now=NOW)
    assert authenticate(token) == Principal(
        client_id="alice", session="room", role="moderator", data="seat 4", expires_at=NOW + 60
    )


def test_the_defaults_make_a_publisher_with_a_name_of_its_own() -> None:
    first, second = (authenticate(make_token(SECRET, session="room", now=NOW)) for _ in "12")
    assert first.role == "publisher"
    assert first.client_id != second.client_id
    assert first.expires_at == NOW + 3_600


def test_a_token_lives_from_now_by_default() -> None:
    token = make_token(SECRET, session="room")
    authenticator = TokenAuthenticator(SECRET)
    principal = asyncio.run(authenticator(Join(token=token, session="room", sender="s")))
    assert not principal.expired


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=256), st.text(st.characters(codec="utf-8"), max_size=1_000))
def test_any_name_and_any_data_within_the_limits_travel(name: str, data: str) -> None:
    token = make_token(SECRET, session=name, client_id=name, data=data, now=NOW)
    assert len(token) <= limits.TOKEN_BYTES
    principal = authenticate(token, session=name)
    assert (principal.client_id, principal.data) == (name, data)


def test_the_longest_token_fits() -> None:
    wide = "\U0001f600"
    token = make_token(SECRET, session=wide * 256, client_id=wide * 256, data=wide * 1_000, now=NOW)
    assert authenticate(token, session=wide * 256).data == wide * 1_000


def test_the_forger_of_these_tests_makes_good_tokens() -> None:
    assert authenticate(forge()).client_id == "alice"


def test_unknown_claims_are_ignored() -> None:
    assert authenticate(forge(claims=but(jti="1", scope="x", iat=NOW + 900, iss="someone"))).client_id == "alice"


def test_expiry_is_told_and_not_refused() -> None:
    """What an expired token may still do is the hub's decision."""
    late = limits.TOKEN_LEEWAY_SECONDS + 60
    assert not authenticate(forge(), now=NOW + late - 0.001).expired
    assert authenticate(forge(), now=NOW + late).expired
    assert authenticate(forge(), now=NOW + 61, leeway_seconds=0).expired


def test_a_token_from_a_clock_that_is_a_little_ahead_is_accepted() -> None:
    assert authenticate(forge(claims=but(nbf=NOW + limits.TOKEN_LEEWAY_SECONDS))).client_id == "alice"
    assert authenticate(forge(claims=but(nbf=NOW - 1))).client_id == "alice"


def test_issuer_and_audience_are_compared_as_a_whole() -> None:
    claims = but(iss="https://issuer.example", aud=["other", "hub"])
    assert authenticate(forge(claims=claims), issuer="https://issuer.example", audience="hub").client_id == "alice"
    assert authenticate(forge(claims=claims | {"aud": "hub"}), audience="hub").client_id == "alice"


def test_keys_are_chosen_by_kid() -> None:
    keys = {"old": SECRET, "new": SECRET[::-1]}
    for kid, key in keys.items():
        assert authenticate(forge(GOOD_HEADER | {"kid": kid}, key=key), key=keys).client_id == "alice"
    assert repr(TokenAuthenticator(keys)) == "<TokenAuthenticator HS256 keys=2>"
    assert authenticate(forge(GOOD_HEADER | {"kid": "whatever"})).client_id == "alice"


def pem_pair(private: Any) -> tuple[bytes, bytes]:
    """Return the private and the public key as PEM."""
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    return (
        private.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain),
        private.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo),
    )


EC_PRIVATE, EC_PUBLIC = pem_pair(ec.generate_private_key(ec.SECP256R1()))
RSA_PRIVATE, RSA_PUBLIC = pem_pair(rsa.generate_private_key(public_exponent=65_537, key_size=2_048))


@pytest.mark.parametrize(
    ("algorithm", "private", "public"), [("ES256", EC_PRIVATE, EC_PUBLIC), ("RS256", RSA_PRIVATE, RSA_PUBLIC)]
)
def test_a_hub_may_hold_only_the_public_key(algorithm: str, private: bytes, public: bytes) -> None:
    token = jwt.encode(GOOD_CLAIMS, private, algorithm=algorithm, headers={"typ": TOKEN_TYPE})
    assert authenticate(token, key=public, algorithms=[algorithm]).client_id == "alice"


# -- what is not ---------------------------------------------------------------------------------------------------------------

JWK = {"kty": "oct", "k": segment(SECRET.encode())}
UNACCEPTABLE: dict[str, str] = {
    "empty": "",
    "no token": "canary",
    "two segments": ".".join(forge().split(".")[:2]),
    "four segments": forge() + ".canary",
    "header is no base64": "!" + forge()[1:],
    "header is no JSON": forge(b"{canary"),
    "header is no object": forge(b"[1]"),
    "header nested without end": forge(b"[" * 10_000 + b"]" * 10_000),
    "header names a key twice": forge(b'{"alg":"none","alg":"HS256","typ":"reconnect+jwt"}'),
    "not ASCII": forge().replace(".", "\u00e9", 1),
    "alg none": forge({"alg": "none", "typ": TOKEN_TYPE}).rpartition(".")[0] + ".",
    "alg None": forge({"alg": "None", "typ": TOKEN_TYPE}),
    "alg missing": forge({"typ": TOKEN_TYPE}),
    "alg of the wrong type": forge({"alg": ["HS256"], "typ": TOKEN_TYPE}),
    "another alg of the family": forge({"alg": "HS512", "typ": TOKEN_TYPE}, digest=hashlib.sha512),
    "alg RS256 on a secret": jwt.encode(GOOD_CLAIMS, RSA_PRIVATE, algorithm="RS256", headers={"typ": TOKEN_TYPE}),
    "typ of another use": forge({"alg": "HS256", "typ": "JWT"}),
    "typ missing": forge({"alg": "HS256"}),
    "embedded jwk": forge(GOOD_HEADER | {"jwk": JWK}),
    "jku": forge(GOOD_HEADER | {"jku": "http://127.0.0.1:9/canary"}),
    "x5u": forge(GOOD_HEADER | {"x5u": "http://127.0.0.1:9/canary"}),
    "x5c": forge(GOOD_HEADER | {"x5c": ["canary"]}),
    "unknown crit": forge(GOOD_HEADER | {"crit": ["exp"]}),
    "unencoded payload": forge(GOOD_HEADER | {"b64": False, "crit": ["b64"]}),
    "other secret": forge(key="another-secret-of-thirty-two-bytes-and-more"),
    "empty secret": forge(key=b""),
    "no signature": forge().rpartition(".")[0] + ".",
    "changed claim": forge().split(".")[0] + "." + segment(written(but(role="moderator"))) + "." + forge().split(".")[2],
    "a megabyte": forge(claims=but(data="x" * 1_000_000)),
    "a little too long": forge(claims=but(pad="x" * limits.TOKEN_BYTES)),
}


@pytest.mark.parametrize("case", UNACCEPTABLE)
def test_every_token_that_is_not_signed_as_it_should_be_gets_the_same_answer(case: str) -> None:
    """A46, A53: who cannot sign learns nothing about why."""
    refusal = refused(UNACCEPTABLE[case])
    assert refusal.reason is Reason.DENIED
    assert str(refusal) == UNSIGNED


WRONG = "the token's claims are missing, doubled or of the wrong type"
DENIED: dict[str, tuple[Any, str]] = {
    "claims are no JSON": (b"{canary", WRONG),
    "claims are no object": (b"[]", WRONG),
    "claims are not UTF-8": (b'{"session":"\xff"}', WRONG),
    "claims nested without end": (claims_text('"x": ' + "[" * 10_000 + "]" * 10_000), WRONG),
    "a lone surrogate": (claims_text(r'"pad": "\ud800"'), WRONG),
    "doubled claim": (claims_text('"role": "moderator"'), WRONG),
    "exp missing": (but(exp=None), WRONG),
    "exp is a string": (but(exp=str(NOW + 60)), WRONG),
    "exp is true": (but(exp=True), WRONG),
    "exp is NaN": (but(exp=float("nan")), WRONG),
    "exp is infinite": (but(exp=float("inf")), WRONG),
    "exp is 1e999": (json.dumps(but(exp="E")).replace('"E"', "1e999").encode(), WRONG),
    "exp has 5,000 digits": (json.dumps(but(exp="E")).replace('"E"', "9" * 5_000).encode(), WRONG),
    "nbf is a string": (but(nbf="0"), WRONG),
    "nbf is ahead": (
        but(nbf=NOW + limits.TOKEN_LEEWAY_SECONDS + 1),
        "the token is not valid yet; the clocks of its issuer and of the hub must agree",
    ),
    "session missing": (but(session=None), WRONG),
    "session is a list": (but(session=["room"]), WRONG),
    "session is empty": (but(session=""), "the token's session or sub is empty or too long"),
    "session is too long": (but(session="x" * 257), "the token's session or sub is empty or too long"),
    "sub missing": (but(sub=None), WRONG),
    "sub is empty": (but(sub=""), "the token's session or sub is empty or too long"),
    "sub is too long": (but(sub="x" * 257), "the token's session or sub is empty or too long"),
    "role missing": (but(role=None), WRONG),
    "role of somebody else": (
        but(role="canary"),
        "the token's role is none of subscriber, publisher, moderator; make it with one of these",
    ),
    "data is too long": (but(data="x" * 1_001), "the token's data is too long"),
    "data is an object": (but(data={}), WRONG),
    "an audience that nobody is": (but(aud="hub"), "the token is for another audience; it must name that of this hub"),
    "audiences that nobody is": (but(aud=["hub"]), "the token is for another audience; it must name that of this hub"),
    "audience is a number": (but(aud=1), WRONG),
}


@pytest.mark.parametrize("case", DENIED)
def test_claims_are_held_against_the_table(case: str) -> None:
    """A46: the signature holds and the claims do not."""
    claims, sentence = DENIED[case]
    refusal = refused(forge(claims=claims))
    assert refusal.reason is Reason.DENIED
    assert str(refusal) == sentence


@pytest.mark.parametrize(
    ("claims", "sentence"),
    [
        (
            but(iss="https://issuer.example.evil", aud="hub"),
            "the token is not from the issuer that this hub trusts; ask that one for a token",
        ),
        (but(iss="issuer", aud="hub"), "the token is not from the issuer that this hub trusts; ask that one for a token"),
        (but(aud="hub"), "the token is not from the issuer that this hub trusts; ask that one for a token"),
        (but(iss="https://issuer.example"), "the token is for another audience; it must name that of this hub"),
        (but(iss="https://issuer.example", aud="hub2"), "the token is for another audience; it must name that of this hub"),
        (but(iss="https://issuer.example", aud=[]), "the token is for another audience; it must name that of this hub"),
    ],
)
def test_issuer_and_audience_where_they_are_asked_for(claims: dict[str, Any], sentence: str) -> None:
    """A46: iss as a substring is another issuer."""
    assert str(refused(forge(claims=claims), issuer="https://issuer.example", audience="hub")) == sentence


def test_a_token_is_bound_to_one_session() -> None:
    """Another session is a final answer of its own."""
    refusal = refused(forge(), session="other")
    assert refusal.reason is Reason.WRONG_SESSION
    assert str(refusal) == "the token is for another session"


@pytest.mark.parametrize("kid", [None, "unknown", ["new"], 1])
def test_a_kid_that_names_no_key_is_refused(kid: Any) -> None:
    header = GOOD_HEADER if kid is None else GOOD_HEADER | {"kid": kid}
    assert str(refused(forge(header), key={"new": SECRET})) == UNSIGNED


def test_a_public_key_is_never_taken_for_a_secret() -> None:
    """A46: HS256 signed with the public key, at a hub that expects RS256."""
    token = forge(key=RSA_PUBLIC)
    assert str(refused(token, key=RSA_PUBLIC, algorithms=["RS256"])) == UNSIGNED


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    """A46: no outside fetch, whatever a header names."""

    def forbidden(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a socket was opened")

    tokens = [forge(GOOD_HEADER | {name: "http://127.0.0.1:9/"}) for name in ("jku", "x5u", "kid")]
    authenticator = TokenAuthenticator({"k": SECRET})

    async def verdicts() -> None:
        monkeypatch.setattr(socket, "socket", forbidden)
        for token in tokens:
            with pytest.raises(TokenRejected):
                await authenticator(Join(token=token, session="room", sender="s"))

    asyncio.run(verdicts())


@given(
    st.text()
    | st.builds(lambda place, cut: forge()[:place] + cut + forge()[place + 1 :], st.integers(0, 200), st.text(max_size=3))
)
def test_whatever_comes_as_a_token_is_accepted_or_rejected(token: str) -> None:
    """A57: nothing but TokenRejected escapes, and no change of a good token is accepted for what it changed."""
    try:
        principal = authenticate(token)
    except TokenRejected:
        return
    assert principal.client_id == "alice"


def test_a_token_can_be_looked_at_by_whoever_holds_it() -> None:
    claims = peek(make_token(SECRET, session="room", client_id="alice", now=NOW))
    assert claims is not None
    assert (claims.session, claims.sub, claims.exp) == ("room", "alice", NOW + 3_600)


@pytest.mark.parametrize("token", ["", "canary", "a.b.c", "a.e30.c", "a.\u00e9.c", f"a.{segment(b'[' * 10_000)}.c"])
def test_what_is_no_token_shows_nothing(token: str) -> None:
    assert peek(token) is None


# -- the caller's mistakes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            {"secret": None},
            "there is no secret to sign tokens with: where it is read from the environment, the variable is not set; "
            "make one with: python -c ",
        ),
        ({"secret": 5}, "the secret is a string or bytes, and this is int; make one with: python -c "),
        ({"secret": "short"}, "the secret has 5 bytes and needs at least 32; make one with: python -c "),
        ({"secret": b"\x00" * 31}, "the secret has 31 bytes"),
        ({"session": ""}, "session must be a string of 1 to 256 characters"),
        ({"session": "x" * 257}, "session must be a string of 1 to 256 characters"),
        ({"session": 7}, "session must be a string of 1 to 256 characters"),
        ({"session": "\ud800"}, "session has a character that cannot be written as UTF-8"),
        ({"client_id": ""}, "client_id must be a string of 1 to 256 characters"),
        ({"data": "x" * 1_001}, "data must be a string of 0 to 1000 characters"),
        ({"role": "admin"}, "role is 'admin'; it must be one of subscriber, publisher, moderator"),
        ({"lifetime_seconds": 0}, "lifetime_seconds is 0; it must be a positive number"),
        ({"lifetime_seconds": float("nan")}, "lifetime_seconds is nan; it must be a positive number"),
        ({"lifetime_seconds": float("inf")}, "lifetime_seconds is inf; it must be a positive number"),
    ],
)
def test_make_token_says_what_it_cannot_use(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadArgument) as caught:
        make_token(**{"secret": SECRET, "session": "room"} | arguments)
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("key", "algorithms", "sentence"),
    [
        ("short", ("HS256",), "the secret has 5 bytes"),
        (None, ("HS256",), "there is no secret to sign tokens with"),
        ({"a": SECRET, "b": "short"}, ("HS256",), "the secret has 5 bytes"),
        (SECRET, ("HS256", "HS512"), "the secret has 42 bytes and needs at least 64; make one with: python -c "),
        ({}, ("HS256",), "there is no key"),
        (RSA_PUBLIC, ("HS256",), "a key is not one for HS256; HMAC takes a random secret, the others a public key in PEM"),
        (SECRET, ("ES256",), "a key is not one for ES256"),
        (SECRET, (), "algorithms are []; choose from one family"),
        (SECRET, ("none",), "algorithms are ['none']; choose from one family"),
        (SECRET, ("HS256", "RS256"), "algorithms are ['HS256', 'RS256']; choose from one family"),
    ],
)
def test_an_authenticator_that_would_not_be_safe_is_not_made(key: Any, algorithms: Any, sentence: str) -> None:
    with pytest.raises(BadArgument) as caught:
        TokenAuthenticator(key, algorithms)
    assert str(caught.value).startswith(sentence)


def test_signatures_need_another_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwt.PyJWS, "get_algorithm_by_name", lambda self, name: (_ for _ in ()).throw(NotImplementedError))
    with pytest.raises(BadArgument, match=r"RS256 needs the package cryptography; pip install 'PyJWT\[crypto\]'"):
        TokenAuthenticator(RSA_PUBLIC, ["RS256"])


def test_one_algorithm_may_be_named_as_a_string() -> None:
    assert repr(TokenAuthenticator(SECRET * 2, "HS512")) == "<TokenAuthenticator HS512 keys=1>"


def test_pyjwt_is_loaded_at_first_use() -> None:
    code = "import sys, reconnect.auth; assert 'jwt' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
