package integration

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/lifecycle"
)

// neededOf are the permissions that docs/s3-backend.md asks for.
var neededOf = []string{"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts", "s3:ListBucket"}

// user makes a user of the storage who may do what is needed but for one thing, or "", and returns the provider with his credentials.
func (m *onMinIO) user(t testing.TB, admin *program, name, bucket, denied string) string {
	t.Helper()
	resources := []string{"arn:aws:s3:::" + bucket, "arn:aws:s3:::" + bucket + "/*"}
	statements := []map[string]any{{"Effect": "Allow", "Action": neededOf, "Resource": resources}}
	if denied != "" {
		statements = append(statements, map[string]any{"Effect": "Deny", "Action": strings.Fields(denied), "Resource": resources})
	}
	policy, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
	if err != nil {
		t.Fatal(err)
	}
	const secret = "a-secret-of-a-user"
	admin.run(t, "admin", "policy", "create", "s", name, writeFile(t, filepath.Join(m.dir, name+".json"), policy))
	admin.run(t, "admin", "user", "add", "s", name, secret)
	admin.run(t, "admin", "policy", "attach", "s", name, "--user", name)
	access, key := filepath.Join(m.dir, name+".access"), filepath.Join(m.dir, name+".secret")
	writeFile(t, access, []byte(name+"\n"))
	writeFile(t, key, []byte(secret+"\n"))
	p := strings.NewReplacer(filepath.Join(m.dir, "access"), access, filepath.Join(m.dir, "secret"), key, "bucket: "+sealedBucket, "bucket: "+bucket)
	return p.Replace(m.provider(""))
}

// TestMissingPermissionsAreNamed: serve and doctor say which permission is lacking, and with those that the documentation asks for all works, in a bucket
// with versions too, none of which these credentials can delete.
func TestMissingPermissionsAreNamed(t *testing.T) {
	needsPrograms(t)
	t.Parallel()
	m := newOnMinIO(t)
	admin := mc(t, &gateway{Endpoint: m.minio.Endpoint, AccessKey: m.minio.AccessKey, SecretKey: m.minio.SecretKey})
	for i, denied := range neededOf {
		if denied == "s3:ListMultipartUploadParts" {
			continue // nothing asks for it before an upload is gone on with
		}
		config := m.config(t, "denied", m.user(t, admin, fmt.Sprintf("denied-%d", i), sealedBucket, denied))
		for _, what := range []string{"serve", "doctor"} {
			r := command(t).try(t, what, "--config", config)
			if r.code == 0 || !strings.Contains(r.both(), "the credentials lack "+denied) {
				t.Errorf("%s without %s: exit %d\n%s", what, denied, r.code, r.both())
			}
		}
	}
	if err := m.client.MakeBucket(t.Context(), "versions", minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := m.client.EnableVersioning(t.Context(), "versions"); err != nil {
		t.Fatal(err)
	}
	for _, bucket := range []string{sealedBucket, "versions"} {
		provider := m.user(t, admin, "careful-"+bucket, bucket, "s3:DeleteObjectVersion s3:ListBucketVersions")
		config := m.config(t, bucket, provider)
		if bucket != sealedBucket {
			command(t).run(t, "vault", "create", "--config", config, "--key-file", m.keyFile)
		}
		out := command(t).run(t, "doctor", "--config", config)
		if !strings.Contains(out, "lack s3:GetLifecycleConfiguration") {
			t.Errorf("doctor in %s does not say that it could not look at the rules:\n%s", bucket, out)
		}
		s := m.gateway(t, bucket, provider)
		makeBucket(t, &s.gateway, "kept")
		content := noise(1, 6<<20)
		putObject(t, &s.gateway, "kept", "object", []byte("before"))
		putObject(t, &s.gateway, "kept", "object", content)
		sameBytes(t, "object in "+bucket, content, getObject(t, &s.gateway, "kept", "object"))
	}
}

// TestRulesOfTheBucketAreTold: a rule that deletes what is stored is said by serve, and doctor fails for it.
func TestRulesOfTheBucketAreTold(t *testing.T) {
	needsPrograms(t)
	t.Parallel()
	m := newOnMinIO(t)
	provider := m.provider(", prefix: below/here")
	config := m.config(t, "rules", provider)
	command(t).run(t, "vault", "create", "--config", config, "--key-file", m.keyFile)
	rule := func(id, prefix string) lifecycle.Rule {
		return lifecycle.Rule{ID: id, Status: "Enabled", RuleFilter: lifecycle.Filter{Prefix: prefix}, Expiration: lifecycle.Expiration{Days: 30}}
	}
	disabled := rule("disabled", "")
	disabled.Status = "Disabled"
	for _, tc := range []struct {
		name  string
		rules []lifecycle.Rule
		says  string
	}{
		{"none", nil, ""},
		{"elsewhere", []lifecycle.Rule{rule("elsewhere", "below/there/"), disabled}, ""},
		{"of old versions", []lifecycle.Rule{{ID: "old", Status: "Enabled", NoncurrentVersionExpiration: lifecycle.NoncurrentVersionExpiration{NoncurrentDays: 3}}}, ""},
		{"of everything", []lifecycle.Rule{rule("all", "")}, `rule "all" deletes objects 30 day(s) after`},
		{"above", []lifecycle.Rule{rule("above", "below/")}, `rule "above" deletes objects`},
		{"below", []lifecycle.Rule{disabled, rule("part", "below/here/photos/")}, `rule "part" deletes objects`},
	} {
		if err := m.client.SetBucketLifecycle(t.Context(), sealedBucket, &lifecycle.Configuration{Rules: tc.rules}); err != nil {
			t.Fatal(err)
		}
		r := command(t).try(t, "doctor", "--config", config)
		if failed := r.code != 0; failed != (tc.says != "") || !strings.Contains(r.stdout, tc.says) || !failed && !strings.Contains(r.stdout, "no lifecycle rule takes away") {
			t.Errorf("rule %s: exit %d, without %q\n%s", tc.name, r.code, tc.says, r.both())
		}
	}
	if s := m.gateway(t, "rules", provider); !strings.Contains(s.stderr.String(), "deletes objects 30 day(s) after") {
		t.Errorf("serve does not warn:\n%s", s.stderr.String())
	}
}
