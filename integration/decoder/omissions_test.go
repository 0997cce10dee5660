package decoder

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// omission is a check that somebody who writes a reader may forget: what to replace in decoder.py so that it forgets it too, and the vectors
// that notice, all of them. A decoder without a check gets exactly these vectors wrong.
type omission struct {
	check    string
	from, to string
	noticed  string // names of vectors, separated by spaces
	tables   bool   // whether objects of several parts are tried too, which takes longer
}

// TestEveryCheckHasItsVector leaves one check after the other out of decoder.py and expects that vectors notice. What it would take to forget
// derivations, contexts or nonces is not tried: nothing opens then.
func TestEveryCheckHasItsVector(t *testing.T) {
	needsPython(t)
	vectors, path := objectVectors(t)
	// What is too large to be kept is a table that somebody altered, or one more honest object.
	vectors = slices.DeleteFunc(vectors, func(v vector) bool { return v.Size > 1<<20 && v.Result == "ok" && !strings.HasPrefix(v.Name, "table-") })
	source, err := os.ReadFile("decoder.py")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range slices.Concat(omissions(), frameOmissions()) {
		t.Run(o.check, func(t *testing.T) {
			t.Parallel()
			script := filepath.Join(t.TempDir(), "decoder.py")
			if err := os.WriteFile(script, forgetful(t, string(source), o), 0o600); err != nil {
				t.Fatal(err)
			}
			var noticed []string
			tried, jobs := vectors, make([]job, 0, len(vectors))
			if !o.tables {
				tried = slices.DeleteFunc(slices.Clone(vectors), func(v vector) bool { return v.Size > 1<<20 })
			}
			for _, v := range tried {
				jobs = append(jobs, v.job(path(v), ""))
			}
			for j, got := range decodeWith(t, script, jobs) {
				if v := tried[j]; got.Result != v.Result || v.Result != "ok" && got.Released > v.Released {
					noticed = append(noticed, v.Name)
				}
			}
			want := strings.Fields(o.noticed)
			slices.Sort(want)
			slices.Sort(noticed)
			if !slices.Equal(noticed, want) || len(want) == 0 {
				t.Errorf("noticed by %s; want %s", noticed, want)
			}
		})
	}
}

// forgetful is the decoder without a check, and with an answer where it fails for want of it.
func forgetful(t *testing.T, source string, o omission) []byte {
	t.Helper()
	for _, change := range [][2]string{
		{o.from, o.to},
		{`answer["result"] = "ok"`, `answer = {"result": "ok"}`}, // what came out need not have the right types
		{"    except Refused as refused:\n", "    except (AttributeError, KeyError, OSError, TypeError, ValueError):\n        answer = {\"result\": \"lost\"}\n    except Refused as refused:\n"},
	} {
		if strings.Count(source, change[0]) != 1 {
			t.Fatalf("%q stands %d times in decoder.py", change[0], strings.Count(source, change[0]))
		}
		source = strings.Replace(source, change[0], change[1], 1)
	}
	return []byte(source)
}

// omissions has a row for every rule of FORMAT.md sections 1 to 6 and 10 that decoder.py checks, frames aside.
func omissions() []omission {
	return []omission{
		{check: "commitments", from: `demand(hmac.compare_digest(material[44:], commitment), "the commitment differs", otherwise)`, to: "pass", noticed: "attack-tail-object-salt attack-tail-salt attack-tail-commitment attack-wrong-key attack-wrong-customer-key frame-commitment-forged table-commitment-forged note-other-upload note-other-part note-other-vault note-other-key note-done-as-upload", tables: true},
		{
			check: "chunk tags",
			from:  "yield cipher.decrypt(u(96, base ^ i), box, None)",
			to: `from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
            yield Cipher(algorithms.AES(material[:32]), modes.GCM(u(96, base ^ i))).decryptor().update(box[:-TAG])`,
			noticed: "attack-chunk-first attack-chunk-second attack-chunk-empty-last attack-tail-tag attack-swapped-chunks note-tag",
			tables:  true,
		},
		{
			check:   "tag of an empty last chunk",
			from:    "yield cipher.decrypt(u(96, base ^ i), box, None)",
			to:      `yield cipher.decrypt(u(96, base ^ i), box, None) if len(box) > TAG else b""`,
			noticed: "attack-chunk-empty-last",
		},
		{
			check: "release of the last chunk at the end only",
			from: `            self.everything()
            self.held = chunk`,
			to: `            self.held = chunk
            self.everything()`,
			noticed: "attack-chunk-empty-last attack-pad attack-pad-last",
		},
		{check: "size is some G(p)", from: `demand(file_length(low) == size and low < 1 << 48, "no object has this length")`, to: "low -= file_length(low) != size", noticed: "attack-extended-to-no-size", tables: true},
		{check: "keys once", from: `demand(len(dict(pairs)) == len(pairs), "a key comes twice")`, to: "pass", noticed: "metadata-twice metadata-twice-by-escape metadata-twice-deep metadata-twice-in-headers note-twice"},
		{check: "half surrogate pairs", from: `demand(not re.search("[\ud800-\udfff]", value), "half of a surrogate pair")`, to: "pass", noticed: "metadata-surrogate metadata-surrogate-in-key metadata-surrogates-reversed"},
		{check: "UTF-8", from: "json.loads(data.decode(), ", to: `json.loads(data.decode(errors="replace"), `, noticed: "metadata-not-utf8 metadata-surrogate-bytes metadata-overlong"},
		{
			check:   "UTF-8 of half surrogate pairs",
			from:    "json.loads(data.decode(), ",
			to:      `json.loads(data.decode(errors="surrogatepass").encode(errors="replace").decode(), `,
			noticed: "metadata-surrogate-bytes",
		},
		{check: "depth", from: `demand(depth <= 8, "JSON nests too deep")`, to: "pass", noticed: "metadata-nine-deep"},
		{check: "eight levels and no less", from: `demand(depth <= 8, "JSON nests too deep")`, to: `demand(depth <= 7, "JSON nests too deep")`, noticed: "metadata-eight-deep metadata-eight-deep-filled"},
		{check: "levels are objects and arrays only", from: "    if isinstance(value, str):\n", to: "    demand(depth <= 8, \"JSON nests too deep\")\n    if isinstance(value, str):\n", noticed: "metadata-eight-deep-filled"},
		{check: "NaN", from: "parse_constant=int,  # which refuses NaN and Infinity", to: "parse_constant=float,", noticed: "metadata-not-a-number"},
		{check: "control bytes in strings", from: "json.loads(data.decode(), ", to: "json.loads(data.decode(), strict=False, ", noticed: "metadata-raw-control"},
		{
			check:   "text behind the JSON",
			from:    "json.loads(data.decode(), ",
			to:      "(lambda text, **how: json.JSONDecoder(**how).raw_decode(text.lstrip())[0])(data.decode(), ",
			noticed: "metadata-after-the-end metadata-two-objects",
		},
		{check: "byte order mark", from: "json.loads(data.decode(), ", to: `json.loads(data.decode("utf-8-sig"), `, noticed: "metadata-byte-order-mark"},
		{
			check:   "integers without exponent",
			from:    "object_pairs_hook=once, ",
			to:      `object_pairs_hook=once, parse_float=lambda text: float(text) if "." in text else Integer(float(text)), `,
			noticed: "metadata-exponent-in-integer metadata-exponent-capital note-length-exponent",
		},
		{
			check:   "integers without fraction",
			from:    "object_pairs_hook=once, ",
			to:      `object_pairs_hook=once, parse_float=lambda text: Integer(float(text)) if "." in text else float(text), `,
			noticed: "metadata-fraction-in-integer",
		},
		{check: "integers without sign", from: `int(digits) if digits.startswith("-") else Integer(digits)`, to: "Integer(digits)", noticed: "metadata-negative-zero"},
		{check: "integers without zeros ahead", from: "json.loads(data.decode(), ", to: `json.loads(re.sub(":0(?=[0-9])", ":", data.decode()), `, noticed: "metadata-leading-zero"},
		{check: "integers that are no truth values", from: "isinstance(value, Integer) and low", to: "isinstance(value, (Integer, bool)) and low", noticed: "metadata-integer-true"},
		{
			check:   "integers that are no strings",
			from:    "demand(isinstance(value, Integer) and low <= value <= high,",
			to:      "demand(isinstance(value, (Integer, str)) and low <= int(value) <= high,",
			noticed: "metadata-integer-as-string",
		},
		{check: "integers in range", from: "isinstance(value, Integer) and low <= value <= high", to: "isinstance(value, Integer)", noticed: "metadata-writer-beyond metadata-time-beyond metadata-part-beyond note-length-beyond"},
		{check: "unknown keys", from: `demand(name in known or "a" <= name[:1] <= "z", f"unknown key {name!r}")`, to: "pass", noticed: "metadata-unknown-upper metadata-unknown-digit metadata-unknown-empty metadata-case-folded metadata-checksum-unknown-upper note-unknown-upper", tables: true},
		{check: "unknown keys that are ignored", from: `name in known or "a" <= name[:1] <= "z"`, to: "name in known", noticed: "metadata-unknown-lower metadata-white-space metadata-eight-deep metadata-eight-deep-filled metadata-no-zeros metadata-unknown-in-checksum note-upload-unknown-lower"},
		{check: "unknown keys of no letter", from: `"a" <= name[:1] <= "z"`, to: `not "A" <= name[:1] <= "Z"`, noticed: "metadata-unknown-digit metadata-unknown-empty"},
		{check: "keys byte by byte", from: "    return dict(pairs)", to: `    return {"k" if name == "K" else name: value for name, value in pairs}`, noticed: "metadata-case-folded"},
		{check: "keys that must be there", from: `demand(name in value or not must, f"{name} is missing")`, to: "pass", noticed: "metadata-length-missing metadata-frames-missing metadata-bucket-missing metadata-key-missing metadata-time-missing metadata-writer-missing metadata-salt-missing metadata-commitment-missing metadata-checksum-without-algorithm metadata-checksum-without-type metadata-checksum-without-value note-key-missing note-principal-missing note-etag-missing note-salt-missing note-done-etag-missing"},
		{
			check:   "key p of a tail",
			from:    `"p": (LENGTH, True), "n": (integer(1, 10000), True), "pn"`,
			to:      `"p": (LENGTH, False), "n": (integer(1, 10000), True), "pn"`,
			noticed: "metadata-length-missing",
		},
		{check: "key t of a tail", from: `"t": (integer(0, 253402300799999), True)`, to: `"t": (integer(0, 253402300799999), False)`, noticed: "metadata-time-missing"},
		{check: "key w of a tail", from: `"w": (integer(0, (1 << 31) - 1), True)`, to: `"w": (integer(0, (1 << 31) - 1), False)`, noticed: "metadata-writer-missing"},
		{
			check:   "keys b and k",
			from:    `PLACE_AND_HEADERS = {"b": (FILLED, True), "k": (FILLED, True)`,
			to:      `PLACE_AND_HEADERS = {"b": (FILLED, False), "k": (FILLED, False)`,
			noticed: "metadata-bucket-missing metadata-key-missing note-key-missing",
		},
		{
			check:   "keys of ck",
			from:    `CHECKSUM = {"a": (ANY, True), "t": (ANY, True), "v": (ANY, True)`,
			to:      `CHECKSUM = {"a": (ANY, False), "t": (ANY, False), "v": (ANY, False)`,
			noticed: "metadata-checksum-without-algorithm metadata-checksum-without-type metadata-checksum-without-value",
		},
		{
			check: "objects that are objects",
			from: `looks)."""
    demand(isinstance(value, dict), "not an object")`,
			to: `looks)."""
    value = value or {}`,
			noticed: "metadata-array",
		},
		{
			check: "headers that are objects",
			from: `    def check_all(value):
        demand(isinstance(value, dict), "not an object")`,
			to: `    def check_all(value):
        value = value or {}`,
			noticed: "metadata-headers-null",
		},
		{
			check:   "strings that are strings",
			from:    `demand(isinstance(value, str) and len(value) >= least, "not a string, or empty")`,
			to:      `demand(not isinstance(value, str) or len(value) >= least, "empty")`,
			noticed: "metadata-exponent metadata-bucket-null metadata-etag-number metadata-etag-null metadata-header-number metadata-user-number metadata-raw-header-number",
		},
		{check: "strings that are not empty", from: "ANY, FILLED, LENGTH, PART = text(0), text(1)", to: "ANY, FILLED, LENGTH, PART = text(0), text(0)", noticed: "metadata-bucket-empty metadata-key-empty metadata-part-value-empty note-bucket-empty note-etag-empty"},
		{check: "base64 spelled in one way", from: `demand(base64.b64encode(data).decode() == value, "base64 in another spelling")`, to: "pass", noticed: "metadata-stray-bits"},
		{
			check: "base64 with padding",
			from:  "data = base64.b64decode(value.encode(), validate=True)",
			to: `value += "=" * (-len(value) % 4)
        data = base64.b64decode(value.encode(), validate=True)`,
			noticed: "metadata-unpadded",
		},
		{
			check: "base64 of one alphabet",
			from:  "data = base64.b64decode(value.encode(), validate=True)",
			to: `value = value.replace("_", "/")
        data = base64.b64decode(value.encode(), validate=True)`,
			noticed: "metadata-base64-url",
		},
		{
			check: "base64 without line breaks",
			from:  "data = base64.b64decode(value.encode(), validate=True)",
			to: `value = value.replace("\n", "")
        data = base64.b64decode(value.encode(), validate=True)`,
			noticed: "metadata-base64-line-break",
		},
		{check: "lengths of base64", from: `demand(len(raw(value)) in lengths, "base64 of another length")`, to: "raw(value)", noticed: "metadata-salt-and-commitment-shifted note-md5-short note-checksum-long note-digest-short"},
		{check: "names in h or hx", from: `for plain, others in (("h", "hx"), ("m", "mx"))`, to: `for plain, others in (("m", "mx"),)`, noticed: "metadata-header-in-both note-header-in-both"},
		{check: "names in m or mx", from: `for plain, others in (("h", "hx"), ("m", "mx"))`, to: `for plain, others in (("h", "hx"),)`, noticed: "metadata-user-in-both"},
		{check: "zeros behind the JSON", from: `.rstrip(b"\0"), TAIL_METADATA)`, to: `.split(b"\0")[0], TAIL_METADATA)`, noticed: "metadata-after-the-end"},
		{check: "a file too short for a tail", from: `demand(size >= TAIL, "shorter than a tail", "foreign")`, to: "pass", noticed: "attack-cut-tail"},
		{check: "magic of the tail", from: `demand(tail[:8] == TAIL_MAGIC, "no tail at the end", "foreign")`, to: "pass", noticed: "attack-tail-magic attack-cut-last-byte attack-plaintext-served"},
		{check: "version of the tail", from: `clear[:2] == b"\1\1"`, to: `clear[1:2] == b"\1"`, noticed: "attack-tail-version key-version-2"},
		{check: "suite of the tail", from: `clear[:2] == b"\1\1"`, to: `clear[:1] == b"\1"`, noticed: "attack-tail-suite key-suite-2"},
		{check: "mode of the tail", from: `mode in (b"V", b"C") and `, to: "", noticed: "key-mode-p-customer"},
		{
			check:   "mode of the tail, by who takes others for V",
			from:    `mode in (b"V", b"C") and clear[3] == 0 and (mode == b"V" or epoch == 0)`,
			to:      `clear[3] == 0 and (mode != b"C" or epoch == 0)`,
			noticed: "attack-tail-mode key-mode-p key-mode-p-customer",
		},
		{check: "flags of the tail", from: "clear[3] == 0 and ", to: "", noticed: "attack-tail-flags key-flags"},
		{check: "key id in mode C", from: ` and (mode == b"V" or epoch == 0), "another`, to: `, "another`, noticed: "attack-tail-mode-customer key-customer-with-epoch"},
		{check: "vault id", from: `demand(vault == bytes.fromhex(job["vault"]), "another vault", "wrong key")`, to: "pass", noticed: "key-other-vault key-other-vault-customer"},
		{check: "epoch", from: `demand("vrk" in job and job.get("epoch") == epoch,`, to: `demand("vrk" in job,`, noticed: "key-other-epoch"},
		{check: "root key at hand", from: `demand("vrk" in job and job.get("epoch") == epoch,`, to: `demand(job.get("epoch") == epoch,`, noticed: "key-vault-key-missing"},
		{check: "customer key at hand", from: `demand("customer_key" in job, "sealed under a client's own key", "wrong key")`, to: "pass", noticed: "key-customer-key-missing"},
		{check: "pn with one frame only", from: `demand(("pn" in meta) == (meta["n"] == 1), "pn stands if and only if n is 1")`, to: "pass", noticed: "metadata-part-missing", tables: true},
		{check: "pn with one frame always", from: `demand(("pn" in meta) == (meta["n"] == 1), "pn stands if and only if n is 1")`, to: `meta.setdefault("pn", 0)`, noticed: "metadata-part-missing"},
		{
			check:   "pv of an only part",
			from:    `demand("ck" not in meta or ("pv" in meta["ck"]) == (meta.get("pn", 0) > 0), "pv stands if and only if pn is there and not 0")`,
			to:      "pass",
			noticed: "metadata-part-value-after-put metadata-part-value-missing table-part-value",
			tables:  true,
		},
		{check: "pv that is not empty", from: `"pv": (FILLED, None)`, to: `"pv": (ANY, None)`, noticed: "metadata-part-value-empty"},
		{check: "p against the size, by who takes lengths from the size", from: `demand(meta["p"] == plain, "the file has not the length of its object")`, to: "pass", noticed: "metadata-length-other table-file-longer", tables: true},
		{
			check:   "p against the size, by who takes lengths from the tail",
			from:    `demand(meta["p"] == plain, "the file has not the length of its object")`,
			to:      `plain = meta["p"]`,
			noticed: "attack-cut-pad attack-extended table-file-longer",
			tables:  true,
		},
		{check: "place for the table", from: `demand(end >= 0, "no place for the table")`, to: "pass", noticed: "metadata-no-place-for-table"},
		{check: "salt and commitment of the table", from: `demand(hmac.compare_digest(table[:56], front), "not the table that the tail names")`, to: "pass", noticed: "attack-table-of-another-attempt table-salt-other table-commitment-other", tables: true},
		{check: "salt of the table", from: "hmac.compare_digest(table[:56], front)", to: "table[24:56] == front[24:]", noticed: "table-salt-other", tables: true},
		{check: "commitment of the table", from: "hmac.compare_digest(table[:56], front)", to: "table[:24] == front[:24]", noticed: "table-commitment-other", tables: true},
		{check: "flags in the table", from: "flags < 4 and ", to: "", noticed: "table-flag table-flag-high", tables: true},
		{check: "zeros in the table", from: "not any(row[4:8]) and ", to: "", noticed: "table-zero-field", tables: true},
		{check: "checksums of no algorithm", from: `("ck" in meta or flags < 2)`, to: "True", noticed: "table-checksum-without-algorithm", tables: true},
		{check: "MD5 and its bit", from: "(flags & 1 or not any(row[72:88]))", to: "True", noticed: "table-md5-without-bit", tables: true},
		{check: "checksum and its bit", from: "(length if flags & 2 else 0)", to: "(length if flags & 2 else 64)", noticed: "table-checksum-without-bit", tables: true},
		{check: "length of a checksum", from: "(length if flags & 2 else 0)", to: "(64 if flags & 2 else 0)", noticed: "table-checksum-too-long", tables: true},
		{check: "all 64 bytes of an unknown algorithm", from: `.get("a"), 64)`, to: `.get("a"), 32)`, noticed: "table-unknown-algorithm", tables: true},
		{check: "part numbers that ascend", from: `demand((parts[-1]["part"] if parts else 0) < part <= 10000,`, to: "demand(0 < part <= 10000,", noticed: "table-numbers-equal table-numbers-descend", tables: true},
		{check: "part numbers that differ", from: `(parts[-1]["part"] if parts else 0) < part`, to: `(parts[-1]["part"] if parts else 1) <= part`, noticed: "table-numbers-equal", tables: true},
		{check: "part numbers from 1", from: `(parts[-1]["part"] if parts else 0) < part`, to: `(parts[-1]["part"] if parts else -1) < part`, noticed: "table-number-zero", tables: true},
		{check: "part numbers to 10,000", from: "< part <= 10000,", to: "< part,", noticed: "table-number-beyond", tables: true},
		{check: "least length of a part", from: `demand(all(part["plain"] >= LEAST_PART for part in parts[:-1]), "a part but the last is short")`, to: "pass", noticed: "table-short-part", tables: true},
		{check: "least length of a part to the byte", from: `part["plain"] >= LEAST_PART for`, to: `part["plain"] >= LEAST_PART - 1 for`, noticed: "table-short-part", tables: true},
		{check: "sum of the parts", from: `demand(sum(part["plain"] for part in parts) == meta["p"], "the parts do not add up")`, to: "pass", noticed: "table-sum-above table-sum-below", tables: true},
		{check: "zeros", from: `demand(not any(read(min(65536, end - file.tell()))), "the zeros are none")`, to: "read(min(65536, end - file.tell()))", noticed: "attack-pad attack-pad-last table-pad-last", tables: true},
		{
			check: "zeros, the first one",
			from: `    while file.tell() < end:
`,
			to: `    read(1)
    while file.tell() < end:
`,
			noticed: "attack-pad",
			tables:  true,
		},
		{
			check: "zeros, the last one",
			from: `    while file.tell() < end:
`,
			to: `    end -= 1
    while file.tell() < end:
`,
			noticed: "attack-pad-last table-pad-last",
			tables:  true,
		},
		{check: "length of a note", from: `demand(40 + 56 + TAG <= len(data) <= 16384, "no note has this length", "foreign")`, to: "pass", noticed: "note-too-long note-too-short"},
		{check: "version of a note", from: "data[0] == 1 and ", to: "", noticed: "note-version-2"},
		{check: "mode of a note", from: `data[1:2] in (b"V", b"C") and `, to: "", noticed: "note-mode-p"},
		{check: "zeros of a note", from: ` and not any(data[2:4]), "another version`, to: `, "another version`, noticed: "note-zero"},
		{check: "epoch of a note", from: `demand(number(data[4:8]) == job["epoch"], "no root key of this epoch", "wrong key")`, to: "pass", noticed: "note-other-epoch"},
		{
			check:   "keys in a note of mode C only",
			from:    `("kt" in note, "kl" in note) == (data[1:2] == b"C",) * 2`,
			to:      `data[1:2] == b"V" or ("kt" in note and "kl" in note)`,
			noticed: "note-keys-in-mode-v",
		},
		{
			check:   "keys in a note of mode C always",
			from:    `("kt" in note, "kl" in note) == (data[1:2] == b"C",) * 2`,
			to:      `data[1:2] == b"C" or not ("kt" in note or "kl" in note)`,
			noticed: "note-keys-missing note-table-key-alone",
		},
		{check: "both keys in a note of mode C", from: `("kt" in note, "kl" in note) == (data[1:2] == b"C",) * 2`, to: `("kt" in note) == (data[1:2] == b"C")`, noticed: "note-table-key-alone"},
		{check: "algorithm and type of a note", from: `demand(("ca" in note) == ("ct" in note), "ca and ct stand together")`, to: "pass", noticed: "note-type-without-algorithm note-algorithm-without-type"},
		{check: "part number in a note", from: `note["n"] == job["part"] and `, to: "", noticed: "note-part-number"},
		{check: "one place in a note", from: ` and ("be" in note) != ("held" in note) and`, to: ` and`, noticed: "note-nowhere note-two-places"},
		{check: "digest of a held part only", from: ` and ("held" in note or "hh" not in note)`, to: ``, noticed: "note-digest-of-none-held"},
		{check: "ETag in the note of a part", from: `"e": (FILLED, True), "be"`, to: `"e": (FILLED, False), "be"`, noticed: "note-etag-missing"},
		{check: "ETag in the note of a completed upload", from: `"done-note": {"e": (ANY, True)}`, to: `"done-note": {"e": (ANY, False)}`, noticed: "note-done-etag-missing"},
		{check: "principal in the note of an upload", from: `"pr": (ANY, True)`, to: `"pr": (ANY, False)`, noticed: "note-principal-missing"},
		{check: "empty ETag in the note of a completed upload", from: `"done-note": {"e": (ANY, True)}`, to: `"done-note": {"e": (FILLED, True)}`, noticed: "note-done-opaque"},
	}
}

// frameOmissions leave out one field of a frame's head at a time, for each of two kinds of readers: one that rebuilds the head from tail and
// table, and one that takes the head of the file for the context and compares.
func frameOmissions() (all []omission) {
	const from = `        demand(hmac.compare_digest(read(FRAME_HEAD), head + frame["fs"] + frame["fc"]), f"not the frame of part {frame['part']}")
        for chunk in chunks_of(key, word("frame") + head, frame["fs"], frame["fc"], read, frame["plain"]):`
	const rebuilding = `        want, got = head + frame["fs"] + frame["fc"], read(FRAME_HEAD)
        demand(got[:%[1]d] + got[%[2]d:] == want[:%[1]d] + want[%[2]d:], "another frame")
        for chunk in chunks_of(key, word("frame") + head, frame["fs"], frame["fc"], read, frame["plain"]):`
	const reading = `        want, got = head + frame["fs"] + frame["fc"], read(FRAME_HEAD)
        demand(got[:%[1]d] + got[%[2]d:] == want[:%[1]d] + want[%[2]d:], "another frame")
        for chunk in chunks_of(key, word("frame") + got[:56], got[56:80], got[80:], read, frame["plain"]):`
	for _, f := range []struct {
		field                 string
		begin, end            int
		byRebuilder, byReader string
	}{
		{"magic", 0, 8, "attack-frame-magic", "frame-sealed-magic"},
		{"version", 8, 9, "attack-frame-version", "frame-sealed-version"},
		{"suite", 9, 10, "attack-frame-suite", "frame-sealed-suite"},
		{"mode", 10, 11, "attack-frame-mode", "frame-sealed-mode"},
		{"flags", 11, 12, "attack-frame-flags", "frame-sealed-flags"},
		{"key id", 12, 16, "attack-frame-epoch", "frame-sealed-epoch"},
		{"part number", 16, 18, "attack-frame-part", "frame-sealed-part"},
		{"length", 18, 24, "attack-frame-length", "frame-sealed-length"},
		{"object salt", 24, 56, "attack-frame-object-salt", "frame-sealed-object-salt"},
		{"salt", 56, 80, "attack-frame-salt", "metadata-salt-other table-row-salt-other"},
		{"commitment", 80, 112, "attack-frame-commitment", "metadata-commitment-other table-row-commitment-other"},
	} {
		all = append(all,
			omission{f.field + " of a frame, by who rebuilds the head", from, fmt.Sprintf(rebuilding, f.begin, f.end), f.byRebuilder, true},
			omission{f.field + " of a frame, by who reads the head", from, fmt.Sprintf(reading, f.begin, f.end), f.byReader, true},
		)
	}
	return all
}
