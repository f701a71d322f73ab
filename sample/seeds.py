"""One rule for every random number: hash what the number is for.

Neighbouring integer seeds share streams in several engines (vLLM gives child i of a request
``seed + i``), so a seed is never derived by addition.
"""

import hashlib


def derive_seed(*parts: object) -> int:
    """A 63-bit seed from (run seed, problem, arm, replicate, step) or any other key.

    The parts are joined with an unprintable separator, so ("a", "bc") and ("ab", "c") differ.
    """
    key = "\x1f".join(str(part) for part in parts).encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big") >> 1
