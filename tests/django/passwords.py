"""Passwords: good and damaged encodings, hashers with any parameters, and Django's verdict on them."""

import random
import sys
import types

from django.contrib.auth import hashers
from django.test import override_settings

CLASSES = {
    "pbkdf2_sha256": "PBKDF2PasswordHasher",
    "pbkdf2_sha1": "PBKDF2SHA1PasswordHasher",
    "argon2": "Argon2PasswordHasher",
    "bcrypt_sha256": "BCryptSHA256PasswordHasher",
    "bcrypt": "BCryptPasswordHasher",
    "scrypt": "ScryptPasswordHasher",
    "md5": "MD5PasswordHasher",
    # Until Django 5.0.
    "sha1": "SHA1PasswordHasher",
    "unsalted_md5": "UnsaltedMD5PasswordHasher",
    "unsalted_sha1": "UnsaltedSHA1PasswordHasher",
}
PASSWORDS = ["pässword-1", "", "x", "with\0NUL", "Å" * 3, "a" * 71, "a" * 73, "漢字" * 40, " spaces ", "$"]


def preferring(specifications, **settings):
    """PASSWORD_HASHERS of these classes, each {"algorithm": .., and the class attributes that differ}."""
    module = types.ModuleType("hashers_of_a_test")
    paths = []
    for number, attributes in enumerate(specifications):
        base = getattr(hashers, CLASSES[attributes["algorithm"]])
        setattr(module, f"Hasher{number}", type(f"Hasher{number}", (base,), dict(attributes)))
        paths.append(f"{module.__name__}.Hasher{number}")
    sys.modules[module.__name__] = module
    return override_settings(PASSWORD_HASHERS=paths, **settings)


def make(seed, count, algorithms):
    """Random passwords and encodings, right, of another password, or damaged: [password, encoded]."""
    rng = random.Random(seed)
    return [one(rng, rng.choice(algorithms)) for _ in range(count)]


def one(rng, algorithm):
    password = rng.choice(PASSWORDS)
    while algorithm == "bcrypt" and len(password.encode()) > 72:
        # The library refuses what bcrypt would not read.
        password = rng.choice(PASSWORDS)
    encoded = encode(rng, algorithm, password)
    for _ in range(rng.choice([0, 0, 1, 1, 2])):
        encoded = damage(rng, encoded)
    return [rng.choice([password, password, password, rng.choice(PASSWORDS)]), encoded]


def encode(rng, algorithm, password):
    hasher = getattr(hashers, CLASSES[algorithm])()
    if algorithm.startswith("pbkdf2"):
        hasher.iterations = rng.choice([1, 2, 999, 1000, 1001, 2000])
    elif algorithm == "argon2":
        hasher.time_cost, hasher.parallelism = rng.choice([1, 2]), rng.choice([1, 2, 4])
        hasher.memory_cost = rng.choice([8, 17, 64]) * hasher.parallelism
    elif algorithm.startswith("bcrypt"):
        hasher.rounds = rng.choice([4, 5])
    elif algorithm == "scrypt":
        hasher.work_factor, hasher.block_size = rng.choice([2, 16, 1024]), rng.choice([1, 8])
        hasher.parallelism = rng.choice([1, 5])
    salt = hasher.salt()
    if not algorithm.startswith(("bcrypt", "unsalted")) and rng.random() < 0.3:
        salt = rng.choice(["saltsalt", "sälzsälzsälzsälzsälzsälz", "a" * 21, "b" * 22, "c" * 40])
    if algorithm.startswith("bcrypt"):
        salt = salt.replace(b"$2b$", rng.choice([b"$2b$", b"$2a$", b"$2y$"]))
    return hasher.encode(password, salt)


def damage(rng, encoded):
    at = rng.randrange(len(encoded) + 1)
    parts = encoded.split("$")
    which = rng.randrange(len(parts))
    return rng.choice(
        [
            lambda: encoded[:at] + encoded[at + 1 :],
            lambda: encoded[:at] + rng.choice("$$0Aa=. \n!é") + encoded[at:],
            lambda: encoded[:at],
            lambda: "$".join(parts[:which] + ["0" + parts[which]] + parts[which + 1 :]),
            lambda: "$".join(parts[:which] + [rng.choice(["", "0", "-1", "x", "1_0", "+4", "٣"])] + parts[which + 1 :]),
            lambda: "$".join(parts[:which] + parts[which + 1 :]),
            lambda: encoded.swapcase(),
            lambda: rng.choice(list(CLASSES)) + "$" + encoded.partition("$")[2],
            lambda: "!" + encoded,
            lambda: encoded + rng.choice(["=", "$", "\n", "A"]),
        ]
    )()


def check(checks):
    """What `check_password` returns for each [password, encoded]: right, right but to be encoded again, or its exception."""
    return [check_one(*each) for each in checks]


def check_one(password, encoded):
    updates = []
    try:
        return {"right": hashers.check_password(password, encoded, updates.append), "update": bool(updates)}
    except Exception as error:
        return {"error": type(error).__name__}
