package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/config"
)

// TestRootsThatMeet are named both, on the second one's line, beside every other mistake.
func TestRootsThatMeet(t *testing.T) {
	roots := &config.Roots{
		Providers: map[string]func(decode func(into any) error) string{"local": func(decode func(into any) error) string {
			var c struct {
				Path string `yaml:"path"`
			}
			if decode(&c) != nil || c.Path == "" {
				return ""
			}
			return filepath.ToSlash(filepath.Clean(c.Path))
		}},
		Folder: func(path string) string { return filepath.ToSlash(filepath.Clean(path)) },
	}
	types := config.ProviderTypes{"local": nil, "other": nil}
	load := func(t *testing.T, state, providers string, roots *config.Roots) string {
		t.Helper()
		path := filepath.Join(t.TempDir(), "sallyport.yaml")
		if err := os.WriteFile(path, []byte("regoin: x\nproviders: "+providers+"\nstate_dir: "+state+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err := config.Load(path, types, roots)
		if err == nil || !strings.Contains(err.Error(), "regoin") {
			t.Fatalf("%s: %v", providers, err)
		}
		return err.Error()
	}
	const x = "{a: {type: local, path: /srv/x}, "
	for _, c := range []struct{ state, providers, want string }{
		{"/s", x + "b: {type: local, path: /srv/y}}", ""},
		{"/s", x + "b: {type: local, path: /srv/xy}}", ""},
		{"/s", x + "b: {type: other, path: /srv/x}}", ""},
		{"/s", "{a: {type: local, paht: /srv/x}, b: {type: local, paht: /srv/x}}", ""},
		{"/s", x + "b: {type: local, path: /srv/x/}}", "line 2: providers.b: has the same root as providers.a, /srv/x;"},
		{"/s", x + "b: {type: local, path: /srv/y}, c: {type: local, path: /srv/y}}", "line 2: providers.c: has the same root as providers.b"},
		{"/s", x + "b: {type: local, path: /srv/x/y/z}}", "line 2: providers.b: its root /srv/x/y/z lies inside that of providers.a, /srv/x;"},
		{"/s", x + "b: {type: local, path: /srv}}", "line 2: providers.b: its root /srv holds that of providers.a, /srv/x;"},
		{"/s", x + "b: {type: local, path: /}}", "line 2: providers.b: its root / holds that of providers.a, /srv/x;"},
		{"/srv/x", x + "b: {type: local, path: /srv/y}}", "line 3: state_dir: has the same root as providers.a, /srv/x;"},
		{"/srv/y/state", x + "b: {type: local, path: /srv/y}}", "line 3: state_dir: its root /srv/y/state lies inside that of providers.b, /srv/y;"},
		{"/srv", x + "b: {type: other}}", "line 3: state_dir: its root /srv holds that of providers.a, /srv/x;"},
		{"''", x + "b: {type: other}}", ""},
	} {
		got := load(t, c.state, c.providers, roots)
		if c.want == "" && (strings.Contains(got, "root as") || strings.Contains(got, "its root")) || !strings.Contains(got, c.want) {
			t.Errorf("%s, state %s: want %q in\n%v", c.providers, c.state, c.want, got)
		}
		if got := load(t, c.state, c.providers, nil); strings.Contains(got, "root") {
			t.Errorf("without roots: %s", got)
		}
	}
}
