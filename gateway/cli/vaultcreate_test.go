package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What serve opens a vault with is what vault create makes it with.
func TestVaultCreateTakesTheSecretThatServeWillUse(t *testing.T) {
	for unlock, secret := range map[string]string{"key_file": strings.Repeat("0123456789abcdef", 4), "password_file": "correct horse battery staple 99"} {
		for _, there := range []bool{true, false} {
			k := &clinic{console: newConsole(t), dir: t.TempDir()}
			if err := os.Mkdir(k.path("data"), 0o700); err != nil {
				t.Fatal(err)
			}
			k.write("config.yaml", fmt.Sprintf(`
listen: {address: "127.0.0.1:0"}
state_dir: %[1]s/state
providers: {nas: {type: local, path: %[1]s/data}}
vaults: [{name: home, provider: nas, buckets: ["*"], unlock: {%[2]s: %[1]s/unlock}}]
credentials: [{access_key: AKIDTEST, secret_key: secretsecret, allow: [{buckets: ["*"], ops: [read]}]}]
`, k.dir, unlock))
			create := []string{"vault", "create", "--yes", "--config", k.path("config.yaml")}
			if !there {
				k.want(0, k.path("unlock")+", which does not exist yet", create...)
				continue
			}
			k.write("unlock", secret+"\n")
			k.want(0, "is made", create...)
			k.want(0, "ok      opens", "doctor", "--config", k.path("config.yaml"))
		}
	}
}

// TestNoVaultOfAMadeUpKey: whoever has the vault file would need one guess.
func TestNoVaultOfAMadeUpKey(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(strings.Repeat("0", 64)), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	c := newConsole(t)
	c.want(1, "key new draws one", "vault", "create", "--dir", dir, "--key-file", key)
	c.want(1, "no vault file", "vault", "status", "--dir", dir)
}
