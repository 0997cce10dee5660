package vaults_test

import (
	"strings"
	"testing"

	"sallyport/gateway/vaults"
)

func TestBucketNames(t *testing.T) {
	for _, name := range []string{"abc", "a-b", "a.b", "123", "a--b", strings.Repeat("a", 63), "1.2.3", "my-bucket.example"} {
		if !vaults.ValidBucketName(name) {
			t.Errorf("%q is refused", name)
		}
	}
	for _, name := range []string{
		"", "ab", strings.Repeat("a", 64), "Abc", "a_b", "-ab", "ab-", ".ab", "ab.", "a..b", "192.168.5.4", "a/b", "..", "...", ".sallyport", "a b", "äbc", "a\x00b",
		"xn--abc", "sthree-abc", "amzn-s3-demo-x", "abc-s3alias", "abc--ol-s3", "abc.mrap", "abc--x-s3", "abc--table-s3",
	} {
		if vaults.ValidBucketName(name) {
			t.Errorf("%q is accepted", name)
		}
	}
}
