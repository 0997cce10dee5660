package s3

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/s3utils"
)

// Flavours of service, which differ in defaults only.
const (
	FlavourS3    = "s3"    // Amazon S3 and services like it
	FlavourMinIO = "minio" // MinIO and its kin, which keep objects as folders of a file system
)

// Checksums that are sent with bodies.
const (
	ChecksumCRC64NVME = "crc64nvme"
	ChecksumCRC32C    = "crc32c"
	ChecksumNone      = "none" // for services that understand neither x-amz-checksum headers nor trailers
)

// Answers to option folder_clash.
const (
	ClashCheck  = "check"  // a write is refused while an ancestor or a descendant of its key is an object
	ClashIgnore = "ignore" // the service lists "a/b" also while "a" exists, or keys never clash, as encrypted names do not
)

// Config is this provider's part of the configuration. The zero value of every field but Bucket is a default.
type Config struct {
	// Endpoint is the service's address as http(s)://host[:port]. "" = Amazon S3 in Region; type minio must have one.
	Endpoint string `yaml:"endpoint"`
	// Region signs requests; "" = us-east-1.
	Region string `yaml:"region"`
	// Bucket must exist.
	Bucket string `yaml:"bucket"`
	// Prefix is the folder in the bucket that holds everything, with or without a slash at its end; "" = the whole bucket.
	Prefix string `yaml:"prefix"`
	// AccessKeyFile and SecretKeyFile hold the credentials, one line each, and are read again when they change. Both "" = the environment's
	// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.
	AccessKeyFile string `yaml:"access_key_file"`
	SecretKeyFile string `yaml:"secret_key_file"`
	// SessionTokenFile holds the token of temporary credentials; "" = none.
	SessionTokenFile string `yaml:"session_token_file"`
	// CAFile holds the PEM certificates that the service's certificate must descend from; "" = the system's.
	CAFile string `yaml:"ca_file"`
	// PathStyle puts the bucket into the path instead of the host name; nil = by type: true for minio, false for s3 on Amazon, else true.
	PathStyle *bool `yaml:"path_style"`
	// FolderClash is "check" or "ignore"; "" = by type: check for minio, what the probe finds for s3.
	FolderClash string `yaml:"folder_clash"`
	// Checksum of bodies: "crc64nvme", "crc32c" or "none"; "" = by type: crc32c for minio, crc64nvme for s3.
	Checksum string `yaml:"checksum"`
	// Proxy is an http(s) URL that every request goes through; "" = none, whatever the environment says.
	Proxy string `yaml:"proxy"`
	// AllowPlainHTTP permits http:// to another machine. Objects are encrypted in any case; their names, sizes and times are not hidden.
	AllowPlainHTTP bool `yaml:"allow_plain_http"`

	flavour string
}

// DecodeConfig reads a Config of type s3 by the strict decoder it is handed, and validates it.
func DecodeConfig(decode func(into any) error) (*Config, error) { return decodeAs(FlavourS3, decode) }

// DecodeMinIOConfig is DecodeConfig for type minio.
func DecodeMinIOConfig(decode func(into any) error) (*Config, error) {
	return decodeAs(FlavourMinIO, decode)
}

func decodeAs(flavour string, decode func(into any) error) (*Config, error) {
	c := Config{flavour: flavour}
	if err := decode(&c); err != nil {
		return nil, err
	}
	return &c, c.Validate()
}

// For returns a copy of c with the defaults of a flavour, for those who make a Config by hand.
func (c Config) For(flavour string) *Config {
	c.flavour = flavour
	return &c
}

func (c *Config) isMinIO() bool { return c.flavour == FlavourMinIO }

// Validate joins everything that is wrong with c, each with its field.
func (c *Config) Validate() error {
	problems := []error{c.checkEndpoint(), c.checkProxy(), checkPrefix(c.Prefix)}
	if c.Bucket == "" {
		problems = append(problems, errors.New("bucket: is empty"))
	} else if err := s3utils.CheckValidBucketName(c.Bucket); err != nil {
		problems = append(problems, fmt.Errorf("bucket: %q: %w", c.Bucket, err))
	}
	if strings.Trim(c.Region, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != "" {
		problems = append(problems, fmt.Errorf("region: %q is no region's name", c.Region))
	}
	if (c.AccessKeyFile == "") != (c.SecretKeyFile == "") {
		problems = append(problems, errors.New("secret_key_file: access_key_file and secret_key_file go together"))
	}
	if c.SessionTokenFile != "" && c.AccessKeyFile == "" {
		problems = append(problems, errors.New("session_token_file: needs access_key_file and secret_key_file"))
	}
	switch c.FolderClash {
	case "", ClashCheck, ClashIgnore:
	default:
		problems = append(problems, fmt.Errorf("folder_clash: %q is neither %q nor %q", c.FolderClash, ClashCheck, ClashIgnore))
	}
	switch c.Checksum {
	case "", ChecksumCRC64NVME, ChecksumCRC32C, ChecksumNone:
	default:
		problems = append(problems, fmt.Errorf("checksum: %q is none of %q, %q and %q", c.Checksum, ChecksumCRC64NVME, ChecksumCRC32C, ChecksumNone))
	}
	return errors.Join(problems...)
}

func (c *Config) checkEndpoint() error {
	if c.Endpoint == "" {
		if c.isMinIO() {
			return errors.New("endpoint: is empty")
		}
		return nil
	}
	u, err := parseHost(c.Endpoint)
	if err != nil {
		return fmt.Errorf("endpoint: %w", err)
	}
	if u.Scheme == "http" && !c.AllowPlainHTTP && !isLoopback(u.Hostname()) {
		return errors.New("endpoint: http:// to another machine shows names, sizes and times to everybody on the way; use https://, or set allow_plain_http: true")
	}
	if c.CAFile != "" && u.Scheme == "http" {
		return errors.New("ca_file: is of no use with an http:// endpoint")
	}
	return nil
}

func (c *Config) checkProxy() error {
	if c.Proxy == "" {
		return nil
	}
	if _, err := parseHost(c.Proxy); err != nil {
		return fmt.Errorf("proxy: %w", err)
	}
	return nil
}

// parseHost takes an http(s) URL of a host and nothing more. Its errors do not repeat the text, which may hold a password by mistake.
func parseHost(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return nil, errors.New("is no URL like https://host:port")
	case u.User != nil:
		return nil, errors.New("must not hold credentials")
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("has more than a host and a port; the bucket and the prefix are settings of their own")
	}
	u.Path = ""
	return u, nil
}

// checksum is CRC-64 by default where it is the service's own, and CRC-32C at MinIO: there CRC-64 costs its processor a fifth more for each part, and
// versions of before 2025 do not know it.
func (c *Config) checksum() minio.ChecksumType {
	switch {
	case c.Checksum == ChecksumNone:
		return minio.ChecksumNone
	case c.Checksum == ChecksumCRC32C || c.Checksum == "" && c.isMinIO():
		return minio.ChecksumCRC32C
	}
	return minio.ChecksumCRC64NVME
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func checkPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	for segment := range strings.SplitSeq(strings.TrimSuffix(prefix, "/"), "/") {
		if segment == "" || segment == "." || segment == ".." || len(segment) > 255 || strings.ContainsAny(segment, "\\\x00\n\r") || segment == ".sallyport" {
			return fmt.Errorf("prefix: %q is no clean path like a/b", prefix)
		}
	}
	if len(prefix) > maxPrefix {
		return fmt.Errorf("prefix: is longer than %d bytes", maxPrefix)
	}
	return nil
}

// maxPrefix leaves room for keys.
const maxPrefix = 256

// resolved are the settings with defaults applied.
type resolved struct {
	endpoint  *url.URL
	proxy     *url.URL
	region    string
	prefix    string // "" or ending in a slash
	pathStyle bool
	// signBodies says that a body could be changed unnoticed on its way. TLS leaves nobody who could, the machine itself leaves accidents, which the
	// checksum notices; and hashing costs a third of a PUT.
	signBodies bool
}

func (c *Config) resolve() resolved {
	r := resolved{region: c.Region, prefix: c.Prefix}
	if r.region == "" {
		r.region = "us-east-1"
	}
	if r.prefix != "" && !strings.HasSuffix(r.prefix, "/") {
		r.prefix += "/"
	}
	endpoint := c.Endpoint
	if endpoint == "" {
		endpoint = "https://s3." + r.region + ".amazonaws.com"
	}
	r.endpoint, _ = parseHost(endpoint) // Validate has been here
	if c.Proxy != "" {
		r.proxy, _ = parseHost(c.Proxy)
	}
	r.signBodies = r.endpoint.Scheme != "https" && (r.proxy != nil || !isLoopback(r.endpoint.Hostname()) || c.Checksum == ChecksumNone)
	r.pathStyle = c.isMinIO() || !s3utils.IsAmazonEndpoint(*r.endpoint) || strings.Contains(c.Bucket, ".")
	if c.PathStyle != nil {
		r.pathStyle = *c.PathStyle
	}
	return r
}

// Options are what the program hands to Open beside the configuration. The zero value is usable.
type Options struct {
	// Logger gets warnings about the bucket; nil = none.
	Logger *slog.Logger
	// Now is the clock; nil = time.Now.
	Now func() time.Time
	// ReadOnly opens without a single write: nothing is probed, and every change fails with ReadOnly.
	ReadOnly bool
	// Probe is what an earlier Open found out about the same bucket; nil = probe now.
	Probe *Probe

	// Dial connects in place of TCP, and without the check of addresses that belongs to it; nil = TCP. For tests that have no network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	timeouts timeouts // zero = the driver's own; for tests
}
