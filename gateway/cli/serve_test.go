package cli

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"
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

// TestServeAsksForNoKeyOfAVaultThatIsNotThere: what lacks is the vault, whatever is or is not configured to open it.
func TestServeAsksForNoKeyOfAVaultThatIsNotThere(t *testing.T) {
	k := newClinic(t)
	mustRename(t, k.path("data/.sallyport/vault"), k.path("vault"))
	k.write("other.yaml", strings.Replace(k.config, fmt.Sprintf(", unlock: {key_file: %s}", k.key), "", 1))
	for _, config := range []string{"other.yaml", "config.yaml"} {
		k.want(1, "no vault file", "serve", "--config", k.path(config))
	}
}

// TestServeNamesTheCertificate: crypto/tls says what is wrong in a file, and not in which.
func TestServeNamesTheCertificate(t *testing.T) {
	k := newClinic(t)
	k.write("cert.pem", "x")
	k.want(1, k.path("cert.pem"), "serve", "--config", k.path("config.yaml"))
}

// TestServePrintsAddressesToPaste: nobody can connect to [::], so what is printed is an address that answers, and that there are others.
func TestServePrintsAddressesToPaste(t *testing.T) {
	k := newClinic(t)
	for listen, everywhere := range map[string]bool{"127.0.0.1:0": false, "localhost:0": false, "0.0.0.0:0": true, "[::]:0": true, ":0": true} {
		text := strings.Replace(k.config, `address: "127.0.0.1:0"`, fmt.Sprintf("address: %q", listen), 1)
		k.write("other.yaml", text+fmt.Sprintf("admin: {address: %q, allow_plain_http: true}\n", listen))
		reader, writer, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan int, 1)
		go func() {
			ended <- Run(ctx, []string{"serve", "--config", k.path("other.yaml")}, &Stdio{In: k.in, Out: writer, Err: k.err})
			_ = writer.Close()
		}()
		lines := bufio.NewScanner(reader)
		for _, what := range []string{"serving https://", "health and metrics at http://"} {
			lines.Scan()
			address, ok := strings.CutPrefix(lines.Text(), what)
			host, _, err := net.SplitHostPort(address)
			if !ok || err != nil || !net.ParseIP(host).IsLoopback() {
				t.Errorf("listening on %s it says %q", listen, lines.Text())
			}
			dialer := &net.Dialer{Timeout: 10 * time.Second}
			if conn, err := dialer.DialContext(t.Context(), "tcp", address); err != nil {
				t.Errorf("listening on %s: %v", listen, err)
			} else {
				_ = conn.Close()
			}
			if !everywhere {
				continue
			}
			if lines.Scan(); !strings.Contains(lines.Text(), "every other address of this machine") {
				t.Errorf("listening on %s it says %q after the address", listen, lines.Text())
			}
		}
		cancel()
		for lines.Scan() {
			t.Errorf("listening on %s it says more: %q", listen, lines.Text())
		}
		if code := <-ended; code != 0 {
			t.Errorf("listening on %s: exit %d", listen, code)
		}
		_ = reader.Close()
	}
}
