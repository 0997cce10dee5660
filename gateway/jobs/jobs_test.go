package jobs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/crypto/keys"
	"sallyport/crypto/object"
	"sallyport/crypto/vault"
	"sallyport/gateway/cache"
	"sallyport/gateway/checksum"
	"sallyport/gateway/jobs"
	"sallyport/gateway/objects"
	"sallyport/gateway/vaults"
	"sallyport/gateway/vaults/vaultstest"
	"sallyport/providers"
	"sallyport/providers/local"
)

const minPart = object.MinPartSize

// folder is a root on disk that a gateway has filled and left.
type folder struct {
	t       *testing.T
	path    string
	objects map[string][]byte // bucket/key -> plaintext, without customer's
	keyring *jobs.Keyring
}

func content(seed, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(b)
	return b
}

func customerKey(t *testing.T) keys.CustomerKey {
	t.Helper()
	k, err := jobs.ParseCustomerKey(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// fill makes a root with objects of every shape.
func fill(t *testing.T) *folder {
	t.Helper()
	f := &folder{t: t, path: filepath.Join(t.TempDir(), "data"), objects: map[string][]byte{}}
	if err := os.MkdirAll(f.path, 0o700); err != nil {
		t.Fatal(err)
	}
	d, err := local.Open(t.Context(), &local.Config{Path: f.path, Durability: local.DurabilityOff}, &local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	store := providers.Open("folder", d, nil)
	v := vaultstest.NewVault(t, vaultstest.Options{Store: store})
	s := objects.New(&objects.Options{Vaults: vaults.NewSet(nil, v), Cache: cache.New(&cache.Options{})})
	for _, b := range []string{"photos", "backups"} {
		if err := s.CreateBucket(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	for i, key := range []string{"a", "a/b", "a/b/c.txt", "empty", "ünïcode/日本", "dots/../x", "//double", "trailing/", "with space+plus", "con", "big"} {
		size := 1000 * i
		switch key {
		case "empty":
			size = 0
		case "big":
			size = 3<<20 + 17
		}
		f.put(s, "photos", key, content(i, size), nil)
	}
	f.put(s, "backups", "a", []byte("another bucket"), nil)
	key := customerKey(t)
	f.put(s, "photos", "customer", content(50, 5000), &key)
	f.multipart(s, "backups", "parts", content(60, minPart), content(61, minPart+5), content(62, 100))
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := jobs.FindVaultFile(f.path)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := file.OpenWithRecoveryKey(vaultstest.Key(t))
	if err != nil {
		t.Fatal(err)
	}
	f.keyring = &jobs.Keyring{Vault: opened}
	return f
}

// again serves the root once more while use stores into it.
func (f *folder) again(use func(s *objects.Service)) {
	f.t.Helper()
	d, err := local.Open(f.t.Context(), &local.Config{Path: f.path, Durability: local.DurabilityOff}, &local.Options{})
	if err != nil {
		f.t.Fatal(err)
	}
	store := providers.Open("folder", d, nil)
	v := vaultstest.NewVault(f.t, vaultstest.Options{Store: store})
	use(objects.New(&objects.Options{Vaults: vaults.NewSet(nil, v), Cache: cache.New(&cache.Options{})}))
	if err := store.Close(); err != nil {
		f.t.Fatal(err)
	}
}

func (f *folder) put(s *objects.Service, bucket, key string, b []byte, customer *keys.CustomerKey) {
	f.t.Helper()
	_, err := s.Put(f.t.Context(), &objects.PutInput{
		Bucket: bucket, Key: key, Size: int64(len(b)), Body: checksum.NewReader(bytes.NewReader(b), &checksum.Options{Size: int64(len(b))}),
		Content: objects.Content{Metadata: map[string]string{"note": "kept " + key}}, CustomerKey: customer,
	})
	if err != nil {
		f.t.Fatalf("put %q: %v", key, err)
	}
	if customer == nil {
		f.objects[bucket+"/"+key] = b
	}
}

func (f *folder) multipart(s *objects.Service, bucket, key string, parts ...[]byte) {
	f.t.Helper()
	ctx := f.t.Context()
	id, err := s.CreateUpload(ctx, &objects.CreateUploadInput{Bucket: bucket, Key: key})
	if err != nil {
		f.t.Fatal(err)
	}
	ref := objects.UploadRef{Bucket: bucket, Key: key, UploadID: id}
	var done []objects.CompletedPart
	for i, b := range parts {
		p, err := s.PutPart(ctx, &objects.PutPartInput{
			UploadRef: ref, Number: i + 1, Size: int64(len(b)), Body: checksum.NewReader(bytes.NewReader(b), &checksum.Options{Size: int64(len(b))}),
		})
		if err != nil {
			f.t.Fatal(err)
		}
		done = append(done, objects.CompletedPart{Number: i + 1, ETag: p.ETag})
	}
	if _, err := s.CompleteUpload(ctx, &objects.CompleteInput{UploadRef: ref, Parts: done, Size: -1}); err != nil {
		f.t.Fatal(err)
	}
	f.objects[bucket+"/"+key] = bytes.Join(parts, nil)
}

func (f *folder) recover(to string) (*jobs.RecoverReport, error) {
	return jobs.Recover(f.t.Context(), &jobs.RecoverOptions{From: f.path, To: to, Keyring: f.keyring})
}

type row struct {
	File, Bucket, Key, Source string
	Metadata                  map[string]string
}

func manifest(t *testing.T, r *jobs.RecoverReport) map[string]row {
	t.Helper()
	b, err := os.ReadFile(r.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]row{}
	dec := json.NewDecoder(bytes.NewReader(b))
	for dec.More() {
		var m row
		if err := dec.Decode(&m); err != nil {
			t.Fatal(err)
		}
		rows[m.Bucket+"/"+m.Key] = m
	}
	return rows
}

// wantAll compares every object with what was restored of it, by the manifest.
func (f *folder) wantAll(to string, r *jobs.RecoverReport, except ...string) {
	f.t.Helper()
	rows := manifest(f.t, r)
	skip := map[string]bool{}
	for _, e := range except {
		skip[e] = true
		delete(rows, e)
	}
	for name, want := range f.objects {
		m, ok := rows[name]
		if skip[name] {
			continue
		}
		if !ok {
			f.t.Errorf("%q is not in the manifest", name)
			continue
		}
		got, err := os.ReadFile(filepath.Join(to, filepath.FromSlash(m.File)))
		if err != nil || !bytes.Equal(got, want) {
			f.t.Errorf("%q: %v, %d bytes of %d", name, err, len(got), len(want))
		}
	}
	if len(rows) != len(f.objects)-len(except) {
		f.t.Errorf("%d rows in the manifest, want %d", len(rows), len(f.objects)-len(except))
	}
}

func TestRecoverEverything(t *testing.T) {
	f := fill(t)
	to := filepath.Join(t.TempDir(), "out")
	var last jobs.Progress
	r, err := jobs.Recover(t.Context(), &jobs.RecoverOptions{From: f.path, To: to, Keyring: f.keyring, Progress: func(p jobs.Progress) { last = p }})
	if err != nil {
		t.Fatal(err)
	}
	if r.Restored != len(f.objects) || len(r.Damaged) != 0 || len(r.Foreign) != 0 || len(r.Locked) != 1 {
		t.Errorf("report %+v", r)
	}
	if last.Files != last.TotalFiles || last.Bytes != last.TotalBytes || last.Files == 0 {
		t.Errorf("progress ends at %+v", last)
	}
	f.wantAll(to, r)
	if m := manifest(t, r)["photos/a/b/c.txt"]; m.File != "photos/a/b/c.txt" && len(r.Renamed) == 0 || m.Metadata["note"] != "kept a/b/c.txt" {
		t.Errorf("manifest row %+v", m)
	}
	if left, _ := filepath.Glob(filepath.Join(to, "*", ".sallyport-*")); len(left) > 0 {
		t.Errorf("temporary files are left: %v", left)
	}
	again, err := f.recover(to)
	if err != nil || again.Restored != 0 || again.AlreadyThere != len(f.objects) {
		t.Errorf("run again: %+v, %v", again, err)
	}
	f.wantAll(to, again)
	// With the customer's key too, nothing stays locked.
	key := customerKey(t)
	f.keyring.Customers = []keys.CustomerKey{key}
	f.objects["photos/customer"] = content(50, 5000)
	r, err = f.recover(to)
	if err != nil || len(r.Locked) != 0 || r.Restored != 1 {
		t.Errorf("with the customer key: %+v, %v", r, err)
	}
	f.wantAll(to, r)
}

// TestRecoverTellsOfProgressWithinAFile: one huge file must not look like a program that hangs.
func TestRecoverTellsOfProgressWithinAFile(t *testing.T) {
	f := fill(t)
	to := filepath.Join(t.TempDir(), "out")
	// The name of the big one is taken, so that it is read twice.
	if err := errors.Join(os.MkdirAll(filepath.Join(to, "photos"), 0o700), os.WriteFile(filepath.Join(to, "photos", "big"), []byte("mine"), 0o600)); err != nil {
		t.Fatal(err)
	}
	var told []jobs.Progress
	if _, err := jobs.Recover(t.Context(), &jobs.RecoverOptions{
		From: f.path, To: to, Keyring: f.keyring, Progress: func(p jobs.Progress) { told = append(told, p) },
	}); err != nil {
		t.Fatal(err)
	}
	first, last := told[0], told[len(told)-1]
	if first.Files != 0 || first.Bytes != 0 || first.TotalFiles == 0 || first.TotalBytes == 0 {
		t.Errorf("it begins with %+v", first)
	}
	within := 0
	for i, p := range told[1:] {
		if p.Bytes < told[i].Bytes || p.Bytes > p.TotalBytes || p.Files < told[i].Files {
			t.Fatalf("%+v after %+v", p, told[i])
		}
		if p.Files == told[i].Files && p.Bytes-told[i].Bytes > 0 {
			within++
		}
		if p.Bytes-told[i].Bytes > 1<<20 {
			t.Errorf("%d bytes at once", p.Bytes-told[i].Bytes)
		}
	}
	if within < 10 || last.Files != last.TotalFiles || last.Bytes != last.TotalBytes {
		t.Errorf("%d steps within files, and it ends with %+v", within, last)
	}
}

// find returns the file below the root that holds an object.
func (f *folder) find(bucket, key string) string {
	f.t.Helper()
	var found string
	err := filepath.WalkDir(f.path, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.Contains(p, ".sallyport") {
			return err
		}
		file, err := os.Open(p)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		info, err := d.Info()
		if err != nil {
			return err
		}
		if o, err := object.OpenFile(file, info.Size(), f.keyring); err == nil && o.Metadata.Bucket == bucket && o.Metadata.Key == key {
			found = p
		}
		return nil
	})
	if err != nil || found == "" {
		f.t.Fatalf("no file holds %s/%s: %v", bucket, key, err)
	}
	return found
}

func alter(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRecoverNamesWhatIsDamaged(t *testing.T) {
	f := fill(t)
	flipped, cut, tailless := f.find("photos", "big"), f.find("photos", "a/b"), f.find("backups", "a")
	alter(t, flipped, func(b []byte) []byte { b[2<<20] ^= 1; return b })
	alter(t, cut, func(b []byte) []byte { return b[:len(b)-1] })
	alter(t, tailless, func(b []byte) []byte { clear(b[len(b)-object.TailSize:]); return b })
	foreign := filepath.Join(f.path, "holiday.jpg")
	if err := os.WriteFile(foreign, []byte("not ours"), 0o600); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "out")
	r, err := f.recover(to)
	if err != nil {
		t.Fatal(err)
	}
	f.wantAll(to, r, "photos/big", "photos/a/b", "backups/a")
	named := map[string]bool{}
	for _, p := range r.Damaged {
		named[filepath.Join(f.path, p.Path)] = true
	}
	for _, p := range []string{flipped, cut, tailless} {
		if !named[p] {
			t.Errorf("%s is not named as damaged: damaged %v, foreign %v", p, r.Damaged, r.Foreign)
		}
	}
	if len(r.Foreign) != 1 || filepath.Join(f.path, r.Foreign[0]) != foreign {
		t.Errorf("foreign files: %v, want %s", r.Foreign, foreign)
	}
	err = filepath.WalkDir(to, func(p string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if b, _ := os.ReadFile(p); bytes.Contains(b, content(10, 3<<20)[:64]) {
				t.Errorf("%s holds bytes of the damaged object", p)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRecoverTwoFilesOfOneObject(t *testing.T) {
	f := fill(t)
	b, err := os.ReadFile(f.find("photos", "a"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(f.path, "zz-copy"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "out")
	r, err := f.recover(to)
	if err != nil || r.Restored != len(f.objects)+1 {
		t.Fatalf("%+v, %v", r, err)
	}
}

// TestRecoverReplacesNothing: what the user has below To may be newer than the copy being restored.
func TestRecoverReplacesNothing(t *testing.T) {
	f := fill(t)
	to := filepath.Join(t.TempDir(), "out")
	mine := filepath.Join(to, "photos", "big")
	if err := os.MkdirAll(filepath.Dir(mine), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(mine, []byte("newer"), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := f.recover(to)
	if err != nil || r.Restored != len(f.objects) || len(r.Damaged) != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	f.wantAll(to, r)
	if b, err := os.ReadFile(mine); err != nil || string(b) != "newer" {
		t.Errorf("the file that was there is now %d bytes, %v", len(b), err)
	}
	if m := manifest(t, r)["photos/big"]; m.File == "photos/big" {
		t.Errorf("manifest row %+v", m)
	}
	// A file system that keeps times coarsely must not make every run restore everything beside itself.
	if err := filepath.WalkDir(to, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return os.Chtimes(p, time.Unix(1e9, 0), time.Unix(1e9, 0))
	}); err != nil {
		t.Fatal(err)
	}
	again, err := f.recover(to)
	if err != nil || again.Restored != 0 || again.AlreadyThere != len(f.objects) || len(again.Damaged) != 0 {
		t.Errorf("again with other times: %+v, %v", again, err)
	}
	f.wantAll(to, again)
	f.wantAll(to, r) // the first run's list is still what it was
	if r.Manifest == again.Manifest {
		t.Errorf("both runs wrote %s", r.Manifest)
	}
	if left, _ := filepath.Glob(filepath.Join(to, "*", ".sallyport-*")); len(left) > 0 {
		t.Errorf("temporary files are left: %v", left)
	}
}

func TestRecoverPastAFileCalledLikeTheSystemFolder(t *testing.T) {
	f := fill(t)
	if err := os.Rename(filepath.Join(f.path, ".sallyport"), filepath.Join(t.TempDir(), "elsewhere")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(f.path, ".sallyport"), []byte("a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "out")
	r, err := f.recover(to)
	if err != nil || len(r.Foreign) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	f.wantAll(to, r)
}

func TestRecoverStops(t *testing.T) {
	f := fill(t)
	ctx, cancel := context.WithCancel(t.Context())
	to := filepath.Join(t.TempDir(), "out")
	r, err := jobs.Recover(ctx, &jobs.RecoverOptions{From: f.path, To: to, Keyring: f.keyring, Progress: func(p jobs.Progress) {
		if p.Bytes > 0 { // amid the first file
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("stopped: %v", err)
	}
	if len(r.Damaged) != 0 {
		t.Errorf("files that were not finished are called damaged: %v", r.Damaged)
	}
	r, err = f.recover(to)
	if err != nil {
		t.Fatal(err)
	}
	f.wantAll(to, r)
}

func TestWrongKeyRestoresNothing(t *testing.T) {
	f := fill(t)
	hasher := vaultstest.Hasher(t)
	other, _, err := vault.Create(t.Context(), hasher, vault.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := jobs.Recover(t.Context(), &jobs.RecoverOptions{From: f.path, To: t.TempDir(), Keyring: &jobs.Keyring{Vault: other}})
	if err != nil || r.Restored != 0 || len(r.Locked) != len(f.objects)+1 {
		t.Errorf("another vault's key: %+v, %v", r, err)
	}
}
