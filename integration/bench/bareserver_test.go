package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestBareServer: a bench that ends at the first method its yardstick does not know has measured nothing.
func TestBareServer(t *testing.T) {
	server := httptest.NewServer(&bareServer{dir: t.TempDir(), sync: true})
	defer server.Close()
	for _, c := range []struct{ method, send, want string }{{http.MethodPut, "some bytes", ""}, {http.MethodGet, "", "some bytes"}, {http.MethodHead, "", ""}} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, server.URL+"/bucket/key", strings.NewReader(c.send))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusOK || string(got) != c.want || c.method == http.MethodHead && answer.ContentLength != int64(len("some bytes")) {
			t.Errorf("%s: %s, %d bytes announced, %q, %v", c.method, answer.Status, answer.ContentLength, got, err)
		}
	}
}
