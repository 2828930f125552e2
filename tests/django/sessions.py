"""Rows for django_session: random ones, and signed ones that Django itself would not write."""

import base64
import datetime
import gzip
import json
import random
import string
import zlib
from importlib import import_module

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.core import signing
from django.utils import timezone

SessionStore = import_module(settings.SESSION_ENGINE).SessionStore
Session = SessionStore.get_model_class() if hasattr(SessionStore, "get_model_class") else None

NUMBERS = [0, -1, 1.5, -0.0, 1e16, 1e-7, 5e-324, 2**31, 2**53 + 1, 2**63, 2**64, -(10**40), 10**400]
NUMBERS += [float("nan"), float("inf"), float("-inf"), True, False, None]
ALPHABETS = [
    string.ascii_letters + string.digits,
    string.printable,
    "äöüß€漢字😀\u00a0\u2028\x7f",
    # Lone surrogates and controls; no NUL, which PostgreSQL does not store as a key.
    "\ud800\udfff\x01\x1f\"\\/<>&'",
]


def make(seed, count):
    """Stores `count` random sessions. The same seed makes the same ones, save for the users and the time."""
    rng = random.Random(seed)
    users = list(get_user_model()._base_manager.order_by("pk")[:20])
    now = timezone.now()
    made = []
    for _ in range(count):
        user = rng.choice(users) if users and rng.random() < 0.5 else None
        data = session(rng, user)
        session_data = SessionStore().encode(data)
        if rng.random() < 0.1:
            session_data = signing.dumps(data, salt=SessionStore().key_salt, compress=False)
        damaged = rng.random() < 0.3
        if damaged:
            session_data = damage(rng, session_data)
        # Most are far from now. Some are close, but not so close that a request could see either side.
        distance = rng.choice([1, 1, 1, 1, -1]) * rng.choice([300, 3600, 86400, 1209600]) * (1 + rng.random())
        ends = now + datetime.timedelta(seconds=distance)
        made.append((Session(session_key=key(rng), session_data=session_data, expire_date=ends), damaged, user))
    Session.objects.bulk_create([row for row, _, _ in made])
    return [
        {
            "key": row.session_key,
            "expire_date": row.expire_date.isoformat(timespec="microseconds"),
            "damaged": damaged,
            "username": user and user.get_username(),
        }
        for row, damaged, user in made
    ]


# Changes that turn a JSON text into another one, or into text that is not JSON.
FRAGMENTS = [b" ", b"\n", b"\x0b", b"\xa0", b"\x00", b",", b":", b'"', b"\\", b"{", b"}", b"[", b"]", b"'", b"-", b"+", b"0"]
FRAGMENTS += [b".", b"e", b"E5", b"1E400", b"NaN", b"-Infinity", b"-NaN", b"null", b"True", b"01", b"-0", b"-0.0", b"//"]
FRAGMENTS += [b"\\ud800", b"\\udc00", b"\\u00e9", b"\\x41", b"\\/", b"\x7f", b"\xe9", b"\xc3\xa9", b"\xff", b"\xef\xbb\xbf"]
FRAGMENTS += [b'"a":1,', b',"a":2', b'"\\u0061":3,', b"9" * 4299, b"9" * 4301, b"[" * 300 + b"]" * 300]


def make_odd(seed, count):
    """Stores `count` random texts, all with a good signature: odd JSON, odd base64, odd zlib streams."""
    rng = random.Random(seed)
    ends = timezone.now() + datetime.timedelta(days=1)
    rows = [Session(session_key=key(rng), session_data=sign(body=odd(rng)), expire_date=ends) for _ in range(count)]
    Session.objects.bulk_create(rows)
    return [{"key": row.session_key} for row in rows]


def odd(rng):
    separators = rng.choice([(",", ":"), (", ", ": "), (" ,\n", "\t:\r ")])
    text = json.dumps(session(rng, None), ensure_ascii=rng.random() < 0.7, separators=separators)
    raw = text.encode("utf-8", "surrogatepass")
    for _ in range(rng.choice([0, 1, 1, 1, 2, 5])):
        place = rng.randrange(len(raw) + 1)
        raw = raw[:place] + rng.choice([b"", *FRAGMENTS]) + raw[place + rng.randrange(2) :]
    compress = rng.random() < 0.4
    if compress:
        raw = zlib.compress(raw, rng.randrange(10))
        if rng.random() < 0.3:
            raw = rng.choice([raw + b"rest", raw + raw, raw[:-1], raw[:-4], raw[2:-4], b"\x00" + raw])
    body = rng.choice([base64.urlsafe_b64encode, base64.b64encode])(raw).decode().rstrip("=")
    if rng.random() < 0.3:
        # Not "=", which ends the text on some versions of Python and does not on others.
        place = rng.randrange(len(body) + 1)
        body = body[:place] + rng.choice(["!", " ", "\n", "a", "-", "é", ""]) + body[place + rng.randrange(2) :]
    return ("." if compress else "") + body + rng.choice(["", "", "=", "=="])


def session(rng, user):
    data = {text(rng): value(rng) for _ in range(rng.choice([0, 1, 2, 5, 20]))}
    if rng.random() < 0.05:
        data[text(rng)] = "x" * rng.randrange(100_000)
    if user is None:
        return data
    data[SESSION_KEY] = user._meta.pk.value_to_string(user)
    data[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    data[HASH_SESSION_KEY] = user.get_session_auth_hash()
    if rng.random() < 0.2:
        name = rng.choice([SESSION_KEY, BACKEND_SESSION_KEY, HASH_SESSION_KEY])
        data.pop(name) if rng.random() < 0.4 else data.update({name: value(rng)})
    items = list(data.items())
    rng.shuffle(items)
    return dict(items)


def value(rng, depth=0):
    kind = rng.randrange(8 if depth < 4 else 5)
    if kind < 2:
        return text(rng)
    if kind < 4:
        return rng.choice(NUMBERS)
    if kind == 4:
        return rng.random() * 10 ** rng.randrange(-20, 20)
    if kind == 5:
        return [value(rng, depth + 1) for _ in range(rng.randrange(4))]
    if kind == 6:
        return {text(rng): value(rng, depth + 1) for _ in range(rng.randrange(4))}
    nested = value(rng, depth + 1)
    for _ in range(rng.choice([1, 10, 100, 200])):
        nested = [nested] if rng.random() < 0.5 else {"": nested}
    return nested


def text(rng):
    return "".join(rng.choices(rng.choice(ALPHABETS), k=rng.choice([0, 1, 3, 8, 30])))


def key(rng):
    """A unique text: its first eight characters are random."""
    start = "".join(rng.choices(string.ascii_lowercase + string.digits, k=8))
    if rng.random() < 0.8:
        return start + "".join(rng.choices(string.ascii_lowercase + string.digits, k=24))
    tail = rng.choice([string.ascii_letters + string.digits + "-_", "äé漢😀%+ '\"\\,=()<>@:/[]?{}"])
    return start + "".join(rng.choices(tail, k=rng.randrange(33)))


def damage(rng, session_data):
    place = rng.randrange(len(session_data))
    other = rng.choice(string.printable[:94] + "é")
    return rng.choice(
        [
            session_data[:place],
            session_data[place:],
            session_data[:place] + other + session_data[place:],
            session_data[:place] + other + session_data[place + 1 :],
            session_data[:place] + session_data[place + 1 :],
            session_data.swapcase(),
            session_data + "=",
            session_data.replace(":", "", 1),
            signing.Signer(salt=SessionStore().key_salt).sign(session_data.split(":")[0]),
            signing.TimestampSigner(salt=SessionStore().key_salt).sign(session_data[:place]),
            signing.TimestampSigner(salt=SessionStore().key_salt).sign(session_data[:-place]),
            signing.TimestampSigner(salt="elsewhere").sign(session_data.split(":")[0]),
        ]
    )


STREAMS = {
    "trailing": lambda stream, raw: stream + b"trailing",
    "twice": lambda stream, raw: stream + stream,
    "truncated": lambda stream, raw: stream[:-5],
    "adler": lambda stream, raw: stream[:-1] + bytes([stream[-1] ^ 1]),
    "raw": lambda stream, raw: stream[2:-4],
    "gzip": lambda stream, raw: gzip.compress(raw),
}


def sign(
    obj_json=None,
    obj_hex=None,
    body=None,
    compress=False,
    level=6,
    stream=None,
    timestamp=True,
    salt=SessionStore().key_salt,
    secret=None,
    secret_hex=None,
    algorithm="sha256",
):
    """A row's text, signed.

    The object is JSON text (`obj_json`, in UTF-8), bytes (`obj_hex`), or `body`, the encoded text as it stands.
    `compress` is false, "always" or true: as Django does, when that is shorter. `stream`, one of STREAMS, is a
    compressed text that Django would not write. `timestamp` is true for now, an
    integer, a text as it stands or null for none.
    """
    if body is None:
        raw = bytes.fromhex(obj_hex) if obj_hex is not None else obj_json.encode()
        compressed = zlib.compress(raw, level)
        if stream is not None:
            compress, compressed = "always", STREAMS[stream](compressed, raw)
        use = compress == "always" or (compress and len(compressed) < len(raw) - 1)
        body = ("." if use else "") + base64.urlsafe_b64encode(compressed if use else raw).rstrip(b"=").decode()
    if timestamp is True:
        timestamp = int(timezone.now().timestamp())
    if timestamp is not None:
        body += ":" + (timestamp if isinstance(timestamp, str) else signing.b62_encode(timestamp))
    secret = bytes.fromhex(secret_hex) if secret_hex is not None else secret or settings.SECRET_KEY
    return signing.Signer(key=secret, salt=salt, algorithm=algorithm).sign(body)
