package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"testing"
	"testing/iotest"

	"sallyport/crypto/keys"
	"sallyport/crypto/object"
)

const frozen = "../../testdata/vectors"

func frozenManifest(t *testing.T) manifest {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(frozen, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var m manifest
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestVectorsAreFrozen makes all vectors again, expects the same bytes (what this program writes is what released files hold) and opens
// each of them.
func TestVectorsAreFrozen(t *testing.T) {
	dir := t.TempDir()
	if err := run(dir, true); err != nil {
		t.Fatal(err)
	}
	same := func(name string) {
		t.Helper()
		made, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		kept, err := os.ReadFile(filepath.Join(frozen, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(made, kept) {
			t.Errorf("%s: the file in the repository is not the one that is made", name)
		}
	}
	same("manifest.json")
	all := newPlaintext()
	for _, v := range frozenManifest(t).Vectors {
		if v.Kept {
			same(v.File)
		}
		file, err := os.ReadFile(filepath.Join(dir, v.File))
		if err != nil {
			t.Fatal(err)
		}
		check(t, v, file, all)
	}
}

func TestNoFileIsLeftOver(t *testing.T) {
	known := map[string]bool{"manifest.json": true}
	for _, v := range frozenManifest(t).Vectors {
		known[v.File] = v.Kept
	}
	files, err := os.ReadDir(frozen)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !known[f.Name()] {
			t.Errorf("%s is in no manifest", f.Name())
		}
	}
}

// check opens one vector with the key in the manifest and compares what comes out.
func check(t *testing.T, v entry, file []byte, all plaintext) {
	t.Helper()
	if sum := sha256.Sum256(file); hex.EncodeToString(sum[:]) != v.SHA256 || len(file) != v.Size {
		t.Errorf("%s: file is not the one of the manifest", v.Name)
		return
	}
	if v.Kind != "object" {
		checkNote(t, v, file)
		return
	}
	f, err := object.OpenFile(bytes.NewReader(file), int64(len(file)), v.keyring(t))
	var got []byte
	if err == nil {
		checkMetadata(t, v, f)
		got, err = io.ReadAll(iotest.HalfReader(f.Reader()))
	}
	if answer := resultOf(err); answer != v.Result {
		t.Errorf("%s: %s, want %s", v.Name, answer, v.Result)
		return
	}
	want := all.first(v.Plain)
	if v.Result != "ok" {
		if int64(len(got)) > v.Released || !bytes.HasPrefix(want, got) {
			t.Errorf("%s: released %d bytes, at most %d are verified", v.Name, len(got), v.Released)
		}
		return
	}
	if sum := sha256.Sum256(got); hex.EncodeToString(sum[:]) != v.PlainSHA256 || !bytes.Equal(got, want) {
		t.Errorf("%s: opened to other bytes than were sealed", v.Name)
	}
}

func (v entry) keyring(t *testing.T) object.Keyring {
	t.Helper()
	return object.KeyringFunc(func(id object.Identity) (keys.ObjectSecret, error) {
		switch customer := id.Mode == object.ModeCustomer; {
		case id.VaultID.String() != v.Vault, customer && v.CustomerKey == "", !customer && (v.VRK == "" || id.Epoch != v.Epoch):
			return keys.ObjectSecret{}, object.ErrWrongKey
		case customer:
			key, err := keys.ParseCustomerKey(decodeHex(t, v.CustomerKey))
			if err != nil {
				return keys.ObjectSecret{}, err
			}
			return keys.CustomerObjectSecret(key, id.Salt), nil
		}
		vrk, err := keys.ParseVRK(decodeHex(t, v.VRK))
		if err != nil {
			return keys.ObjectSecret{}, err
		}
		return keys.VaultObjectSecret(vrk, id.VaultID, id.Epoch, id.Salt), nil
	})
}

func decodeHex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func resultOf(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, object.ErrForeign):
		return "foreign"
	case errors.Is(err, object.ErrUnsupported):
		return "unsupported"
	case errors.Is(err, object.ErrWrongKey):
		return "wrong key"
	case errors.Is(err, object.ErrDamaged):
		return "damaged"
	default:
		return err.Error()
	}
}

func checkMetadata(t *testing.T, v entry, f *object.File) {
	t.Helper()
	if v.Result != "ok" {
		return
	}
	got := describe(f.Metadata)
	got.OnePartNo = f.Metadata.PartNumber
	gotText, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	wantText, err := json.Marshal(v.Metadata)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(gotText, wantText) {
		t.Errorf("%s: metadata\n%s\nwant\n%s", v.Name, gotText, wantText)
	}
	var parts []part
	for _, e := range f.Table {
		p := part{Part: e.Part, Plain: e.Plain, Checksum: hex.EncodeToString(e.Checksum)}
		if e.HasMD5 {
			p.MD5 = hex.EncodeToString(e.MD5[:])
		}
		parts = append(parts, p)
	}
	if !reflect.DeepEqual(parts, v.Parts) {
		t.Errorf("%s: parts %v, want %v", v.Name, parts, v.Parts)
	}
}

func checkNote(t *testing.T, v entry, sealed []byte) {
	t.Helper()
	vrk, err := keys.ParseVRK(decodeHex(t, v.VRK))
	if err != nil {
		t.Fatal(err)
	}
	got, err := openNote(t, v, vrk.StateKey(), sealed)
	if answer := resultOf(err); answer != v.Result {
		t.Errorf("%s: %s, want %s", v.Name, answer, v.Result)
		return
	}
	if err == nil && !reflect.DeepEqual(got, v.Note) {
		t.Errorf("%s: %v, want %v", v.Name, got, v.Note)
	}
}

func openNote(t *testing.T, v entry, key keys.StateKey, sealed []byte) (map[string]string, error) {
	t.Helper()
	id, err := object.ParseNoteHeader(sealed)
	if err != nil {
		return nil, err
	}
	id.VaultID, id.Epoch = object.VaultID(decodeHex(t, v.Vault)), v.Epoch
	u := object.Upload{Identity: id, ID: v.Upload}
	got := make(map[string]string)
	set := func(key, value string) {
		if value != "" {
			got[key] = value
		}
	}
	switch v.Kind {
	case "upload-note":
		n, err := object.OpenUploadNote(key, u, sealed)
		if err != nil {
			return nil, err
		}
		got = map[string]string{"b": n.Bucket, "k": n.Key, "pr": n.Principal}
		set("ca", n.ChecksumAlgorithm)
		set("ct", n.ChecksumType)
		if id.Mode == object.ModeCustomer {
			set("kt", base64.StdEncoding.EncodeToString(n.TableKey.Reveal()[:]))
			set("kl", base64.StdEncoding.EncodeToString(n.TailKey.Reveal()[:]))
		}
	case "part-note":
		n, err := object.OpenPartNote(key, u, v.Part, sealed)
		if err != nil {
			return nil, err
		}
		got = map[string]string{"n": strconv.Itoa(n.Part), "p": strconv.FormatInt(n.Plain, 10), "e": n.ETag}
		set("be", n.BackendETag)
		set("held", n.Held)
		set("hh", base64.StdEncoding.EncodeToString(n.HeldSHA256))
	case "done-note":
		n, err := object.OpenDoneNote(key, u, sealed)
		if err != nil {
			return nil, err
		}
		got["e"] = n.ETag
	}
	return got, nil
}
