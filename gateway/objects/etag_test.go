package objects

import (
	"strings"
	"testing"

	"sallyport/crypto/object"
	"sallyport/crypto/vault"
)

func TestOpaqueETag(t *testing.T) {
	digits := strings.Repeat("0123456789abcdef", 2)
	// The digest was computed with another program.
	for backend, want := range map[string]string{
		digits: digits + "-1", digits + "-1": digits + "-1", digits + "-10000": digits + "-10000",
		"": "e3b0c44298fc1c149afbf4c8996fb924-1", "abc": "ba7816bf8f01cfea414140de5dae2223-1",
	} {
		if got := object.OpaqueETag(backend); got != want {
			t.Errorf("object.OpaqueETag(%q) = %q, want %q", backend, got, want)
		}
	}
	seen := map[string]string{}
	for _, backend := range []string{
		"", "abc", digits[:31], digits + "0", strings.ToUpper(digits), digits + "-", digits + "-x", digits + "-1-1", "-1", digits + "-123456", `"` + digits + `"`, digits,
	} {
		got := object.OpaqueETag(backend)
		if len(got) < 34 || got[32] != '-' {
			t.Errorf("object.OpaqueETag(%q) = %q looks like an MD5", backend, got)
		}
		if other, ok := seen[got]; ok {
			t.Errorf("%q and %q are both %q", backend, other, got)
		}
		seen[got] = backend
	}
}

func TestShownETag(t *testing.T) {
	const inTail, backend = "0123456789abcdef0123456789abcdef", "7"
	for _, tc := range []struct {
		policy vault.ETagPolicy
		mode   object.Mode
		inTail string
		own    bool
	}{
		{vault.ETagMD5, object.ModeVault, inTail, true},
		{vault.ETagMD5, object.ModeVault, "", false},
		{vault.ETagMD5, object.ModeCustomer, inTail, false},
		{vault.ETagOpaque, object.ModeVault, inTail, false},
		{vault.ETagOpaque, object.ModeCustomer, "", false},
	} {
		want := object.OpaqueETag(backend)
		if tc.own {
			want = inTail
		}
		if got := shownETag(tc.policy, tc.mode, tc.inTail, backend); got != want {
			t.Errorf("%+v: %q, want %q", tc, got, want)
		}
	}
}
