package s3api

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"testing"
)

func pattern(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16)}).Read(b)
	return b
}

func md5Hex(b []byte) string {
	sum := md5.Sum(b)
	return hex.EncodeToString(sum[:])
}

func TestPutGetInEveryForm(t *testing.T) {
	s := newSite(t, siteOptions{})
	for _, f := range allForms() {
		for _, size := range []int{0, 1, testChunk - 1, testChunk, testChunk + 1, 3*65536 + 7} {
			t.Run(fmt.Sprintf("%s/%d", f, size), func(t *testing.T) {
				body := pattern(size)
				key := fmt.Sprintf("/%s/form-%d", testBucket, size)
				put := s.do(f, http.MethodPut, key, body, "Content-Type: text/x-test", "x-amz-meta-Color: blue")
				s.want(put, http.StatusOK, "")
				if want := `"` + md5Hex(body) + `"`; put.header.Get("ETag") != want {
					t.Errorf("ETag %s, want %s", put.header.Get("ETag"), want)
				}
				for _, method := range []string{http.MethodGet, http.MethodHead} {
					get := s.ask(method, key, nil)
					s.want(get, http.StatusOK, "")
					if method == http.MethodGet && !bytes.Equal(get.body, body) {
						t.Errorf("%d bytes came back, want %d", len(get.body), len(body))
					}
					for name, want := range map[string]string{
						"Content-Length": strconv.Itoa(size), "Content-Type": "text/x-test", "X-Amz-Meta-Color": "blue", "Accept-Ranges": "bytes",
						"Etag": `"` + md5Hex(body) + `"`, "Content-Encoding": "",
					} {
						if have := get.header.Get(name); have != want {
							t.Errorf("%s: %s is %q, want %q", method, name, have, want)
						}
					}
				}
			})
		}
	}
}
