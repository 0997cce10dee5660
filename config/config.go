// Package config reads the gateway's configuration: strict YAML into one struct tree.
//
// It promises that what is not understood is refused, never ignored: unknown fields, second documents, wrong types, placeholders left
// over from the example. It reports every problem it can find at once, each with its line and its path, and never repeats a value that
// could be a secret. Defaults are what [Default] holds.
//
// It does not open anything that the configuration names, except that [Load] reads the file itself; it knows no driver: each driver is
// handed a decoder for its own part.
//
// Reference: docs/configuration.md, which is generated from the tags in this file.
package config

import (
	"time"

	"sallyport/config/secret"
)

// Config is the whole configuration. The doc tags become docs/configuration.md and config.schema.json.
type Config struct {
	Region      string              `yaml:"region" doc:"Region that clients sign their requests for. Any word will do, but clients and gateway must use the same."`
	Domains     []string            `yaml:"domains" doc:"Host names under which buckets are addressed as subdomains (virtual-hosted style). Empty: only path style."`
	Listen      Listen              `yaml:"listen" doc:"Where S3 clients connect."`
	Admin       Admin               `yaml:"admin" doc:"Where health and metrics are served; nothing there needs a login."`
	StateDir    string              `yaml:"state_dir" doc:"Folder for what this gateway remembers: pins, copies of vault files, caches. Local to this gateway. Required."`
	Providers   map[string]Provider `yaml:"providers" doc:"Storage by name. Besides type, each holds the settings of its type's driver. At least one is required."`
	Vaults      []Vault             `yaml:"vaults" doc:"Vaults in order: the first whose buckets match a bucket's name owns that bucket. At least one is required."`
	Credentials []Credential        `yaml:"credentials" doc:"Access keys for S3 clients and what they may do. At least one is required."`
	Limits      Limits              `yaml:"limits" doc:"Bounds on the work of this gateway."`
	Log         Log                 `yaml:"log" doc:"What is logged, on standard error."`
}

// Listen is the S3 listener.
type Listen struct {
	Address        string   `yaml:"address" doc:"Host and port, as in 0.0.0.0:9710. Port 0 picks one."`
	TLS            *TLS     `yaml:"tls" doc:"Certificate of the S3 listener. Required unless the address is a loopback one or allow_plain_http is set."`
	AllowPlainHTTP bool     `yaml:"allow_plain_http" doc:"Serve without TLS on an address that others can reach. Only behind a proxy that does TLS: what clients send can be read on the way."`
	TrustedProxies []string `yaml:"trusted_proxies" doc:"Networks (as in 10.0.0.0/8) of proxies that do TLS for this gateway; requests from there may carry SSE-C keys over plain HTTP."`
}

// TLS names a certificate; both files are read again when they change.
type TLS struct {
	CertFile string `yaml:"cert_file" doc:"PEM file with the certificate and its chain."`
	KeyFile  string `yaml:"key_file" doc:"PEM file with the private key."`
}

// Admin is the second listener. It is off when the address is empty.
type Admin struct {
	Address        string `yaml:"address" doc:"Host and port, as in 127.0.0.1:9711. Empty: no such listener."`
	AllowPlainHTTP bool   `yaml:"allow_plain_http" doc:"Serve on an address that others can reach. This listener has neither TLS nor a login."`
	Pprof          bool   `yaml:"pprof" doc:"Serve Go's profiles below /debug/pprof/, for go tool pprof. Only on a loopback address."`
}

// Vault is one root at one provider with its own keys.
type Vault struct {
	Name          string   `yaml:"name" doc:"Name in logs, metrics and commands: lower-case letters, digits, - and _."`
	Provider      string   `yaml:"provider" doc:"Name of the provider that holds it. One provider holds one vault."`
	Buckets       []string `yaml:"buckets" doc:"Patterns of the bucket names it owns: * and ? as in file names."`
	Unlock        Unlock   `yaml:"unlock" doc:"What opens the vault at start. Empty: it is asked for at the terminal, and without a terminal the gateway does not start."`
	ETag          string   `yaml:"etag" doc:"ETags of a vault that is still to be created: md5 (exactly S3's) or opaque (free in lists, different from the MD5). An existing vault keeps its own." enum:"md5,opaque"`
	SingleGateway bool     `yaml:"single_gateway" doc:"Promise that no other gateway uses this vault, so that conditions which the storage lacks can be decided inside this one. No effect where the storage has them all."`
	SSEC          string   `yaml:"sse_c" doc:"Whether clients may bring their own keys (SSE-C) for objects in this vault. Only allow in this version." enum:"allow"`
}

// Unlock holds at most one of two file names.
type Unlock struct {
	KeyFile      string `yaml:"key_file" doc:"File that holds the vault's 64-digit key."`
	PasswordFile string `yaml:"password_file" doc:"File that holds a password of the vault."`
}

// Credential is an access key. Exactly one of SecretKey and SecretKeyFile is set.
type Credential struct {
	AccessKey     string        `yaml:"access_key" doc:"Access key id: 3 to 128 visible ASCII characters without / , = &."`
	SecretKey     secret.String `yaml:"secret_key" doc:"Secret access key, at least 8 characters. Better in a file of its own."`
	SecretKeyFile string        `yaml:"secret_key_file" doc:"File that holds the secret access key."`
	Allow         []Permission  `yaml:"allow" doc:"What the key may do; whatever no entry allows is denied. At least one is required."`
}

// Permission allows operations on the keys that begin with one of Prefixes in the buckets that match one of Buckets.
type Permission struct {
	Buckets  []string `yaml:"buckets" doc:"Patterns of bucket names: * and ? as in file names."`
	Prefixes []string `yaml:"prefixes" doc:"What a key must begin with, as plain text. Empty: every key."`
	Ops      []string `yaml:"ops" doc:"Any of read, write, list, delete, create-bucket." enum:"read,write,list,delete,create-bucket"`
}

// Limits bound the gateway's work.
type Limits struct {
	DrainDelay time.Duration `yaml:"drain_delay" doc:"How long a stop goes on taking requests after /readyz has turned to 503, so that a load balancer looks and sends no more. Only with admin.address, because nobody could look otherwise. 0s: not at all."`
	Drain      time.Duration `yaml:"drain" doc:"How long a stop waits for requests under way before it cuts them, as in 30s or 5m. A cut upload leaves the old object in place."`
	Memory     Size          `yaml:"memory" doc:"Memory that this gateway may take, as in 512MiB, at least 128MiB; half of it is what requests may hold together. A container needs a ninth more. Empty: GOMEMLIMIT of the environment; without it nine tenths of the limit of the control group (container, systemd unit); without that 1GiB."`
}

// Log says what is logged.
type Log struct {
	Level  string `yaml:"level" doc:"Least level that is logged." enum:"debug,info,warn,error"`
	Format string `yaml:"format" doc:"How lines look." enum:"text,json"`
}

// Default returns what a field is when the file does not name it.
func Default() *Config {
	return &Config{
		Region: "us-east-1",
		Listen: Listen{Address: "127.0.0.1:9710"},
		Limits: Limits{DrainDelay: 5 * time.Second, Drain: 30 * time.Second},
		Log:    Log{Level: "info", Format: "text"},
	}
}

// The words that empty fields of a list entry stand for; list entries have no defaults of their own in YAML.
const (
	defaultETag = "md5"
	defaultSSEC = "allow"
)
