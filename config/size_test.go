package config_test

import (
	"strings"
	"testing"

	"sallyport/config"
)

func TestSizes(t *testing.T) {
	for text, want := range map[string]config.Size{
		"512MiB": 512 << 20, "1GiB": 1 << 30, "\"2GiB\"": 2 << 30, "200000KiB": 200000 << 10, "131072KiB": 128 << 20, "0KiB": 0, "": 0, "null": 0,
	} {
		c, err := config.Parse([]byte(strings.Replace(good, "drain: 90s", "memory: "+text, 1)), knownTypes())
		if err != nil || c.Limits.Memory != want {
			t.Errorf("%s: %v, want %d", text, err, want)
		}
	}
	for _, text := range []string{"1 GiB", "134217728", "0", "1gib", "GiB", "+1GiB", "0x10000000", "01GiB", "1e9", "128MiB128MiB", "1TiB", "9223372036854775807GiB", "1048577GiB"} {
		if _, err := config.Parse([]byte(strings.Replace(good, "drain: 90s", "memory: "+text, 1)), knownTypes()); err == nil || !strings.Contains(err.Error(), "limits.memory: expected a size such as 512MiB") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
