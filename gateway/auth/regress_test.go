package auth

import (
	"strings"
	"testing"
)

// TestNoCredentialIsKnownFromTheStart is regression F4: there is no access key that works without having been configured, and neither the names nor
// the secrets that other servers come with, nor the empty ones, verify anything.
func TestNoCredentialIsKnownFromTheStart(t *testing.T) {
	own, err := NewStatic([]Credential{credential("configured", Grant{Buckets: []string{"*"}, Actions: []Action{Read}})})
	if err != nil {
		t.Fatal(err)
	}
	none, err := NewStatic(nil)
	if err != nil {
		t.Fatal(err)
	}
	usual := []string{
		"", "minioadmin", "rustfsadmin", "admin", "root", "test", "garage", "seaweedfs", "any", "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
		"local-identity", "local-credential", "sallyport", "quickstart", "example-CHANGE-ME", "configured ", "CONFIGURED",
	}
	for _, s := range []*Static{own, none} {
		for _, accessKey := range usual {
			stand, p := s.Lookup(accessKey)
			if p != nil {
				t.Errorf("%q is somebody", accessKey)
			}
			for _, secretKey := range usual {
				if stand.Reveal() == secretKey || strings.Contains(stand.Reveal(), "secret-of") {
					t.Errorf("%q verifies with %q", accessKey, secretKey)
				}
			}
		}
	}
	if _, err := NewStatic([]Credential{{AccessKey: "nobody"}}); err == nil {
		t.Error("an access key without a secret is taken")
	}
}
