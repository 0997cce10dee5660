package s3api

import (
	"errors"
	"net/http"
	"testing"

	"sallyport/config/secret"
	"sallyport/gateway/auth"
	"sallyport/gateway/checksum"
	"sallyport/gateway/objects"
)

// TestHeaderNamesInTheURL: a name that no header can have would get past the checks of names and then be dropped or stored as it is.
func TestHeaderNamesInTheURL(t *testing.T) {
	for name, ok := range map[string]bool{
		"x-amz-meta-a": true, "X-Amz-Meta-A_b": true, "x-amz-meta-a b": false, "X-Amz-Meta-a\r\nx": false, "x-amz-meta-ü": false,
	} {
		_, err := hoistedHeaders(http.Header{}, parameters{name: "v"})
		if (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestEmptySourceCondition: a condition that says nothing must not be taken for none.
func TestEmptySourceCondition(t *testing.T) {
	for _, name := range []string{"X-Amz-Copy-Source-If-Match", "X-Amz-Copy-Source-If-None-Match"} {
		for _, value := range []string{"", `""`, " , "} {
			if _, err := sourceConditions(http.Header{name: {value}}); err == nil {
				t.Errorf("%s: %q is taken for no condition", name, value)
			}
		}
	}
}

// TestDamagedSourceIsNotTheClientsFault: the digests of a damaged source stand in the error's tree.
func TestDamagedSourceIsNotTheClientsFault(t *testing.T) {
	err := &objects.Error{Kind: objects.Damaged, Message: "the source does not match its own checksum", Err: &checksum.Error{Reason: checksum.ChecksumMismatch}}
	if f := describe(errors.Join(err)); f.code != "ObjectDamaged" {
		t.Errorf("told as %s", f.code)
	}
}

// TestLongestDomainWins: of two domains that end alike the longer one is meant, in whatever order they are configured.
func TestLongestDomainWins(t *testing.T) {
	for _, domains := range [][]string{{"example.com", "s3.example.com"}, {"s3.example.com", "example.com"}} {
		h, ok := New(&Options{Objects: &objects.Service{}, Credentials: noCredentials{}, Domains: domains}).(*handler)
		if !ok {
			t.Fatal("New returns something else than a handler")
		}
		if bucket, found := hostBucket("b.s3.example.com", h.domains); !found || bucket != "b" {
			t.Errorf("%v: bucket %q", domains, bucket)
		}
	}
}

type noCredentials struct{}

// Lookup knows nobody.
func (noCredentials) Lookup(string) (secret.String, *auth.Principal) { return secret.String{}, nil }
