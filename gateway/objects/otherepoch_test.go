package objects_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"sallyport/config/secret"
	"sallyport/crypto/vault"
	"sallyport/gateway/cache"
	"sallyport/gateway/checksum"
	"sallyport/gateway/objects"
	"sallyport/gateway/vaults"
	"sallyport/gateway/vaults/vaultstest"
	"sallyport/providers"
	"sallyport/providers/faulty"
	"sallyport/providers/mem"
)

// TestPasswordChangedElsewhere is what docs/operations.md says of it: a gateway that cannot open the newer vault file by itself keeps that of its start,
// what was sealed with newer keys it calls damaged and leaves alone, and opened again it reads all. One that can reads all at once.
func TestPasswordChangedElsewhere(t *testing.T) {
	t.Run("asked for", func(t *testing.T) { passwordChangedElsewhere(t, false) })
	t.Run("in the configuration", func(t *testing.T) { passwordChangedElsewhere(t, true) })
}

func passwordChangedElsewhere(t *testing.T, renews bool) {
	store := providers.Open("shared", mem.New(&mem.Options{MaxKey: 2048}), &providers.StoreOptions{})
	unlock := vaults.Unlock{Key: vaultstest.Key(t)}
	gatewayOn := func() (*vaults.Vault, *objects.Service) {
		v := vaultstest.NewVault(t, vaultstest.Options{Store: store})
		return v, objects.New(&objects.Options{Vaults: vaults.NewSet(nil, v), Cache: cache.New(&cache.Options{})})
	}
	put := func(s *objects.Service, key string) {
		t.Helper()
		b := []byte("content of " + key)
		if _, err := s.Put(t.Context(), &objects.PutInput{
			Bucket: "bucket", Key: key, Size: int64(len(b)), Body: checksum.NewReader(bytes.NewReader(b), &checksum.Options{Size: int64(len(b))}),
		}); err != nil {
			t.Fatal(err)
		}
	}
	get := func(s *objects.Service, key string) error {
		out, err := s.Get(t.Context(), &objects.GetInput{Bucket: "bucket", Key: key})
		if err != nil {
			return err
		}
		defer func() { _ = out.Body.Close() }()
		b, err := io.ReadAll(out.Body)
		if err == nil && string(b) != "content of "+key {
			t.Errorf("%s holds %q", key, b)
		}
		return err
	}
	staying, before := gatewayOn()
	var renewing []*objects.Service
	for range 6 {
		v, s := gatewayOn()
		v.RenewBy(&vaults.Renewal{Unlock: func(context.Context) (vaults.Unlock, error) { return unlock, nil }})
		renewing = append(renewing, s)
	}
	if err := before.CreateBucket(t.Context(), "bucket"); err != nil {
		t.Fatal(err)
	}
	put(before, "first")
	changing, _ := gatewayOn()
	for i, password := range []string{"unlikely Walrus teapot 41", "marble Quokka lantern 98"} {
		if err := changing.SetPassword(t.Context(), unlock, secret.NewString(password), "password", i > 0); err != nil {
			t.Fatal(err)
		}
	}
	_, after := gatewayOn()
	put(after, "second")
	put(before, "third") // under the keys from before
	if renews {
		sameEverywhere(t, after, renewing)
		return
	}
	for _, key := range []string{"first", "second", "third"} {
		if err := get(after, key); err != nil {
			t.Errorf("%s at a gateway that was started afterwards: %v", key, err)
		}
		err := get(before, key)
		if e, ok := errors.AsType[*objects.Error](err); (key == "second") != (ok && e.Kind == objects.Damaged) || key != "second" && err != nil {
			t.Errorf("%s at the gateway that ran all the time: %v", key, err)
		}
	}
	// Nor is anybody told to remove what only the new keys open.
	if err := after.CreateBucket(t.Context(), "new-bucket"); err != nil {
		t.Fatal(err)
	}
	upload, err := after.CreateUpload(t.Context(), &objects.CreateUploadInput{Bucket: "bucket", Key: "parts"})
	if err != nil {
		t.Fatal(err)
	}
	_, ofBucket := before.HeadBucket(t.Context(), "new-bucket")
	_, ofUpload := before.ListParts(t.Context(), &objects.ListPartsInput{UploadRef: objects.UploadRef{Bucket: "bucket", Key: "parts", UploadID: upload}, Limit: 1})
	for what, err := range map[string]error{"bucket": ofBucket, "upload": ofUpload} {
		if e, ok := errors.AsType[*objects.Error](err); !ok || e.Kind != objects.Damaged || !strings.Contains(e.Message, "restart") || strings.Contains(e.Message, "remove") {
			t.Errorf("%s at the gateway that ran all the time: %v", what, err)
		}
	}
	if err := staying.Open(t.Context(), unlock); err != nil {
		t.Fatal(err)
	}
	if err := get(before, "second"); err != nil {
		t.Errorf("after it was opened again: %v", err)
	}
}

// TestPasswordChangedWhileTheStorageFails: whether an epoch is somebody's invention or that of a newer vault file is not known until the storage has said
// which vault files there are. Until then nothing is damaged, and as soon as it answers all is read.
func TestPasswordChangedWhileTheStorageFails(t *testing.T) {
	for name, fails := range map[string]func(c faulty.Call) bool{
		"lists": func(c faulty.Call) bool { return c.Op == "List" },
		"reads": func(c faulty.Call) bool { return c.Op == "Get" && strings.HasPrefix(c.Key, vault.Directory) },
	} {
		t.Run(name, func(t *testing.T) { passwordChangedWhile(t, fails) })
	}
}

func passwordChangedWhile(t *testing.T, fails func(c faulty.Call) bool) {
	faults := faulty.New(mem.New(&mem.Options{MaxKey: 2048}), nil)
	store := providers.Open("shared", faults, &providers.StoreOptions{Retry: providers.RetryOptions{MaxRetries: -1}})
	unlock := vaults.Unlock{Key: vaultstest.Key(t)}
	gateway := func() (*vaults.Vault, *objects.Service) {
		v := vaultstest.NewVault(t, vaultstest.Options{Store: store})
		v.RenewBy(&vaults.Renewal{Unlock: func(context.Context) (vaults.Unlock, error) { return unlock, nil }})
		return v, objects.New(&objects.Options{Vaults: vaults.NewSet(nil, v), Cache: cache.New(&cache.Options{})})
	}
	_, before := gateway()
	if err := before.CreateBucket(t.Context(), "bucket"); err != nil {
		t.Fatal(err)
	}
	if _, err := before.HeadBucket(t.Context(), "bucket"); err != nil { // it remembers its record
		t.Fatal(err)
	}
	changing, after := gateway()
	for i, password := range []string{"unlikely Walrus teapot 41", "marble Quokka lantern 98"} {
		if err := changing.SetPassword(t.Context(), unlock, secret.NewString(password), "password", i > 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := changing.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := after.CreateBucket(t.Context(), "new-bucket"); err != nil {
		t.Fatal(err)
	}
	if _, err := after.Put(t.Context(), &objects.PutInput{
		Bucket: "bucket", Key: "key", Size: 1, Body: checksum.NewReader(strings.NewReader("x"), &checksum.Options{Size: 1}),
	}); err != nil {
		t.Fatal(err)
	}
	upload, err := after.CreateUpload(t.Context(), &objects.CreateUploadInput{Bucket: "bucket", Key: "parts"})
	if err != nil {
		t.Fatal(err)
	}
	asked := map[string]func() error{
		"object": func() error {
			_, err := before.Head(t.Context(), &objects.GetInput{Bucket: "bucket", Key: "key"})
			return err
		},
		"bucket": func() error { _, err := before.HeadBucket(t.Context(), "new-bucket"); return err },
		"upload": func() error {
			_, err := before.ListParts(t.Context(), &objects.ListPartsInput{UploadRef: objects.UploadRef{Bucket: "bucket", Key: "parts", UploadID: upload}, Limit: 1})
			return err
		},
		"uploads": func() error {
			out, err := before.ListUploads(t.Context(), &objects.ListUploadsInput{Bucket: "bucket", Limit: 10})
			if err == nil && len(out.Uploads) != 1 {
				err = fmt.Errorf("%d uploads are listed", len(out.Uploads))
			}
			return err
		},
	}
	faults.SetPlan(func(c faulty.Call) *faulty.Fault {
		if fails(c) {
			return &faulty.Fault{Kind: providers.Unavailable}
		}
		return nil
	})
	for what, ask := range asked {
		err := ask()
		if e, ok := errors.AsType[*objects.Error](err); !ok || e.Kind != objects.Unavailable {
			t.Errorf("%s while the storage fails: %v", what, err)
		}
	}
	faults.SetPlan(nil)
	for what, ask := range asked {
		if err := ask(); err != nil {
			t.Errorf("%s when it does again: %v", what, err)
		}
	}
}

// sameEverywhere asks gateways that run since before the change, each for something else: with that it meets the new keys for the first time.
func sameEverywhere(t *testing.T, after *objects.Service, before []*objects.Service) {
	t.Helper()
	if err := after.CreateBucket(t.Context(), "new-bucket"); err != nil {
		t.Fatal(err)
	}
	upload, err := after.CreateUpload(t.Context(), &objects.CreateUploadInput{Bucket: "bucket", Key: "parts"})
	if err != nil {
		t.Fatal(err)
	}
	ref := objects.UploadRef{Bucket: "bucket", Key: "parts", UploadID: upload}
	object := &objects.GetInput{Bucket: "bucket", Key: "second"}
	sum := md5.Sum([]byte("content of second"))
	etag := hex.EncodeToString(sum[:])
	for i, ask := range []func(s *objects.Service) error{
		func(s *objects.Service) error { _, err := s.HeadBucket(t.Context(), "new-bucket"); return err },
		func(s *objects.Service) error {
			_, err := s.ListParts(t.Context(), &objects.ListPartsInput{UploadRef: ref, Limit: 1})
			return err
		},
		func(s *objects.Service) error {
			out, err := s.ListUploads(t.Context(), &objects.ListUploadsInput{Bucket: "bucket", Limit: 10})
			if err == nil && len(out.Uploads) != 1 {
				t.Errorf("%d uploads are listed", len(out.Uploads))
			}
			return err
		},
		func(s *objects.Service) error { _, err := s.Head(t.Context(), object); return err },
		func(s *objects.Service) error {
			out, err := s.List(t.Context(), &objects.ListInput{Bucket: "bucket", Prefix: "second", Limit: 10})
			if err == nil && (len(out.Objects) != 1 || out.Objects[0].ETag != etag) {
				t.Errorf("the list shows %+v, not %s", out.Objects, etag)
			}
			return err
		},
		func(s *objects.Service) error {
			return s.Delete(t.Context(), &objects.DeleteInput{Bucket: "bucket", Key: "second", IfMatch: etag})
		},
	} {
		if err := ask(before[i]); err != nil {
			t.Errorf("question %d to a gateway that ran all the time: %v", i, err)
		}
	}
}
