package gateway

import (
	"io/fs"
	"math"
	"runtime/debug"
	"testing"
	"testing/fstest"
)

func files(named map[string]string) fs.FS {
	m := fstest.MapFS{}
	for name, text := range named {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

func TestControlGroupLimit(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		limit int64
		ok    bool
	}{
		"none":                 {nil, 0, false},
		"version 2":            {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "536870912\n"}, 512 << 20, true},
		"no limit":             {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, 0, false},
		"below a slice":        {map[string]string{"proc/self/cgroup": "0::/system.slice/s.service\n", "sys/fs/cgroup/system.slice/memory.max": "300", "sys/fs/cgroup/system.slice/s.service/memory.max": "400"}, 300, true},
		"path of the host":     {map[string]string{"proc/self/cgroup": "0::/docker/abc\n", "sys/fs/cgroup/memory.max": "200"}, 200, true},
		"outside of its mount": {map[string]string{"proc/self/cgroup": "0::/../../other\n", "sys/fs/cgroup/memory.max": "100"}, 100, true},
		"version 1":            {map[string]string{"proc/self/cgroup": "5:cpu,cpuacct:/x\n4:memory:/x\n1:name=systemd:/y\n", "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "700", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712"}, 700, true},
		"version 1, no limit":  {map[string]string{"proc/self/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712"}, 0, false},
		"both, other groups":   {map[string]string{"proc/self/cgroup": "4:memory:/\n0::/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "900", "sys/fs/cgroup/memory.max": "max"}, 900, true},
		"nonsense":             {map[string]string{"proc/self/cgroup": "\n:\n0::\nmemory\n", "sys/fs/cgroup/memory.max": "-5"}, 0, false},
	} {
		if limit, ok := controlGroupLimit(files(c.files)); limit != c.limit || ok != c.ok {
			t.Errorf("%s: %d %v, want %d %v", name, limit, ok, c.limit, c.ok)
		}
	}
}

// The order is: what the operator writes, what the environment says, what the system says.
func TestFindMemory(t *testing.T) {
	before := debug.SetMemoryLimit(math.MaxInt64)
	defer debug.SetMemoryLimit(before)
	group := files(map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1000000000\n"})
	want := func(m Memory, bytes int64) {
		t.Helper()
		if m.Bytes != bytes {
			t.Errorf("have %d from %s, want %d", m.Bytes, m.Origin, bytes)
		}
	}
	want(FindMemory(0, files(nil)), DefaultMemory)
	want(FindMemory(0, group), 900_000_000)
	debug.SetMemoryLimit(700_000_000)
	want(FindMemory(0, group), 700_000_000)
	m := FindMemory(800_000_000, group)
	want(m, 800_000_000)
	m.Enforce()
	if now := debug.SetMemoryLimit(-1); now != 800_000_000 {
		t.Errorf("the runtime's limit is %d", now)
	}
}
