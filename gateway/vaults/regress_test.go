package vaults_test

import (
	"strings"
	"testing"

	"sallyport/crypto/vault"
	"sallyport/gateway/vaults"
	"sallyport/gateway/vaults/vaultstest"
	"sallyport/providers"
	"sallyport/providers/mem"
)

// TestNoTwoVaultsShareACredential is of regression F4: the access key of a gateway that was just started is its vault's own, also where two vaults were made
// with one key, and long enough not to be guessed.
func TestNoTwoVaultsShareACredential(t *testing.T) {
	seen := map[string]bool{}
	one := vault.NewRecoveryKey()
	for i := range 4 {
		key := one
		if i > 1 {
			key = vault.NewRecoveryKey()
		}
		v := vaults.New(&vaults.Options{
			Name: "test", Store: providers.Open("memory", mem.New(&mem.Options{}), &providers.StoreOptions{}), Patterns: []string{"*"}, Hasher: vaultstest.Hasher(t),
		})
		if _, _, err := v.OwnerCredential(); err == nil {
			t.Error("a vault that is not open has a credential")
		}
		if err := v.Create(t.Context(), &vaults.CreateOptions{Key: key, ETag: vault.ETagMD5}); err != nil {
			t.Fatal(err)
		}
		if err := v.Open(t.Context(), vaults.Unlock{Key: key}); err != nil {
			t.Fatal(err)
		}
		accessKey, secretKey, err := v.OwnerCredential()
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{accessKey, secretKey.Reveal()} {
			if seen[text] {
				t.Errorf("vault %d has the credential of another", i)
			}
			seen[text] = true
		}
		if len(accessKey) < 20 || len(secretKey.Reveal()) < 40 || strings.Contains(key.Reveal(), secretKey.Reveal()) {
			t.Errorf("vault %d: an access key of %d and a secret of %d characters", i, len(accessKey), len(secretKey.Reveal()))
		}
	}
}
