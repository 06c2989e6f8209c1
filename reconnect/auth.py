"""Tokens: making them, and turning a join into a Principal. The only room of PyJWT, which is loaded at first use.

A token is a signed JWT of the explicit type `reconnect+jwt` (RFC 8725, section 3.11) with the claims of `Claims` below. The rules
that this module keeps:

- Nothing is parsed before its size is known, and no claim is looked at before the signature holds.
- The algorithm is the hub's choice, never the token's. A header that names another key, or anything else than `alg`, `typ` and
  `kid`, is refused (RFC 8725, sections 3.1 and 3.10; RFC 7515, section 4.1.11).
- Every refusal before the signature holds is the same sentence, and no sentence repeats what a token contains.
- An expired token is told as such: it may take a connection back, and never makes a new one. That is the hub's decision.
"""

from __future__ import annotations

import json
import secrets
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from reconnect.core.frames import Join
from reconnect.errors import BadArgument, TokenRejected
from reconnect.limits import (
    MEMBER_DATA_CHARACTERS,
    NAME_CHARACTERS,
    SECRET_BYTES,
    TOKEN_BYTES,
    TOKEN_LEEWAY_SECONDS,
    TOKEN_LIFETIME_SECONDS,
)
from reconnect.ports import Principal
from reconnect.reasons import Reason
from reconnect.record import Record

TOKEN_TYPE: Final = "reconnect+jwt"  # noqa: S105  # a type, not a token
ROLES: Final = ("subscriber", "publisher", "moderator")
HMAC_ALGORITHMS: Final = {"HS256": SECRET_BYTES, "HS384": 48, "HS512": 64}  # with the least bytes of a secret (RFC 7518, 3.2)
SIGNATURE_ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)

Key = str | bytes


class Claims(Record, kw_only=True):
    """What a token says. Times are Unix seconds; `sub` is the client's id."""

    session: str
    role: str
    sub: str
    exp: float
    nbf: float | None = None
    iss: str | None = None
    aud: str | list[str] | None = None
    data: str = ""


def make_token(
    secret: Key,
    *,
    session: str,
    role: str = "publisher",
    client_id: str | None = None,
    data: str = "",
    lifetime_seconds: float = TOKEN_LIFETIME_SECONDS,
    now: float | None = None,
) -> str:
    """Return a token for one client of one session; `client_id` is random where it does not matter. Raises BadArgument."""
    import jwt

    check_secret(secret)
    issued = time.time() if now is None else now
    client_id = secrets.token_hex(8) if client_id is None else client_id
    _check_claim("session", session, NAME_CHARACTERS)
    _check_claim("client_id", client_id, NAME_CHARACTERS)
    _check_claim("data", data, MEMBER_DATA_CHARACTERS, empty=True)
    if role not in ROLES:
        raise BadArgument(f"role is {role!r}; it must be one of {', '.join(ROLES)}")
    if not 0 < lifetime_seconds < float("inf"):
        raise BadArgument(f"lifetime_seconds is {lifetime_seconds!r}; it must be a positive number")
    claims = {"session": session, "role": role, "sub": client_id, "iat": issued, "exp": issued + lifetime_seconds, "data": data}
    return jwt.encode(claims, secret, algorithm="HS256", headers={"typ": TOKEN_TYPE})


def peek(token: str) -> Claims | None:
    """Return what a token says, unverified, to be shown to whoever holds it; None where it cannot be read."""
    try:
        segment = token.split(".")[1]
        return msgspec.json.decode(urlsafe_b64decode(segment + "=" * (-len(segment) % 4)), type=Claims)
    except (msgspec.DecodeError, ValueError, LookupError, RecursionError):
        return None


class TokenAuthenticator:
    """Verifies tokens (ports.Authenticator).

    `key` is the secret, a public key (PEM), or several by their `kid`. Where `issuer` or `audience` is given, the token must name
    it; a token that names an audience is refused where none is given (RFC 7519, section 4.1.3). `wall` is Unix time.
    """

    def __init__(
        self,
        key: Key | Mapping[str, Key],
        algorithms: Sequence[str] = ("HS256",),
        *,
        leeway_seconds: float = TOKEN_LEEWAY_SECONDS,
        issuer: str | None = None,
        audience: str | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._algorithms = _checked_algorithms(algorithms)
        keys = key.items() if isinstance(key, Mapping) else [(None, key)]
        self._keys: dict[str | None, Key] = dict(keys)
        if not self._keys:
            raise BadArgument("there is no key; give the secret, a public key, or a mapping from kid to key")
        for each in self._keys.values():
            _check_key(each, self._algorithms)
        self._leeway = leeway_seconds
        self._issuer, self._audience = issuer, audience
        self._wall = wall

    def __repr__(self) -> str:
        return f"<TokenAuthenticator {'/'.join(self._algorithms)} keys={len(self._keys)}>"

    async def __call__(self, join: Join) -> Principal:
        """Return who the join's token speaks for; raise TokenRejected."""
        claims = self._claims(self._verified(join.token))
        now = self._wall()
        if claims.nbf is not None and claims.nbf > now + self._leeway:
            raise _denied("the token is not valid yet; the clocks of its issuer and of the hub must agree")
        self._check_parties(claims)
        if claims.session != join.session:
            raise TokenRejected(Reason.WRONG_SESSION, "the token is for another session")
        return Principal(
            client_id=claims.sub,
            session=claims.session,
            role=claims.role,
            data=claims.data,
            expires_at=claims.exp,
            expired=now >= claims.exp + self._leeway,
        )

    def _verified(self, token: str) -> bytes:
        """Return the payload of a token whose form and signature hold."""
        import jwt

        try:
            if len(token) > TOKEN_BYTES:
                raise ValueError
            header = _read_header(token)
            if header.get("typ") != TOKEN_TYPE or header.get("alg") not in self._algorithms or header.keys() - _HEADER:
                raise ValueError
            key = self._keys[None if None in self._keys else header["kid"]]
            payload: bytes = jwt.PyJWS().decode_complete(token, key, algorithms=self._algorithms)["payload"]
        except (jwt.PyJWTError, ValueError, LookupError, TypeError, RecursionError):
            # One sentence for all: who cannot sign learns nothing about why.
            raise _denied("the token is not one that this hub accepts") from None
        return payload

    def _claims(self, payload: bytes) -> Claims:
        try:
            json.loads(payload, object_pairs_hook=_without_duplicates)
            claims = msgspec.json.decode(payload, type=Claims)
        except (msgspec.DecodeError, ValueError, RecursionError):
            raise _denied("the token's claims are missing, doubled or of the wrong type") from None
        if claims.role not in ROLES:
            raise _denied(f"the token's role is none of {', '.join(ROLES)}; make it with one of these")
        if not (_fits(claims.session, NAME_CHARACTERS) and _fits(claims.sub, NAME_CHARACTERS)):
            raise _denied("the token's session or sub is empty or too long")
        if len(claims.data) > MEMBER_DATA_CHARACTERS:
            raise _denied("the token's data is too long")
        return claims

    def _check_parties(self, claims: Claims) -> None:
        if self._issuer is not None and claims.iss != self._issuer:
            raise _denied("the token is not from the issuer that this hub trusts; ask that one for a token")
        audiences = [] if claims.aud is None else [claims.aud] if isinstance(claims.aud, str) else claims.aud
        if (audiences or self._audience is not None) and self._audience not in audiences:
            raise _denied("the token is for another audience; it must name that of this hub")


_HEADER: Final = frozenset({"alg", "typ", "kid"})


def _denied(sentence: str) -> TokenRejected:
    return TokenRejected(Reason.DENIED, sentence)


def _read_header(token: str) -> dict[str, Any]:
    segment = token.split(".", 1)[0]
    header = json.loads(urlsafe_b64decode(segment + "=" * (-len(segment) % 4)), object_pairs_hook=_without_duplicates)
    if not isinstance(header, dict):
        raise ValueError("not an object")
    return header


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object; two readers of a doubled name could believe different things (RFC 8725, section 2.9)."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _fits(name: str, characters: int) -> bool:
    return 0 < len(name) <= characters


def check_secret(secret: object, least: int = SECRET_BYTES, *, missing: str = "there is no secret to sign tokens with") -> None:
    """Raise BadArgument where this is no secret to sign tokens with; `missing` is what to say where there is none at all."""
    how = f"""make one with: python -c "import secrets; print(secrets.token_urlsafe({least}))\""""
    if secret is None:
        raise BadArgument(f"{missing}: where it is read from the environment, the variable is not set; {how}")
    if not isinstance(secret, str | bytes):
        raise BadArgument(f"the secret is a string or bytes, and this is {type(secret).__name__}; {how}")
    size = len(secret.encode() if isinstance(secret, str) else secret)
    if size < least:
        raise BadArgument(f"the secret has {size} bytes and needs at least {least}; {how}")


def _check_key(key: Key, algorithms: Sequence[str]) -> None:
    """Refuse now a key that could verify nothing; each token would be told that it is the one at fault."""
    import jwt

    for name in algorithms:
        if name in HMAC_ALGORITHMS:
            check_secret(key, HMAC_ALGORITHMS[name])
        try:
            jwt.PyJWS().get_algorithm_by_name(name).prepare_key(key)
        except NotImplementedError:
            raise BadArgument(f"{name} needs the package cryptography; pip install 'PyJWT[crypto]'") from None
        except (jwt.PyJWTError, ValueError, TypeError):
            raise BadArgument(
                f"a key is not one for {name}; HMAC takes a random secret, the others a public key in PEM"
            ) from None


def _check_claim(name: str, value: str, characters: int, *, empty: bool = False) -> None:
    if not isinstance(value, str) or len(value) > characters or not (value or empty):
        raise BadArgument(f"{name} must be a string of {0 if empty else 1} to {characters} characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadArgument(f"{name} has a character that cannot be written as UTF-8") from None


def _checked_algorithms(algorithms: Sequence[str]) -> list[str]:
    chosen = [algorithms] if isinstance(algorithms, str) else list(algorithms)
    for family in (HMAC_ALGORITHMS.keys(), SIGNATURE_ALGORITHMS):
        if chosen and family >= set(chosen):
            return chosen
    known = ", ".join(sorted(HMAC_ALGORITHMS.keys() | SIGNATURE_ALGORITHMS))
    raise BadArgument(f"algorithms are {chosen!r}; choose from one family, never mixed with the other: {known}")
