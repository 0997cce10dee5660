package integration

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/minio/minio-go/v7"

	"sallyport/integration/internal/toolchain"
)

// forgettingConditions is the MinIO as a service that has never heard of conditions on writes: what asks for one is signed anew without it.
func forgettingConditions(t *testing.T, m *onMinIO) string {
	t.Helper()
	target, err := url.Parse(m.minio.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	credentials := aws.Credentials{AccessKeyID: m.minio.AccessKey, SecretAccessKey: m.minio.SecretKey}
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		if r.In.Method != http.MethodPut && r.In.Method != http.MethodPost {
			r.Out.Host = r.In.Host // still signed as it came
			return
		}
		for _, name := range []string{"If-Match", "If-None-Match", "Authorization"} {
			r.Out.Header.Del(name)
		}
		sign := func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }
		if err := v4.NewSigner().SignHTTP(r.Out.Context(), credentials, r.Out, r.Out.Header.Get("X-Amz-Content-Sha256"), "s3", "us-east-1", time.Now(), sign); err != nil {
			t.Errorf("sign anew: %v", err)
		}
	}})
	t.Cleanup(proxy.Close)
	return proxy.URL
}

// TestServeRefusesToShare: where the storage decides no conditions, serve does not start unless it is told to be the only gateway, and says so; then it decides them itself.
func TestServeRefusesToShare(t *testing.T) {
	needsPrograms(t)
	t.Parallel()
	m := newOnMinIO(t)
	provider := strings.Replace(m.provider(""), m.minio.Endpoint, forgettingConditions(t, m), 1)
	config := m.config(t, "shared", provider)
	cmd := exec.Command(sallyport(t, false), "serve", "--config", config)
	cmd.Env = toolchain.Environ()
	p := spawn(t, cmd)
	if code := p.wait(patience); code != 2 {
		t.Errorf("serve: exit %d, want 2", code)
	}
	for _, want := range []string{"cannot decide conditions as several gateways need them", "sallyport doctor", "single_gateway: true", `vault "main"`} {
		if !strings.Contains(p.stderr.String(), want) {
			t.Errorf("serve does not say %q:\n%s", want, p.stderr.String())
		}
	}
	if strings.Contains(p.stdout.String(), "serving") {
		t.Error("it served")
	}

	text := strings.Replace(string(readFile(t, config)), "unlock: {key_file: ", "single_gateway: true, unlock: {key_file: ", 1)
	s := &server{config: writeFile(t, filepath.Join(m.dir, "alone.yaml"), []byte(text)), keyFile: m.keyFile}
	s.Dir = t.TempDir()
	s.serve(t)
	makeBucket(t, &s.gateway, "alone")
	c := core(t, s)
	absent := minio.PutObjectOptions{}
	absent.SetMatchETagExcept("*")
	if _, err := c.PutObject(t.Context(), "alone", "lock", strings.NewReader("1"), 1, "", "", absent); err != nil {
		t.Fatal(err)
	}
	if _, err := c.PutObject(t.Context(), "alone", "lock", strings.NewReader("2"), 1, "", "", absent); minio.ToErrorResponse(err).Code != "PreconditionFailed" {
		t.Errorf("a create over what is there: %v", err)
	}
}
