package gateway

import (
	"io/fs"
	"math"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

// DefaultMemory is how many bytes a gateway takes that nobody and nothing limits.
const DefaultMemory = 1 << 30

// Memory is how much memory a gateway may take, and who says so.
type Memory struct {
	Bytes  int64
	Origin string // fixed words, for the log
}

// FindMemory returns the configured bytes; when they are 0 what GOMEMLIMIT says, else nine tenths of the control group's limit below root, the machine's
// file system, else DefaultMemory. The tenth is for what the Go runtime does not count: the program itself, and the kernel's buffers.
func FindMemory(configured int64, root fs.FS) Memory {
	if configured > 0 {
		return Memory{configured, "limits.memory"}
	}
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 {
		return Memory{limit, "GOMEMLIMIT"}
	}
	if limit, ok := controlGroupLimit(root); ok {
		return Memory{limit / 10 * 9, "nine tenths of the control group's limit"}
	}
	return Memory{DefaultMemory, "the default, because nothing limits it"}
}

// Enforce tells the runtime, which collects garbage the harder the nearer it comes to the limit. It is the process's setting, so for programs only.
func (m Memory) Enforce() { debug.SetMemoryLimit(m.Bytes) }

// forRequests is what all requests together may hold. The other half is for what does not grow with them (the caches of ETags and directories, drivers'
// buffers, connections, the program: about 120 MiB when all are full) and for garbage that was not collected yet.
func (m Memory) forRequests() int64 { return m.Bytes / 2 }

// controlGroupLimit returns the lowest limit of the groups that this process is in, of either version.
func controlGroupLimit(root fs.FS) (limit int64, ok bool) {
	const unlimited = 1 << 50 // version 1 says so with a number of pages that no machine has
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(groups)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		base, file := "sys/fs/cgroup", "memory.max"
		switch {
		case fields[0] == "0" && fields[1] == "":
		case strings.Contains(","+fields[1]+",", ",memory,"):
			base, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		// In a container the path may be the one that the host sees. Of that path nothing is there but the container's own group, which is mounted as
		// the root.
		for group := path.Clean("/" + fields[2]); ; group = path.Dir(group) {
			text, err := fs.ReadFile(root, path.Join(base, group, file))
			if n, parseErr := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && parseErr == nil && n > 0 && n < unlimited && (!ok || n < limit) {
				limit, ok = n, true
			}
			if group == "/" {
				break
			}
		}
	}
	return limit, ok
}
