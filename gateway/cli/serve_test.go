package cli

import (
	"fmt"
	"strings"
	"testing"
)

// TestServeSaysWhichVaultLacksItsKey: it has no flags for keys, so it names the fields of the configuration.
func TestServeSaysWhichVaultLacksItsKey(t *testing.T) {
	k := newClinic(t)
	unlock := fmt.Sprintf("unlock: {key_file: %s}", k.key)
	for name, c := range map[string]struct {
		with string
		says []string
	}{
		"nothing":             {"", []string{`vault "home"`, "vaults[0].unlock.key_file", "vaults[0].unlock.password_file"}},
		"no such key file":    {"unlock: {key_file: /no/such/file}", []string{`vault "home"`, "vaults[0].unlock.key_file", "/no/such/file"}},
		"no password file":    {"unlock: {password_file: /no/such/file}", []string{`vault "home"`, "vaults[0].unlock.password_file", "/no/such/file"}},
		"no key in that file": {fmt.Sprintf("unlock: {key_file: %s}", k.path("config.yaml")), []string{`vault "home"`, "vaults[0].unlock.key_file"}},
	} {
		k.write("other.yaml", strings.Replace(k.config, ", "+unlock, strings.TrimSuffix(", "+c.with, ", "), 1))
		code, _, stderr := k.run(t.Context(), "serve", "--config", k.path("other.yaml"))
		if code != exitUsage || strings.Contains(stderr, "--key-file") {
			t.Errorf("%s: exit %d\n%s", name, code, stderr)
		}
		for _, want := range c.says {
			if !strings.Contains(stderr, want) {
				t.Errorf("%s: %q is missing in\n%s", name, want, stderr)
			}
		}
	}
}
