package s3_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/providers/driver"
	"sallyport/providers/s3"
	"sallyport/providers/s3/internal/awslike"
)

func TestConfigNamesWhatIsWrong(t *testing.T) {
	good := s3.Config{Bucket: bucketName, Region: "eu-west-1", Prefix: "a/b/", Endpoint: "https://s3.example.test:9000", AccessKeyFile: "a", SecretKeyFile: "s", SessionTokenFile: "t", CAFile: "ca", Proxy: "http://proxy.example.test:3128"}
	if err := good.Validate(); err != nil {
		t.Errorf("a good one: %v", err)
	}
	for name, c := range map[string]struct {
		change func(c *s3.Config)
		want   string
	}{
		"no bucket":            {func(c *s3.Config) { c.Bucket = "" }, "bucket: "},
		"bad bucket":           {func(c *s3.Config) { c.Bucket = "a/b" }, "bucket: "},
		"endpoint no URL":      {func(c *s3.Config) { c.Endpoint = "s3.example.test" }, "endpoint: "},
		"endpoint with path":   {func(c *s3.Config) { c.Endpoint = "https://s3.example.test/bucket" }, "endpoint: "},
		"endpoint credentials": {func(c *s3.Config) { c.Endpoint = "https://user:" + secretKey + "@s3.example.test" }, "endpoint: "},
		"plain HTTP":           {func(c *s3.Config) { c.Endpoint, c.CAFile = "http://s3.example.test", "" }, "allow_plain_http"},
		"CA and plain HTTP":    {func(c *s3.Config) { c.Endpoint = "http://127.0.0.1:9000" }, "ca_file: "},
		"region":               {func(c *s3.Config) { c.Region = "eu west" }, "region: "},
		"prefix up":            {func(c *s3.Config) { c.Prefix = "a/../b" }, "prefix: "},
		"prefix slash":         {func(c *s3.Config) { c.Prefix = "/a" }, "prefix: "},
		"prefix empty folder":  {func(c *s3.Config) { c.Prefix = "a//b" }, "prefix: "},
		"prefix system":        {func(c *s3.Config) { c.Prefix = "a/.sallyport" }, "prefix: "},
		"prefix long":          {func(c *s3.Config) { c.Prefix = strings.Repeat("abc/", 100) }, "prefix: "},
		"one key file":         {func(c *s3.Config) { c.SecretKeyFile = "" }, "secret_key_file: "},
		"token alone":          {func(c *s3.Config) { c.AccessKeyFile, c.SecretKeyFile = "", "" }, "session_token_file: "},
		"clash":                {func(c *s3.Config) { c.FolderClash = "yes" }, "folder_clash: "},
		"checksum":             {func(c *s3.Config) { c.Checksum = "md5" }, "checksum: "},
		"proxy":                {func(c *s3.Config) { c.Proxy = "proxy:3128" }, "proxy: "},
		"minio nowhere":        {func(c *s3.Config) { *c = *c.For(s3.FlavourMinIO); c.Endpoint = "" }, "endpoint: "},
	} {
		config := good
		c.change(&config)
		err := config.Validate()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), secretKey) {
			t.Errorf("%s: the error shows a secret", name)
		}
		if _, err := s3.Open(t.Context(), &config, nil); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
	broken := errors.New("broken")
	for _, decode := range []func(func(any) error) (*s3.Config, error){s3.DecodeConfig, s3.DecodeMinIOConfig} {
		if _, err := decode(func(any) error { return broken }); !errors.Is(err, broken) {
			t.Errorf("%v", err)
		}
		c, err := decode(func(into any) error { *into.(*s3.Config) = good; return nil })
		if err != nil || c.Bucket != bucketName {
			t.Errorf("%+v, %v", c, err)
		}
	}
}

func TestOpenRefusals(t *testing.T) {
	s := newService(t, false)
	other := newService(t, true)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "<!DOCTYPE html><html><head><meta charset=utf-8></head><body><p>Console</body></html>")
	}))
	defer page.Close()
	missing := filepath.Join(t.TempDir(), "missing")
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(c *s3.Config)
		kind   driver.Kind
		says   string
	}{
		"no bucket":          {func(c *s3.Config) { c.Bucket = "another-bucket" }, driver.Unavailable, "make it"},
		"other region":       {func(c *s3.Config) { c.Region = "eu-west-1" }, driver.Unauthenticated, "region: us-east-1"},
		"no key file":        {func(c *s3.Config) { c.SecretKeyFile = missing }, driver.Internal, "secret_key_file"},
		"empty key file":     {func(c *s3.Config) { c.AccessKeyFile = empty }, driver.Internal, "access_key_file"},
		"no CA file":         {func(c *s3.Config) { c.Endpoint, c.CAFile = other.server.URL, missing }, driver.Internal, "ca_file"},
		"no CA":              {func(c *s3.Config) { c.Endpoint, c.CAFile = other.server.URL, empty }, driver.Internal, "ca_file"},
		"unknown CA":         {func(c *s3.Config) { c.Endpoint = other.server.URL }, driver.Unavailable, "set ca_file"},
		"TLS at a plain one": {func(c *s3.Config) { c.Endpoint = strings.Replace(c.Endpoint, "http:", "https:", 1) }, driver.Unavailable, "does not speak TLS"},
		"plain at TLS":       {func(c *s3.Config) { c.Endpoint = strings.Replace(other.server.URL, "https:", "http:", 1) }, driver.Internal, "write https://"},
		"link-local":         {func(c *s3.Config) { c.Endpoint, c.AllowPlainHTTP = "http://169.254.169.254", true }, driver.Denied, "never connected"},
		"link-local IPv6":    {func(c *s3.Config) { c.Endpoint, c.AllowPlainHTTP = "http://[fe80::1]", true }, driver.Denied, "never connected"},
		"mapped link-local":  {func(c *s3.Config) { c.Endpoint, c.AllowPlainHTTP = "http://[::ffff:169.254.169.254]", true }, driver.Denied, "never connected"},
		"nowhere":            {func(c *s3.Config) { c.Endpoint = "http://127.0.0.1:1" }, driver.Unavailable, "nothing listens there"},
		"a web page":         {func(c *s3.Config) { c.Endpoint = page.URL }, driver.Unavailable, "check the endpoint"},
		"another name": {func(c *s3.Config) {
			c.Endpoint, c.CAFile = strings.Replace(other.server.URL, "127.0.0.1", "localhost", 1), other.config.CAFile
		}, driver.Unavailable, "a name that the certificate is for"},
		"no such name": {func(c *s3.Config) { c.Endpoint, c.AllowPlainHTTP = "http://nowhere.invalid", true }, driver.Unavailable, "the endpoint"},
	} {
		config := s.config
		c.change(&config)
		_, err := s3.Open(t.Context(), &config, nil)
		wantKind(t, name, err, c.kind)
		if err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v does not say %q", name, err, c.says)
		}
	}
	s.fails(func(*http.Request) awslike.Fault {
		return awslike.Fault{Status: 403, Code: "RequestTimeTooSkewed", Header: http.Header{"Date": {time.Now().Add(-2 * time.Hour).UTC().Format(http.TimeFormat)}}}
	})
	if _, err := s3.Open(t.Context(), &s.config, nil); err == nil || !strings.Contains(err.Error(), "the clock of this machine is off by 2h0m") {
		t.Errorf("another time: %v", err)
	}
	s.fails(nil)
	s.Store("copied/.sallyport/local.json", []byte(`{"layout":"escaped"}`))
	config := s.config
	config.Prefix = "copied"
	_, err := s3.Open(t.Context(), &config, nil)
	wantKind(t, "an escaped root", err, driver.Denied)
	s.Store("taken", nil)
	config.Prefix = "taken/below"
	_, err = s3.Open(t.Context(), config.For(s3.FlavourMinIO), &s3.Options{Probe: &perfect})
	wantKind(t, "a prefix below an object", err, driver.Denied)
}

func TestNoCredentials(t *testing.T) {
	s := newService(t, false)
	config := s.config
	config.AccessKeyFile, config.SecretKeyFile = "", ""
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	if _, err := s3.Open(t.Context(), &config, nil); err == nil || !strings.Contains(err.Error(), "AWS_ACCESS_KEY_ID") {
		t.Errorf("without any: %v", err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "a")
	t.Setenv("AWS_SECRET_ACCESS_KEY", secretKey)
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	if d, err := s3.Open(t.Context(), &config, nil); err != nil {
		t.Errorf("from the environment: %v", err)
	} else {
		_ = d.Close()
	}
}

// Rotated credentials come into use, and files that are gone for a moment change nothing.
func TestCredentialsAreReadAgain(t *testing.T) {
	s := newService(t, false)
	now := time.Now()
	var log bytes.Buffer
	d := s.open(t, nil, &s3.Options{Probe: &perfect, Now: func() time.Time { return now }, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	used := ""
	record := func(r *http.Request) awslike.Fault {
		used = r.Header.Get("Authorization")
		return awslike.Fault{}
	}
	s.fails(record)
	use := func(want string) {
		t.Helper()
		put(t, d, "k", nil)
		if !strings.Contains(used, "Credential="+want+"/") {
			t.Errorf("used %s, want %s", used, want)
		}
		if _, err := d.List(t.Context(), &driver.ListOptions{}); err != nil || !strings.Contains(used, "Credential="+want+"/") {
			t.Errorf("used %s, want %s, %v", used, want, err)
		}
	}
	use("access-key")
	if err := os.WriteFile(s.config.AccessKeyFile, []byte("rotated"), 0o600); err != nil {
		t.Fatal(err)
	}
	use("access-key")
	now = now.Add(2 * time.Minute)
	use("rotated")
	if err := os.WriteFile(s.config.AccessKeyFile, []byte("rotated-again"), 0o600); err != nil {
		t.Fatal(err)
	}
	use("rotated")
	s.fails(func(*http.Request) awslike.Fault { return awslike.Fault{Status: 403, Code: "InvalidAccessKeyId"} })
	if _, err := get(t.Context(), d, "k"); err == nil {
		t.Error("Get with refused credentials succeeded")
	}
	s.fails(record)
	use("rotated-again")
	if err := os.Remove(s.config.AccessKeyFile); err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * time.Minute)
	use("rotated-again")
	if !strings.Contains(log.String(), "could not be read again") || strings.Contains(log.String(), secretKey) {
		t.Errorf("log: %s", log.String())
	}
}

func TestReadOnly(t *testing.T) {
	s := newService(t, false)
	s.Store("k", []byte("there"))
	s.fails(nil)
	d := s.open(t, nil, &s3.Options{ReadOnly: true})
	up := driver.Upload{ID: "x", Key: "k"}
	u := d.Uploads()
	_, create := u.Create(t.Context(), "k", nil)
	_, part := u.PutPart(t.Context(), up, 1, strings.NewReader("x"), 1)
	_, complete := u.Complete(t.Context(), up, []driver.Part{{N: 1, ETag: "x"}}, &driver.PutOptions{})
	_, probe := d.RunProbe(t.Context(), 1, 1)
	for name, err := range map[string]error{
		"Put": tryPut(t.Context(), d, "k", strings.NewReader("x"), 1), "Delete": d.Delete(t.Context(), "k", &driver.DeleteOptions{}),
		"Create": create, "PutPart": part, "Complete": complete, "Abort": u.Abort(t.Context(), up), "Note": u.Note(t.Context(), up, "1", nil), "RunProbe": probe,
	} {
		wantKind(t, name, err, driver.ReadOnly)
	}
	if got, err := get(t.Context(), d, "k"); err != nil || string(got) != "there" {
		t.Errorf("%q, %v", got, err)
	}
	for _, r := range s.requests {
		if !strings.HasPrefix(r, "GET ") && !strings.HasPrefix(r, "HEAD ") {
			t.Errorf("a read-only driver asked %s", r)
		}
	}
}

// A bucket that is gone is not a bucket without objects.
func TestVanishedBucket(t *testing.T) {
	s := newService(t, false)
	now := time.Now()
	d := s.open(t, nil, &s3.Options{Probe: &perfect, Now: func() time.Time { return now }})
	put(t, d, "k", []byte("x"))
	s.Bucket = "renamed-meanwhile"
	now = now.Add(time.Hour)
	_, headErr := d.Head(t.Context(), "k")
	_, getErr := get(t.Context(), d, "k")
	_, listErr := d.List(t.Context(), &driver.ListOptions{})
	for _, err := range []error{headErr, getErr, listErr, d.Delete(t.Context(), "k", &driver.DeleteOptions{}), tryPut(t.Context(), d, "k", strings.NewReader("x"), 1)} {
		wantKind(t, "a vanished bucket", err, driver.Unavailable)
	}
}
