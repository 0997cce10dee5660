package s3api

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxKey is the longest key of S3 in bytes of UTF-8.
const maxKey = 1024

// scope says what a request is addressed to.
type scope int

const (
	serviceScope scope = iota
	bucketScope
	objectScope
)

// target is the decoded address of a request.
type target struct {
	bucket, key string
}

func (t target) scope() scope {
	switch {
	case t.bucket == "":
		return serviceScope
	case t.key == "":
		return bucketScope
	default:
		return objectScope
	}
}

// parseTarget finds bucket and key. r.URL.Path is the request's path percent-decoded once, and nothing else is ever done to it: no cleaning, no
// second decoding. domains are lower-case; a host below one of them names the bucket.
func parseTarget(r *http.Request, domains []string) (target, error) {
	path, ok := strings.CutPrefix(r.URL.Path, "/")
	if !ok {
		return target{}, refuse("InvalidURI", "Couldn't parse the specified URI.")
	}
	var t target
	if bucket, ok := hostBucket(r.Host, domains); ok {
		t = target{bucket, path}
	} else if path != "" {
		t.bucket, t.key, _ = strings.Cut(path, "/")
		if t.bucket == "" {
			return target{}, invalidBucketName("")
		}
	}
	if t.bucket != "" {
		if err := checkBucketName(t.bucket); err != nil {
			return target{}, err
		}
	}
	if t.key != "" {
		if err := checkKey(t.key); err != nil {
			return target{}, err
		}
	}
	return t, nil
}

// hostBucket returns what stands before a known domain in the Host header. The domain alone is path style.
func hostBucket(host string, domains []string) (string, bool) {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if slices.Contains(domains, name) {
		return "", false
	}
	for _, domain := range domains {
		if bucket, ok := strings.CutSuffix(name, "."+domain); ok && bucket != "" {
			return bucket, true
		}
	}
	return "", false
}

func checkKey(key string) error {
	switch {
	case len(key) > maxKey:
		return keyTooLong(len(key))
	case !utf8.ValidString(key):
		return refuse("InvalidURI", "Couldn't parse the specified URI: the key is not UTF-8.")
	case strings.IndexByte(key, 0) >= 0:
		return refuse("InvalidArgument", "Object key cannot contain NUL.")
	}
	return nil
}

func invalidBucketName(name string) *failure {
	return refuse("InvalidBucketName", "The specified bucket is not valid.").with("BucketName", name)
}

// checkBucketName applies the naming rules of general purpose buckets, on every request: a name that breaks them cannot exist, and nothing further down
// has to think of dots, slashes or control characters in it. https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
func checkBucketName(name string) error {
	if len(name) < 3 || len(name) > 63 {
		return invalidBucketName(name)
	}
	for i := 0; i < len(name); i++ {
		c := name[i]
		alphanumeric := 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
		edge := i == 0 || i == len(name)-1
		switch {
		case alphanumeric:
		case edge, c != '-' && c != '.':
			return invalidBucketName(name)
		case c == '.' && name[i-1] == '.':
			return invalidBucketName(name)
		}
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return invalidBucketName(name)
	}
	for _, prefix := range []string{"xn--", "sthree-"} {
		if strings.HasPrefix(name, prefix) {
			return invalidBucketName(name)
		}
	}
	for _, suffix := range []string{"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"} {
		if strings.HasSuffix(name, suffix) {
			return invalidBucketName(name)
		}
	}
	return nil
}
