package config

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	maxNameLength = 63
	minAccessKey  = 3
	maxAccessKey  = 128
	minSecretKey  = 8
	maxDrain      = 24 * time.Hour
	maxDrainDelay = time.Hour
	minMemory     = 128 << 20
)

// Validate reports everything that is wrong with a configuration, as [Problems] without lines, or nil.
func (c *Config) Validate(types ProviderTypes) error { return c.problems(types).sorted() }

func (c *Config) problems(types ProviderTypes) Problems {
	return slices.Concat(c.surfaceProblems(), c.providerProblems(types), c.vaultProblems(), c.credentialProblems())
}

// report collects problems below one path.
type report struct {
	problems Problems
}

func (r *report) add(path, format string, args ...any) {
	r.problems = append(r.problems, Problem{Path: path, Message: fmt.Sprintf(format, args...)})
}

func (c *Config) surfaceProblems() Problems {
	var r report
	if !isWord(c.Region, maxNameLength) {
		r.add("region", "want a word of lower-case letters, digits and -, such as us-east-1")
	}
	for i, domain := range c.Domains {
		if !isHostName(domain) {
			r.add(fmt.Sprintf("domains[%d]", i), "want a host name in lower case without scheme and port, such as s3.example.org")
		}
	}
	if c.StateDir == "" {
		r.add("state_dir", "is missing; name a folder for what this gateway must remember, such as /var/lib/sallyport")
	}
	r.listener("listen", c.Listen.Address, c.Listen.TLS != nil || c.Listen.AllowPlainHTTP,
		"others can reach this address: give listen.tls a certificate, or listen on 127.0.0.1, or set listen.allow_plain_http behind a proxy that does TLS")
	if t := c.Listen.TLS; t != nil {
		if t.CertFile == "" {
			r.add("listen.tls.cert_file", "is missing")
		}
		if t.KeyFile == "" {
			r.add("listen.tls.key_file", "is missing")
		}
	}
	for i, network := range c.Listen.TrustedProxies {
		if _, err := netip.ParsePrefix(network); err != nil {
			r.add(fmt.Sprintf("listen.trusted_proxies[%d]", i), "want a network such as 10.0.0.0/8 or fd00::/8")
		}
	}
	if c.Admin.Address != "" {
		r.listener("admin", c.Admin.Address, c.Admin.AllowPlainHTTP,
			"others can reach this address and the listener has no login: listen on 127.0.0.1, or set admin.allow_plain_http")
		if c.Admin.Address == c.Listen.Address && !strings.HasSuffix(c.Admin.Address, ":0") {
			r.add("admin.address", "is the same as listen.address; the two need ports of their own")
		}
		if host, _, err := net.SplitHostPort(c.Admin.Address); c.Admin.Pprof && err == nil && !isLoopback(host) {
			r.add("admin.pprof", "profiles are served on a loopback address only; listen on 127.0.0.1 and reach it through ssh")
		}
	}
	if c.Limits.DrainDelay < 0 || c.Limits.DrainDelay > maxDrainDelay {
		r.add("limits.drain_delay", "want a duration between 0s and %s", "1h")
	}
	if c.Limits.Drain < 0 || c.Limits.Drain > maxDrain {
		r.add("limits.drain", "want a duration between 0s and %s", "24h")
	}
	if c.Limits.Memory != 0 && c.Limits.Memory < minMemory {
		r.add("limits.memory", "want at least 128MiB, or nothing to let the gateway find out")
	}
	r.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	r.oneOf("log.format", c.Log.Format, "text", "json")
	return r.problems
}

func (r *report) listener(path, address string, protected bool, exposed string) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		r.add(path+".address", "want host and port, such as 127.0.0.1:9710")
		return
	}
	if number, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(number, 10) != port {
		r.add(path+".address", "the port is not a number from 0 to 65535")
		return
	}
	if !protected && !isLoopback(host) {
		r.add(path+".address", "%s", exposed)
	}
}

// isLoopback takes no name but localhost: what another name means is decided elsewhere and may change.
func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.Unmap().IsLoopback()
}

func (r *report) oneOf(path, value string, words ...string) {
	if !slices.Contains(words, value) {
		r.add(path, "want one of: %s", strings.Join(words, ", "))
	}
}

func (c *Config) providerProblems(types ProviderTypes) Problems {
	var r report
	if len(c.Providers) == 0 {
		r.add("providers", "is missing; name at least one storage, such as {nas: {type: local, path: /srv/backup}}")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Providers)) {
		at, provider := "providers."+name, c.Providers[name]
		if !isName(name) {
			r.add(at, "want a name of lower-case letters, digits, - and _, at most %d", maxNameLength)
		}
		if provider.Type == "" {
			r.add(at+".type", "is missing")
			continue
		}
		if types == nil {
			continue
		}
		check, known := types[provider.Type]
		if !known {
			r.add(at+".type", "unknown type; this program knows: %s", strings.Join(slices.Sorted(maps.Keys(types)), ", "))
			continue
		}
		if check != nil {
			r.problems = append(r.problems, provider.check(at, check)...)
		}
	}
	return r.problems
}

func (c *Config) vaultProblems() Problems {
	var r report
	if len(c.Vaults) == 0 {
		r.add("vaults", "is missing; name at least one vault")
	}
	names, roots := map[string]int{}, map[string]int{}
	catchAll := -1
	for i := range c.Vaults {
		v, at := &c.Vaults[i], fmt.Sprintf("vaults[%d]", i)
		if first, twice := names[v.Name]; twice {
			r.add(at+".name", "vaults[%d] has the same name", first)
		} else if !isName(v.Name) {
			r.add(at+".name", "want a name of lower-case letters, digits, - and _, at most %d", maxNameLength)
		}
		names[v.Name] = i
		r.vaultRoot(c, roots, i)
		if v.Unlock.KeyFile != "" && v.Unlock.PasswordFile != "" {
			r.add(at+".unlock", "names both key_file and password_file; one opens the vault")
		}
		r.oneOf(at+".etag", cmp.Or(v.ETag, defaultETag), "md5", "opaque")
		r.oneOf(at+".sse_c", cmp.Or(v.SSEC, defaultSSEC), "allow")
		r.patterns(at+".buckets", v.Buckets)
		if catchAll >= 0 && len(v.Buckets) > 0 {
			r.add(at+".buckets", "vaults[%d] already owns every bucket, so this vault would never be used; put it first", catchAll)
		} else if slices.Contains(v.Buckets, "*") {
			catchAll = i
		}
	}
	return r.problems
}

func (r *report) vaultRoot(c *Config, roots map[string]int, i int) {
	v, at := &c.Vaults[i], fmt.Sprintf("vaults[%d].provider", i)
	if v.Provider == "" {
		r.add(at, "is missing")
		return
	}
	if _, known := c.Providers[v.Provider]; !known {
		r.add(at, "%q is not among the providers", v.Provider)
		return
	}
	if first, taken := roots[v.Provider]; taken {
		r.add(at, "vaults[%d] uses the same provider; each vault needs a root of its own", first)
		return
	}
	roots[v.Provider] = i
}

func (r *report) patterns(at string, patterns []string) {
	if len(patterns) == 0 {
		r.add(at, `is missing; ["*"] is every bucket`)
	}
	for i, pattern := range patterns {
		if _, err := path.Match(pattern, "x"); err != nil || pattern == "" {
			r.add(fmt.Sprintf("%s[%d]", at, i), "not a usable pattern; * stands for any text, ? for one character")
		}
	}
}

func (c *Config) credentialProblems() Problems {
	var r report
	if len(c.Credentials) == 0 {
		r.add("credentials", "is missing; without an access key nobody can use the gateway")
	}
	seen := map[string]int{}
	for i := range c.Credentials {
		cred, at := &c.Credentials[i], fmt.Sprintf("credentials[%d]", i)
		unusable := func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune("/,=&", r) }
		switch first, twice := seen[cred.AccessKey]; {
		case len(cred.AccessKey) < minAccessKey || len(cred.AccessKey) > maxAccessKey || strings.ContainsFunc(cred.AccessKey, unusable):
			r.add(at+".access_key", "want %d to %d visible ASCII characters without / , = &", minAccessKey, maxAccessKey)
		case twice:
			r.add(at+".access_key", "credentials[%d] has the same access key", first)
		default:
			seen[cred.AccessKey] = i
		}
		switch {
		case cred.SecretKey.IsZero() && cred.SecretKeyFile == "":
			r.add(at+".secret_key_file", "is missing; name the file that holds the secret access key")
		case !cred.SecretKey.IsZero() && cred.SecretKeyFile != "":
			r.add(at, "has both secret_key and secret_key_file; one is enough")
		case cred.SecretKeyFile == "" && len(cred.SecretKey.Reveal()) < minSecretKey:
			r.add(at+".secret_key", "is too short; want at least %d characters", minSecretKey)
		}
		if len(cred.Allow) == 0 {
			r.add(at+".allow", "is missing; without it the access key may do nothing")
		}
		for j := range cred.Allow {
			r.permission(fmt.Sprintf("%s.allow[%d]", at, j), &cred.Allow[j])
		}
	}
	return r.problems
}

func (r *report) permission(at string, p *Permission) {
	r.patterns(at+".buckets", p.Buckets)
	if len(p.Ops) == 0 {
		r.add(at+".ops", "is missing; want any of: read, write, list, delete, create-bucket")
	}
	for i, op := range p.Ops {
		r.oneOf(fmt.Sprintf("%s.ops[%d]", at, i), op, "read", "write", "list", "delete", "create-bucket")
	}
}

// isWord allows lower-case letters, digits and dashes.
func isWord(text string, longest int) bool {
	odd := func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' }
	return text != "" && len(text) <= longest && !strings.ContainsFunc(text, odd)
}

// isName allows what is safe in a path, since state is kept under it.
func isName(text string) bool {
	return isWord(strings.ReplaceAll(text, "_", "-"), maxNameLength) && text[0] != '-' && text[0] != '_'
}

func isHostName(text string) bool {
	if len(text) > 253 {
		return false
	}
	for label := range strings.SplitSeq(text, ".") {
		if !isWord(label, maxNameLength) || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return true
}
