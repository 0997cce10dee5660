package s3_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/providers/s3"
	"sallyport/providers/s3/internal/awslike"
)

// MinIO calls the access key of temporary credentials that have ended unknown, and who reads that must not look for a mistake in it.
func TestUnknownKeysMayHaveEnded(t *testing.T) {
	s := newService(t, false)
	s.fails(func(*http.Request) awslike.Fault { return awslike.Fault{Status: 403, Code: "InvalidAccessKeyId"} })
	temporary := s.config
	temporary.SessionTokenFile = filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(temporary.SessionTokenFile, []byte("token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		config s3.Config
		says   string
	}{{s.config, "check the credentials"}, {temporary, "temporary credentials have ended"}} {
		if _, err := s3.Open(t.Context(), &c.config, &s3.Options{Probe: &perfect}); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v does not say %q", err, c.says)
		}
	}
}
