package vaults_test

import (
	"errors"
	"testing"

	"sallyport/config/secret"
	"sallyport/crypto/vault"
)

// TestAnOldFileIsNoNewerOneByItsName: the name of a vault file is the storage's to choose, and the number in it is sealed. A gateway that has seen nothing yet
// has only that to go by.
func TestAnOldFileIsNoNewerOneByItsName(t *testing.T) {
	r := newRoot(t)
	v := r.create(firstPassword)
	old := r.file(1)
	if err := v.SetPassword(t.Context(), withKey(t), secret.NewString(secondPassword), "password", true); err != nil {
		t.Fatal(err)
	}
	r.plant(vault.Directory+vault.FileName(3), old)
	if err := r.vault("").Open(t.Context(), withPassword(firstPassword)); !errors.Is(err, vault.ErrForged) {
		t.Errorf("the old password opens: %v", err)
	}
}

// TestAnOldFileAsksForNoPassword: what the pin refuses costs no password function, whose price the file names, and a wrong password is not what is wrong.
func TestAnOldFileAsksForNoPassword(t *testing.T) {
	r := newRoot(t)
	v := r.create(firstPassword)
	old := r.file(1)
	if err := v.SetPassword(t.Context(), withKey(t), secret.NewString(secondPassword), "password", true); err != nil {
		t.Fatal(err)
	}
	r.remove(vault.Directory + vault.FileName(2))
	r.plant(vault.Directory+vault.FileName(1), old)
	if err := r.vault(r.state).Open(t.Context(), withPassword("wrong Password entirely 7")); !errors.Is(err, vault.ErrRollback) {
		t.Errorf("%v", err)
	}
}
