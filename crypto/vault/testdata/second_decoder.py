#!/usr/bin/env python3
"""A second decoder of the vault file, written from the specification and not from the Go code.

It opens every file in vectors/ and compares what comes out. It needs Python 3.10 and the package cryptography, 47 or later (for ML-KEM
and Argon2id). Run it without arguments; it prints one line per vector and ends with 1 if any differs.
"""

import base64
import hashlib
import hmac
import json
import pathlib
import re
import struct
import sys
import unicodedata

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


class Refused(Exception):
    """The outcome that a vector names in "expect"."""


def label(word):
    return b"sallyport/v1/" + word.encode() + b"\0"


def lp(data):
    return struct.pack(">H", len(data)) + data


def extract(salt, ikm):
    return hmac.new(salt, ikm, hashlib.sha512).digest()


def expand(key, info, n):
    return HKDFExpand(hashes.SHA512(), n, info).derive(key)


class NoCommitment(Exception):
    pass


def cob_open(key, context, message):
    """C2SP chunked-encryption, Cobblestone-256."""
    salt, commitment, body = message[:24], message[24:56], message[56:]
    info = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0" + salt + context
    material = expand(key, info, 32 + 12 + 32)
    if not hmac.compare_digest(material[44:], commitment):
        raise NoCommitment
    aead, base, plain, number = AESGCM(material[:32]), int.from_bytes(material[32:44], "big"), b"", 0
    while True:
        chunk, body = body[:16400], body[16400:]
        opened = aead.decrypt((base ^ number).to_bytes(12, "big"), chunk, None)
        plain, number = plain + opened, number + 1
        if len(opened) < 16384:
            if body:
                raise InvalidTag
            return plain


def hpke_open(seed, public, info, sealed):
    """RFC 9180 base mode: MLKEM768-X25519, HKDF-SHA256, AES-256-GCM."""
    stretched = hashlib.shake_256(seed).digest(96)
    lattice = MLKEM768PrivateKey.from_seed_bytes(stretched[:64])
    curve = X25519PrivateKey.from_private_bytes(stretched[64:])
    curve_public = curve.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    if lattice.public_key().public_bytes_raw() + curve_public != public:
        raise Refused("forged")
    enc, box = sealed[:1120], sealed[1120:]
    shared = hashlib.sha3_256(
        lattice.decapsulate(enc[:1088])
        + curve.exchange(X25519PublicKey.from_public_bytes(enc[1088:]))
        + enc[1088:] + curve_public + b"\\.//^\\"
    ).digest()
    suite = b"HPKE" + struct.pack(">HHH", 0x647A, 1, 2)

    def labeled_extract(salt, word, ikm):
        return hmac.new(salt, b"HPKE-v1" + suite + word + ikm, hashlib.sha256).digest()

    def labeled_expand(key, word, context, n):
        return HKDFExpand(hashes.SHA256(), n, struct.pack(">H", n) + b"HPKE-v1" + suite + word + context).derive(key)

    context = b"\0" + labeled_extract(b"", b"psk_id_hash", b"") + labeled_extract(b"", b"info_hash", info)
    secret = labeled_extract(shared, b"secret", b"")
    key = labeled_expand(secret, b"key", context, 32)
    nonce = labeled_expand(secret, b"base_nonce", context, 12)
    return AESGCM(key).decrypt(nonce, box, b"")


def b64(text):
    raw = base64.b64decode(text, validate=True)
    if base64.b64encode(raw).decode() != text:
        raise Refused("damaged")
    return raw


def no_duplicates(pairs):
    if len({name for name, _ in pairs}) != len(pairs):
        raise Refused("damaged")
    return dict(pairs)


def parse(text):
    lines = text.encode().split(b"\n")
    if len(lines) != 4 or lines[3] or b"\r" in lines[0] + lines[1] + lines[2]:
        raise Refused("damaged")
    head = json.loads(lines[0], object_pairs_hook=no_duplicates)
    if head["fmt"] != 1 or head["suite"] != 1 or head["names"] != "plain":
        raise Refused("too new")
    for slot in head["slots"]:
        if slot["type"] == "password":
            kdf = slot["kdf"]
            if not (19456 <= kdf["m_kib"] <= 2097152 and 1 <= kdf["t"] <= 16 and 1 <= kdf["p"] <= 8):
                raise Refused("damaged")
    return lines[0], b64(lines[1].decode()), b64(lines[2].decode()), head


def known_to_slot(slot, vector):
    """What a person knows, as 32 bytes, and the slot's salt; None for a slot of another type."""
    if slot["type"] == "recovery" and "recovery_key" in vector:
        return bytes.fromhex(re.sub(r"[\s-]", "", vector["recovery_key"])), b64(slot["salt"])
    if slot["type"] == "password" and "password" in vector:
        kdf = slot["kdf"]
        password = unicodedata.normalize("NFC", vector["password"]).encode()
        salt = b64(kdf["salt"])
        return Argon2id(salt=salt, length=32, iterations=kdf["t"], lanes=kdf["p"], memory_cost=kdf["m_kib"]).derive(password), salt
    return None


def open_slot(slot, known, salt, line, mac, chain, head):
    vault, slot_id = bytes.fromhex(head["vault"]), bytes.fromhex(slot["id"])
    kek = expand(extract(salt, known), label("slot-kek") + vault + lp(slot_id), 32)
    private = cob_open(kek, label("slot-sk") + vault + lp(slot_id), b64(slot["sk"]))
    seed, auth = private[:32], private[32:]
    if not hmac.compare_digest(hmac.new(expand(auth, label("vaultfile"), 32), line, hashlib.sha256).digest(), mac):
        raise Refused("forged")
    generation = struct.pack(">Q", head["gen"])
    try:
        krk = hpke_open(seed, b64(slot["pk"]), label("krk") + vault + lp(slot_id) + generation, b64(slot["krk"]))
        ring = json.loads(cob_open(krk, label("keyring") + vault + generation, b64(head["keyring"])))
    except (InvalidTag, NoCommitment) as error:
        raise Refused("forged") from error
    roots = {row["e"]: b64(row["k"]) for row in ring["vrk"]}
    if max(roots) != head["epoch"]:
        raise Refused("forged")
    if not hmac.compare_digest(hmac.new(expand(roots[head["epoch"]], label("chain"), 32), line, hashlib.sha256).digest(), chain):
        raise Refused("forged")
    return ring, roots


def check_pin(pin, line, head, roots):
    if pin["vault"] != head["vault"]:
        raise Refused("other vault")
    if head["gen"] < pin["gen"] or head["epoch"] < pin["epoch"]:
        raise Refused("rollback")
    if head["gen"] == pin["gen"] and hashlib.sha256(line).digest() != b64(pin["sha256"]):
        raise Refused("rollback")
    if pin["epoch"] not in roots or expand(roots[pin["epoch"]], label("pin"), 32) != b64(pin["pin"]):
        raise Refused("forged")


def open_record(record, head, roots):
    sealed = b64(record["sealed"])
    if sealed[:12] != b"\x89SPR\r\n\x1a\n\x01\x01" + record["kind"].encode() + b"\0":
        raise Refused("damaged")
    key = expand(roots[struct.unpack(">I", sealed[12:16])[0]], label("record"), 32)
    context = label("record") + sealed[:16] + bytes.fromhex(head["vault"]) + lp(record["key"].encode())
    return cob_open(key, context, sealed[16:]).decode()


def open_vector(vector):
    line, mac, chain, head = parse(vector["file"])
    for slot in head["slots"]:
        known = known_to_slot(slot, vector)
        if known is None:
            continue
        try:
            ring, roots = open_slot(slot, *known, line, mac, chain, head)
        except NoCommitment:
            continue
        if "pin" in vector:
            check_pin(json.loads(vector["pin"]), line, head, roots)
        for record in vector.get("records", []):
            if open_record(record, head, roots) != record["content"]:
                raise Refused("other record content")
        return ring
    raise Refused("wrong key")


def main():
    failures = 0
    for path in sorted((pathlib.Path(__file__).parent / "vectors").glob("*.json")):
        vector = json.loads(path.read_text())
        try:
            ring = open_vector(vector)
            outcome = "ok" if (ring["vrk"], ring["vnk"]) == (vector["vrk"], vector["vnk"]) else "other keys"
        except Refused as refused:
            outcome = str(refused)
        good = outcome == vector["expect"]
        failures += not good
        print("ok  " if good else "FAIL", path.stem, "" if good else f"gave {outcome}, expected {vector['expect']}: {vector['comment']}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
