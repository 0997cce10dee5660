package object

import (
	"regexp"
	"testing"
)

func TestOpaqueETags(t *testing.T) {
	const md5 = "d41d8cd98f00b204e9800998ecf8427e"
	for backend, want := range map[string]string{
		md5:              md5 + "-1",
		md5 + "-12":      md5 + "-12",
		md5 + "-10000":   md5 + "-10000",
		md5 + "-123456":  "d510a23a8f229d63109f87351d330245-1",
		md5 + "-":        "",
		"7":              "7902699be42c8a8e46fbbb4501726517-1",
		md5 + "-x":       "",
		"":               "e3b0c44298fc1c149afbf4c8996fb924-1",
		"1790-5-12345":   "",
		md5[:31] + "g":   "",
		md5[:31]:         "",
		md5 + "-1-2":     "",
		"W/\"" + md5:     "",
		"A" + md5[1:]:    "",
		md5 + "-1\r\nx:": "",
	} {
		got := OpaqueETag(backend)
		if !regexp.MustCompile(`^[0-9a-f]{32}-[0-9]+$`).MatchString(got) {
			t.Errorf("%q became %q, which is no ETag of S3's second form", backend, got)
		}
		if want != "" && got != want {
			t.Errorf("%q became %q, want %q", backend, got, want)
		}
		if again := OpaqueETag(backend); again != got {
			t.Errorf("%q became %q and %q", backend, got, again)
		}
	}
	if got := OpaquePartETag([32]byte{0xab, 15: 0xcd, 16: 0xff}); got != "ab0000000000000000000000000000cd-1" {
		t.Errorf("part: %q", got)
	}
}
