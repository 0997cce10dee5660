package vaults_test

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"sallyport/config/secret"
	"sallyport/crypto/vault"
	"sallyport/gateway/vaults"
	"sallyport/gateway/vaults/vaultstest"
	"sallyport/providers"
	"sallyport/providers/driver"
)

// lying is a backend that says it stored a vault file and keeps something else.
type lying struct {
	driver.Driver
	keeps func(stored []byte) []byte // nil = it is honest
}

func (l *lying) Put(ctx context.Context, key string, body io.Reader, size int64, opts *driver.PutOptions) (*driver.Info, error) {
	if l.keeps == nil || !strings.HasPrefix(key, vault.Directory) {
		return l.Driver.Put(ctx, key, body, size, opts)
	}
	b, err := io.ReadAll(io.LimitReader(body, size))
	if err != nil {
		return nil, err
	}
	b = l.keeps(b)
	return l.Driver.Put(ctx, key, bytes.NewReader(b), int64(len(b)), opts)
}

// TestVaultFilesAreReadBack: nothing is done that counts on a new vault file before it was seen to be there as it was written: with the old files gone and
// the new one not what it should be, the vault would be lost.
func TestVaultFilesAreReadBack(t *testing.T) {
	other := newRoot(t)
	o := other.create(firstPassword)
	if err := o.SetPassword(t.Context(), withKey(t), secret.NewString(secondPassword), "password", false); err != nil {
		t.Fatal(err)
	}
	another := map[bool][]byte{true: other.file(1), false: other.file(2)}
	for name, keeps := range map[string]func(b []byte) []byte{
		"a byte altered":       func(b []byte) []byte { b = bytes.Clone(b); b[len(b)/2] ^= 1; return b },
		"cut":                  func(b []byte) []byte { return b[:len(b)-1] },
		"nothing":              func([]byte) []byte { return nil },
		"another whole file":   nil,
		"a line break more":    func(b []byte) []byte { return append(bytes.Clone(b), '\n') },
		"the one that it made": func(b []byte) []byte { return b },
	} {
		honest := name == "the one that it made"
		keepsFirst := keeps
		if keeps == nil {
			keeps, keepsFirst = func([]byte) []byte { return another[false] }, func([]byte) []byte { return another[true] }
		}
		r := newRoot(t)
		backend := &lying{Driver: r.backend, keeps: keepsFirst}
		r.store = providers.Open("memory", backend, nil)
		create := &vaults.CreateOptions{Key: vaultstest.Key(t), ETag: vault.ETagMD5, Password: secret.NewString(firstPassword)}
		if err := r.vault(r.state).Create(t.Context(), create); (err == nil) != honest {
			t.Errorf("%s: create: %v", name, err)
		}
		r.remove(vault.Directory + vault.FileName(1))
		r.state = t.TempDir()
		backend.keeps = nil
		v := r.create(firstPassword)
		backend.keeps = keeps
		err := v.SetPassword(t.Context(), withKey(t), secret.NewString(secondPassword), "password", true)
		if (err == nil) != honest {
			t.Errorf("%s: new password: %v", name, err)
		}
		if honest {
			continue
		}
		r.remove(vault.Directory + vault.FileName(2))
		if err := r.vault(r.state).Open(t.Context(), withPassword(firstPassword)); err != nil {
			t.Errorf("%s: the old password opens the vault no more: %v", name, err)
		}
	}
}
