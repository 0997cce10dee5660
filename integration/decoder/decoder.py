#!/usr/bin/python3
"""A second reader of Sallyport's object files and upload notes, written from docs/FORMAT.md and from nothing else.

    decoder.py --vault HEX (--vrk HEX --epoch N | --customer-key HEX) FILE OUT
    decoder.py < JOBS          one JSON object a line in, one a line out, in the same order

OUT appears only when the whole file was verified; the metadata is printed. A refusal says why and exits with 1. It needs the package cryptography
(Debian: python3-cryptography). A job has "file", "vault" and "vrk" with "epoch" or "customer_key", may have "out", and for a note "kind", "upload", "part".
An answer has "result" (FORMAT.md section 12), "why", "metadata" or "note", "parts", and in "released" and "released_sha256" what streaming would let go.
"""

import argparse
import base64
import hashlib
import hmac
import io
import json
import os
import re
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

CHUNK, TAG, LEAST_PART, FRAME_HEAD, TAIL = 16384, 16, 5 << 20, 112, 3904
FRAME_MAGIC, TAIL_MAGIC = bytes.fromhex("895350460d0a1a0a"), bytes.fromhex("895350540d0a1a0a")
CHECKSUM_LENGTHS = {"CRC32": 4, "CRC32C": 4, "CRC64NVME": 8, "XXHASH64": 8, "XXHASH3": 8, "MD5": 16, "XXHASH128": 16, "SHA1": 20, "SHA256": 32, "SHA512": 64}

class Refused(Exception):
    def __init__(self, result, why):
        super().__init__(why)
        self.result = result

def demand(condition, why, result="damaged"):
    if not condition:
        raise Refused(result, why)

# Notation and section 1: sealing.
def word(name):
    return b"sallyport/v1/" + name.encode() + b"\0"

def u(bits, value):
    return value.to_bytes(bits // 8, "big")

def number(data):
    return int.from_bytes(data, "big")

def lp(data):
    return u(16, len(data)) + data

def expand(key, info, length=32):
    return HKDFExpand(hashes.SHA512(), length, info).derive(key)

def extract(salt, data):
    return hmac.new(salt, data, hashlib.sha512).digest()

def chunks_of(key, context, salt, commitment, read, length, otherwise="damaged"):
    """Yields the verified chunks of a message of that many plaintext bytes, the last one short and perhaps empty."""
    material = expand(key, b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0" + salt + context, 76)
    demand(hmac.compare_digest(material[44:], commitment), "the commitment differs", otherwise)
    cipher, base = AESGCM(material[:32]), number(material[32:44])
    for i in range(length // CHUNK + 1):
        box = read(min(CHUNK, length - i * CHUNK) + TAG)
        try:
            yield cipher.decrypt(u(96, base ^ i), box, None)
        except InvalidTag:
            raise Refused("damaged", f"chunk {i} does not open") from None

def length_in(sealed):
    """The plaintext length of a message that is sealed bytes long: only the last chunk is short."""
    full, rest = divmod(sealed - 56, CHUNK + TAG)
    demand(sealed >= 56 + TAG and rest >= TAG, "no message has this length")
    return full * CHUNK + rest - TAG

def message(key, context, data, otherwise="damaged"):
    return b"".join(chunks_of(key, context, data[:24], data[24:56], io.BytesIO(data[56:]).read, length_in(len(data)), otherwise))

# Section 3: sizes.
def file_length(plain):
    return plain + TAG * (plain // CHUNK + 1) + 512 * (plain // LEAST_PART) + 4080

def plain_length(size):
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if file_length(middle) < size else (low, middle)
    demand(file_length(low) == size and low < 1 << 48, "no object has this length")
    return low

# Section 10: JSON.
class Integer(int):
    """A number that was written without sign, fraction and exponent."""

def once(pairs):
    demand(len(dict(pairs)) == len(pairs), "a key comes twice")
    return dict(pairs)

def inspect(value, depth):
    """Refuses half surrogate pairs and deep nesting."""
    if isinstance(value, str):
        demand(not re.search("[\ud800-\udfff]", value), "half of a surrogate pair")
    elif isinstance(value, (dict, list)):
        demand(depth <= 8, "JSON nests too deep")
        for item in list(value) + list(value.values() if isinstance(value, dict) else []):
            inspect(item, depth + 1)

def integer(low, high):
    return lambda value: demand(isinstance(value, Integer) and low <= value <= high, "not an integer, or out of range")

def text(least):
    return lambda value: demand(isinstance(value, str) and len(value) >= least, "not a string, or empty")

def raw(value):
    ANY(value)
    try:
        data = base64.b64decode(value.encode(), validate=True)
    except ValueError:
        raise Refused("damaged", "not base64") from None
    demand(base64.b64encode(data).decode() == value, "base64 in another spelling")
    return data

def base64_of(*lengths):
    return lambda value: demand(len(raw(value)) in lengths, "base64 of another length")

def named(check):
    def check_all(value):
        demand(isinstance(value, dict), "not an object")
        for item in value.values():
            check(item)
    return check_all

def members(known, value):
    """Known is a table of name, check and whether it must be there (None: the caller looks)."""
    demand(isinstance(value, dict), "not an object")
    for name in value:
        demand(name in known or "a" <= name[:1] <= "z", f"unknown key {name!r}")
    for name, (check, must) in known.items():
        demand(name in value or not must, f"{name} is missing")
        if name in value:
            check(value[name])

def sealed_json(data, known):
    try:
        value = json.loads(data.decode(), object_pairs_hook=once, parse_constant=int,  # which refuses NaN and Infinity
                           parse_int=lambda digits: int(digits) if digits.startswith("-") else Integer(digits))
    except (ValueError, RecursionError) as error:
        raise Refused("damaged", f"not JSON: {error}") from None
    inspect(value, 0)
    members(known, value)
    for plain, others in (("h", "hx"), ("m", "mx")):
        demand(not set(value.get(plain, ())) & set(value.get(others, ())), f"a name stands in {plain} and {others}")
    return value

ANY, FILLED, LENGTH, PART = text(0), text(1), integer(0, (1 << 48) - 1), integer(0, 10000)
SEALED_CHUNKS = {"fs": (base64_of(24), True), "fc": (base64_of(32), True)}
PLACE_AND_HEADERS = {"b": (FILLED, True), "k": (FILLED, True), "h": (named(ANY), False), "hx": (named(raw), False),
                     "m": (named(ANY), False), "mx": (named(raw), False)}
CHECKSUM = {"a": (ANY, True), "t": (ANY, True), "v": (ANY, True), "pv": (FILLED, None)}
TAIL_METADATA = {"p": (LENGTH, True), "n": (integer(1, 10000), True), "pn": (PART, None), **SEALED_CHUNKS, **PLACE_AND_HEADERS,
                 "e": (ANY, False), "ck": (lambda value: members(CHECKSUM, value), False),
                 "t": (integer(0, 253402300799999), True), "w": (integer(0, (1 << 31) - 1), True)}
NOTES = {
    "upload-note": {**PLACE_AND_HEADERS, "pr": (ANY, True), "ca": (FILLED, None), "ct": (FILLED, None), "kt": (base64_of(32), None), "kl": (base64_of(32), None)},
    "part-note": {"n": (PART, True), "p": (LENGTH, True), "md5": (base64_of(16), False), "ck": (base64_of(*range(65)), False), **SEALED_CHUNKS,
                  "e": (FILLED, True), "be": (FILLED, None), "held": (FILLED, None), "hh": (base64_of(32), None)},
    "done-note": {"e": (ANY, True)}}

# Section 2: the object file.
class Release:
    """What a program that streams may let go: each chunk once a later one was verified, the last when everything was."""
    def __init__(self, out):
        self.out, self.held, self.count, self.digest = out, b"", 0, hashlib.sha256()

    def verified(self, chunk):
        if chunk:
            self.everything()
            self.held = chunk

    def everything(self):
        self.count += len(self.held)
        self.digest.update(self.held)
        if self.out:
            self.out.write(self.held)
        self.held = b""

def object_secret(job, mode, epoch, vault, salt):
    if mode == b"V":
        demand("vrk" in job and job.get("epoch") == epoch, f"no root key of epoch {epoch}", "wrong key")
        return expand(expand(bytes.fromhex(job["vrk"]), word("obj")), word("os-v") + vault + u(32, epoch) + salt)
    demand("customer_key" in job, "sealed under a client's own key", "wrong key")
    return expand(extract(salt, bytes.fromhex(job["customer_key"])), word("os-c"))

def table_entries(data, meta):
    parts, length = [], CHECKSUM_LENGTHS.get(meta.get("ck", {}).get("a"), 64)
    for at in range(0, len(data), 152):
        row = data[at:at + 152]
        part, flags, plain = number(row[:2]), number(row[2:4]), number(row[8:16])
        demand(flags < 4 and not any(row[4:8]) and ("ck" in meta or flags < 2), "a table entry has other flags, no zeros, or a checksum of no algorithm")
        demand((flags & 1 or not any(row[72:88])) and not any(row[88 + (length if flags & 2 else 0):]), "an absent MD5 or checksum is not zero")
        demand((parts[-1]["part"] if parts else 0) < part <= 10000, "part numbers do not ascend")
        parts.append({"part": part, "plain": plain, "fs": row[16:40], "fc": row[40:72],
                      "md5": row[72:88].hex() if flags & 1 else None, "checksum": row[88:88 + length].hex() if flags & 2 else None})
    demand(all(part["plain"] >= LEAST_PART for part in parts[:-1]), "a part but the last is short")
    demand(sum(part["plain"] for part in parts) == meta["p"], "the parts do not add up")
    return parts

def open_object(job, file, release):
    def read(count):
        data = file.read(count)
        demand(len(data) == count, "the file ends too early")
        return data

    size = file.seek(0, os.SEEK_END)
    demand(size >= TAIL, "shorter than a tail", "foreign")
    file.seek(size - TAIL)
    tail = read(TAIL)
    demand(tail[:8] == TAIL_MAGIC, "no tail at the end", "foreign")
    clear, mode, epoch, vault, salt = tail[8:16], tail[10:11], number(tail[12:16]), tail[16:32], tail[32:64]
    demand(clear[:2] == b"\1\1" and mode in (b"V", b"C") and clear[3] == 0 and (mode == b"V" or epoch == 0), "another version, suite, mode or flag", "unsupported")
    plain = plain_length(size)
    demand(vault == bytes.fromhex(job["vault"]), "another vault", "wrong key")
    secret = object_secret(job, mode, epoch, vault, salt)
    meta = sealed_json(message(expand(secret, word("tail")), word("tail") + tail[:64], tail[64:], "wrong key").rstrip(b"\0"), TAIL_METADATA)
    demand(("pn" in meta) == (meta["n"] == 1), "pn stands if and only if n is 1")
    demand("ck" not in meta or ("pv" in meta["ck"]) == (meta.get("pn", 0) > 0), "pv stands if and only if pn is there and not 0")
    demand(meta["p"] == plain, "the file has not the length of its object")
    front, end = raw(meta["fs"]) + raw(meta["fc"]), size - TAIL
    if meta["n"] == 1:
        frames = [{"part": meta["pn"], "plain": plain, "fs": front[:24], "fc": front[24:]}]
    else:
        end -= 56 + 152 * meta["n"] + TAG * (152 * meta["n"] // CHUNK + 1)
        demand(end >= 0, "no place for the table")
        file.seek(end)
        table = read(size - TAIL - end)
        demand(hmac.compare_digest(table[:56], front), "not the table that the tail names")
        frames = table_entries(message(expand(secret, word("table")), word("table") + salt, table), meta)
    key = expand(secret, word("frame"))
    file.seek(0)
    for frame in frames:
        head = FRAME_MAGIC + clear + u(16, frame["part"]) + u(48, frame["plain"]) + salt
        demand(hmac.compare_digest(read(FRAME_HEAD), head + frame["fs"] + frame["fc"]), f"not the frame of part {frame['part']}")
        for chunk in chunks_of(key, word("frame") + head, frame["fs"], frame["fc"], read, frame["plain"]):
            release.verified(chunk)
    while file.tell() < end:
        demand(not any(read(min(65536, end - file.tell()))), "the zeros are none")
    release.everything()
    return {"metadata": meta, "parts": [{name: part[name] for name in ("part", "plain", "md5", "checksum")} for part in frames if meta["n"] > 1]}

# Section 6: the notes of an upload.
def open_note(job, file, _):
    data = file.read(16385)
    demand(40 + 56 + TAG <= len(data) <= 16384, "no note has this length", "foreign")
    demand(data[0] == 1 and data[1:2] in (b"V", b"C") and not any(data[2:4]), "another version or mode", "unsupported")
    demand(number(data[4:8]) == job["epoch"], "no root key of this epoch", "wrong key")
    context = word("upload") + bytes.fromhex(job["vault"]) + lp(job["upload"].encode()) + u(16, job.get("part", 0)) + data[:40]
    note = sealed_json(message(expand(bytes.fromhex(job["vrk"]), word("state")), context, data[40:], "wrong key"), NOTES[job["kind"]])
    if job["kind"] == "upload-note":
        demand(("kt" in note, "kl" in note) == (data[1:2] == b"C",) * 2, "kt and kl stand in mode C only")
        demand(("ca" in note) == ("ct" in note), "ca and ct stand together")
    elif job["kind"] == "part-note":
        demand(note["n"] == job["part"] and ("be" in note) != ("held" in note) and ("held" in note or "hh" not in note), "a note of another part, or of a part that is nowhere")
    return {"note": note}

def answer_to(job):
    """Does one job. The file "out" is made under another name and renamed, so that it is there only whole and verified."""
    partial = job["out"] + ".unverified" if job.get("out") else None
    out = open(partial, "xb") if partial else None
    release = Release(out)
    try:
        with open(job["file"], "rb") as file:
            answer = (open_object if job.get("kind", "object") == "object" else open_note)(job, file, release)
        answer["result"] = "ok"
        if out:
            out.close()
            os.replace(partial, job["out"])
    except Refused as refused:
        answer = {"result": refused.result, "why": str(refused)}
    finally:
        if out and not out.closed:
            out.close()
            os.remove(partial)
    return {**answer, "released": release.count, "released_sha256": release.digest.hexdigest()}

def main():
    if len(sys.argv) == 1:
        for line in sys.stdin:
            print(json.dumps(answer_to(json.loads(line))), flush=True)
        return
    parser = argparse.ArgumentParser(description="open one object file of Sallyport")
    for name in ("--vault", "--vrk", "--epoch", "--customer-key", "file", "out"):
        parser.add_argument(name, **({"required": True} if name == "--vault" else {"type": int} if name == "--epoch" else {}))
    answer = answer_to({name: value for name, value in vars(parser.parse_args()).items() if value})
    if answer["result"] != "ok":
        sys.exit(f"{answer['result']}: {answer['why']}")
    print(json.dumps(answer["metadata"]))

if __name__ == "__main__":
    main()
