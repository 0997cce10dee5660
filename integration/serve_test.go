package integration

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"sallyport/integration/internal/toolchain"
)

// TestServeTwoVaults is a configuration with two folders, two vaults and keys that may do some things only.
func TestServeTwoVaults(t *testing.T) {
	needsPrograms(t)
	dir, cli := t.TempDir(), command(t)
	path := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"first.key", "second.key"} {
		writeFile(t, path(name), []byte(cli.run(t, "key", "new")))
	}
	if string(readFile(t, path("first.key"))) == string(readFile(t, path("second.key"))) {
		t.Fatal("key new printed the same key twice")
	}
	writeFile(t, path("password"), []byte("the second vault's password 61\n"))
	writeFile(t, path("auditor.secret"), []byte("auditor-secret-42\n"))
	for _, folder := range []string{"one", "two"} {
		writeFile(t, filepath.Join(dir, folder, ".keep"), nil)
	}
	config := writeFile(t, path("config.yaml"), fmt.Appendf(nil, `
region: eu-test-7
domains: [s3.test]
state_dir: %q
listen: {address: "127.0.0.1:0"}
providers:
  one: {type: local, path: %q}
  two: {type: local, path: %q}
vaults:
  - {name: archive, provider: one, buckets: ["archive-*"], etag: opaque, unlock: {key_file: %q}}
  - {name: home, provider: two, buckets: ["*"], unlock: {password_file: %q}}
credentials:
  - {access_key: owner-key, secret_key: owner-secret-42, allow: [{buckets: ["*"], ops: [read, write, list, delete, create-bucket]}]}
  - {access_key: auditor-key, secret_key_file: %q, allow: [{buckets: ["home-*"], prefixes: ["reports/"], ops: [read, list]}]}
log: {level: info, format: json}
`, path("state"), path("one"), path("two"), path("first.key"), path("password"), path("auditor.secret")))
	for _, folder := range []string{"one", "two"} { // a root must be empty
		if r := cli.try(t, "vault", "create", "--config", config, "--name", map[string]string{"one": "archive", "two": "home"}[folder], "--key-file", path("first.key")); r.code == 0 {
			t.Errorf("a vault was made in a folder that holds something:\n%s", r.both())
		}
		removeFile(t, filepath.Join(dir, folder, ".keep"))
	}
	if out := cli.run(t, "config", "check", "--config", config); !strings.Contains(out, "valid") {
		t.Errorf("config check: %s", out)
	}
	if r := cli.try(t, "serve", "--config", config); r.code == 0 || !strings.Contains(r.stderr, "archive") {
		t.Errorf("serving vaults that are not there: exit %d\n%s", r.code, r.stderr)
	}
	if r := cli.try(t, "vault", "create", "--config", config, "--key-file", path("first.key")); r.code != 2 || !strings.Contains(r.stderr, "--name") {
		t.Errorf("vault create without a name, of two: exit %d\n%s", r.code, r.stderr)
	}
	cli.run(t, "vault", "create", "--config", config, "--name", "archive", "--key-file", path("first.key"))
	created := cli.run(t, "vault", "create", "--config", config, "--name", "home", "--yes", "--password-file", path("password"))
	second := shownKey(t, created)
	if r := cli.try(t, "vault", "create", "--config", config, "--name", "home", "--key-file", path("second.key")); r.code == 0 || !strings.Contains(r.stderr, "left as it is") {
		t.Errorf("a second vault create: exit %d\n%s", r.code, r.stderr)
	}

	g := serve(t, config)
	g.Region, g.AccessKey, g.SecretKey = "eu-test-7", "owner-key", "owner-secret-42"
	auditor := *g
	auditor.AccessKey, auditor.SecretKey = "auditor-key", "auditor-secret-42"
	for _, bucket := range []string{"archive-1", "home-1"} {
		makeBucket(t, g, bucket)
		for _, key := range []string{"reports/may", "private/may"} {
			putObject(t, g, bucket, key, []byte(bucket+" "+key))
		}
	}
	if n, m := len(objectFiles(t, path("one"))), len(objectFiles(t, path("two"))); n != 2 || m != 2 {
		t.Errorf("%d and %d objects in the two folders, want 2 and 2", n, m)
	}
	// Each ETag is of its vault's kind.
	head, err := sdk(t, g).HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("archive-1"), Key: aws.String("reports/may")})
	if err != nil || !strings.HasSuffix(*head.ETag, `-1"`) {
		t.Errorf("ETag %s in the vault with opaque ones, %v", aws.ToString(head.ETag), err)
	}
	// A copy from one vault to the other.
	if _, err := sdk(t, g).CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: aws.String("home-1"), Key: aws.String("copied"), CopySource: aws.String("archive-1/reports/may")}); err != nil {
		t.Error(err)
	}
	sameBytes(t, "copy between vaults", []byte("archive-1 reports/may"), getObject(t, g, "home-1", "copied"))
	limitedKey(t, &auditor)
	styles(t, g)

	status := cli.run(t, "vault", "status", "--config", config, "--name", "home", "--key-file", secretFile(t, second)) // beside the running gateway
	for _, want := range []string{"verified    yes", "home-1", "password", "recovery"} {
		if !strings.Contains(status, want) {
			t.Errorf("vault status does not show %q:\n%s", want, status)
		}
	}
	if out := cli.run(t, "vault", "status", "--config", config, "--name", "archive"); !strings.Contains(out, "verified    no") {
		t.Errorf("vault status without a key:\n%s", out)
	}
}

// limitedKey may read and list below reports/ in home-*.
func limitedKey(t *testing.T, auditor *gateway) {
	t.Helper()
	client, ctx := sdk(t, auditor), t.Context()
	sameBytes(t, "what the auditor may read", []byte("home-1 reports/may"), getObject(t, auditor, "home-1", "reports/may"))
	for what, err := range map[string]error{
		"read elsewhere":      second(client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("home-1"), Key: aws.String("private/may")})),
		"read another bucket": second(client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("archive-1"), Key: aws.String("reports/may")})),
		"read what is not":    second(client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("home-1"), Key: aws.String("private/not-there")})),
		"write":               second(client.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("home-1"), Key: aws.String("reports/june"), Body: bytes.NewReader([]byte("x"))})),
		"delete":              second(client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String("home-1"), Key: aws.String("reports/may")})),
		"make a bucket":       second(client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("home-2")})),
		"list everything":     second(client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String("home-1")})),
		"copy from elsewhere": second(client.CopyObject(ctx, &s3.CopyObjectInput{Bucket: aws.String("home-1"), Key: aws.String("reports/x"), CopySource: aws.String("home-1/private/may")})),
		"start an upload":     second(client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: aws.String("home-1"), Key: aws.String("reports/x")})),
	} {
		if code(err) != "AccessDenied" {
			t.Errorf("the auditor may %s: %v", what, err)
		}
	}
	list, err := client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String("home-1"), Prefix: aws.String("reports/")})
	if err != nil || len(list.Contents) != 1 {
		t.Errorf("the auditor's list: %v, %v", list, err)
	}
	buckets, err := client.ListBuckets(ctx, &s3.ListBucketsInput{})
	if err != nil || len(buckets.Buckets) != 1 || *buckets.Buckets[0].Name != "home-1" {
		t.Errorf("the auditor sees %v, %v", buckets, err)
	}
}

func second[T any](_ T, err error) error { return err }

// styles reads one object by path and by host name.
func styles(t *testing.T, g *gateway) {
	t.Helper()
	transport := &http.Transport{}
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, g.host())
	}
	t.Cleanup(transport.CloseIdleConnections)
	client := sdk(t, g, func(o *s3.Options) {
		o.UsePathStyle, o.BaseEndpoint, o.HTTPClient = false, aws.String("http://s3.test"), &http.Client{Transport: transport}
	})
	got, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("home-1"), Key: aws.String("reports/may")})
	if err != nil {
		t.Fatalf("virtual-hosted style: %v", err)
	}
	_ = got.Body.Close()
	if _, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("home-1"), Key: aws.String("by host"), Body: bytes.NewReader([]byte("host"))}); err != nil {
		t.Fatal(err)
	}
	sameBytes(t, "what came by host name, read by path", []byte("host"), getObject(t, g, "home-1", "by host"))
}

func TestServeTakesUpAChangedCertificate(t *testing.T) {
	needsPrograms(t)
	s := newTLSServer(t)
	serial := func() string {
		conn, err := tls.Dial("tcp", s.host(), &tls.Config{InsecureSkipVerify: true}) // only the certificate is looked at
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	if serial() != "1" {
		t.Fatalf("serial %s", serial())
	}
	key := strings.TrimSuffix(s.CACert, ".pem") + ".key"
	writeFile(t, s.CACert, []byte("not a certificate, with a size of its own"))
	deadline := time.Now().Add(3 * time.Second)
	eventually(t, patience, "the broken certificate is noticed and the old one kept", func() bool {
		if serial() != "1" {
			t.Fatal("the old certificate is gone")
		}
		return strings.Contains(s.stderr.String(), "does not load") || time.Now().After(deadline.Add(patience))
	})
	writeCertificate(t, s.CACert, key, 2)
	eventually(t, patience, "the new certificate", func() bool { return serial() == "2" })
	makeBucket(t, &s.gateway, "after-renewal") // trusts the new file
}

func TestConfigCheckReportsAllFiveMistakes(t *testing.T) {
	needsPrograms(t)
	config := writeFile(t, filepath.Join(t.TempDir(), "config.yaml"), []byte(`
state_dir: /var/lib/somewhere
regoin: us-east-1
listen: {address: "0.0.0.0:9710"}
providers: {disk: {type: floppy, path: /x}}
vaults: [{name: "Home!", provider: missing, buckets: ["*"]}]
credentials: [{access_key: ab, secret_key: hunter2-is-a-secret, allow: [{buckets: ["*"], ops: [read, fly]}]}]
`))
	r := command(t).try(t, "config", "check", "--config", config)
	if r.code != 2 {
		t.Errorf("exit %d, want 2", r.code)
	}
	for _, mistake := range []string{"regoin", "listen.address", "providers.disk.type", "vaults[0].provider", "vaults[0].name", "credentials[0].access_key", "ops[1]"} {
		if !strings.Contains(r.stderr, mistake) {
			t.Errorf("%q is not reported:\n%s", mistake, r.stderr)
		}
	}
	if strings.Contains(r.both(), "hunter2") {
		t.Errorf("a secret is quoted:\n%s", r.both())
	}
	if r := command(t).try(t, "serve", "--config", config); r.code != 2 || !strings.Contains(r.stderr, "providers.disk.type") {
		t.Errorf("serve with that file: exit %d\n%s", r.code, r.stderr)
	}
}

func TestExampleConfigurationIsRefusedForItsPlaceholdersOnly(t *testing.T) {
	needsPrograms(t)
	root, err := toolchain.Root()
	if err != nil {
		t.Fatal(err)
	}
	r := command(t).try(t, "config", "check", "--config", filepath.Join(root, "config.example.yaml"))
	for line := range strings.Lines(r.stderr) {
		if strings.Contains(line, "line ") && !strings.Contains(line, "placeholder") {
			t.Errorf("the example has another problem: %s", line)
		}
	}
	if r.code != 2 || !strings.Contains(r.stderr, "placeholder") {
		t.Errorf("exit %d\n%s", r.code, r.stderr)
	}
}

// TestVaultPasswd changes a password: the old one opens nothing any more, and what it opened before stays readable with the new one.
func TestVaultPasswd(t *testing.T) {
	needsPrograms(t)
	g := newGateway(t)
	makeBucket(t, g, "kept")
	putObject(t, g, "kept", "object", []byte("before"))
	g.stop()
	cli := command(t)
	older, newer := secretFile(t, "the older password 4711"), secretFile(t, "the newer password 4712")
	passwd := []string{"vault", "passwd", "--dir", g.Dir}
	cli.run(t, append(passwd, "--key-file", g.keyFile(t), "--new-password-file", older)...)
	if out := cli.run(t, append(passwd, "--password-file", older, "--new-password-file", newer)...); !strings.Contains(out, "changed") {
		t.Errorf("passwd says: %s", out)
	}
	for _, args := range [][]string{
		{"vault", "status", "--dir", g.Dir, "--password-file", older},
		{"quickstart", "--dir", g.Dir, "--listen", "127.0.0.1:0", "--password-file", older},
		append(passwd, "--password-file", older, "--new-password-file", older),
		{"recover", "--from", g.data(), "--to", filepath.Join(t.TempDir(), "o"), "--password-file", older},
	} {
		if r := cli.try(t, args...); r.code != 1 || !strings.Contains(r.stderr, "password") {
			t.Errorf("%s with the old password: exit %d\n%s", args[0], r.code, r.both())
		}
	}
	again := quickstart{dir: g.Dir, args: []string{"--password-file", newer}}.start(t)
	if again.SecretKey == g.SecretKey {
		t.Error("the S3 secret is still the one that the old password led to")
	}
	sameBytes(t, "object of before", []byte("before"), getObject(t, again, "kept", "object"))
	putObject(t, again, "kept", "object", []byte("after"))
	if r := cli.try(t, append(passwd, "--password-file", newer, "--new-password-file", older)...); r.code == 0 {
		t.Error("passwd beside a running gateway went through")
	}
	again.stop()
	withKey := quickstart{dir: g.Dir, args: []string{"--key-file", g.keyFile(t)}}.start(t)
	sameBytes(t, "object of after, with the 64-digit key of before", []byte("after"), getObject(t, withKey, "kept", "object"))
	withKey.stop()
	if r := cli.try(t, append(passwd, "--password-file", newer, "--new-password-file", secretFile(t, "a"))...); r.code == 0 {
		t.Error("a password of one letter was taken")
	}
}
